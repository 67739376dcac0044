"""Names: `/ipns` paths, and hosts that are DNSLink domains
(https://specs.ipfs.tech/http-gateways/dnslink-gateway/). The names are answered by a DNS server of one's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rrset
import pytest
import pytest_asyncio

from cidbus.actors import make_actor
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.schemas import names, subjects

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = b"Hello, IPFS!"
shared = pytest_asyncio.fixture(loop_scope="module", scope="module")


class TxtServer(asyncio.DatagramProtocol):
    """Answers for TXT records from a dict of domain to DNSLink path."""

    def __init__(self) -> None:
        self.links: dict[str, str] = {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        asked = query.question[0].name
        path = self.links.get(asked.to_text().rstrip(".").removeprefix("_dnslink."))
        if path is not None and asked.to_text().startswith("_dnslink."):
            reply.answer.append(dns.rrset.from_text(asked, 60, "IN", "TXT", f'"dnslink={path}"'))
        self.transport.sendto(reply.to_wire(), address)


@shared
async def dns_server() -> AsyncIterator[TxtServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(TxtServer, local_addr=("127.0.0.1", 0))
    server.port = transport.get_extra_info("sockname")[1]
    yield server
    transport.close()


@shared
async def bus(tmp_path_factory, dns_server):
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    patch = pytest.MonkeyPatch()
    patch.setenv("CIDBUS_IPFS_DNSLINK", "true")
    patch.setenv("CIDBUS_IPFS_DNS_SERVERS", f"127.0.0.1:{dns_server.port}")
    actor = make_actor("ipfs", tmp_path_factory.mktemp("node") / "ipfs")
    patch.undo()
    async with (
        nats_server() as server,
        hosted(server, actor),
        await connect(server, "bridge") as connected,
    ):
        yield connected


@shared
async def root(node, dns_server):
    files = {"index.html": b"<html>home", "wiki/page.txt": HELLO, "_redirects": b"/old/* /new/:splat 302\n"}
    root = await node.tree(files)
    dns_server.links |= {
        "en.wiki-site.org": f"/ipfs/{root}",
        "deep.example": f"/ipfs/{root}/wiki",
        "chain.example": "/ipns/deep.example",
        "loop.example": "/ipns/loop.example",
        "wrong.example": "/nothing/here",
    }
    return root


# ---- /ipns paths ----------------------------------------------------------------------------------------


async def test_a_published_name_is_followed_to_its_content(web, node, root):
    key = await node.bus.request(subjects.KEY_GEN, names.KeyGen(name="k"))
    await node.bus.request(
        subjects.NAME_PUBLISH, names.NamePublish(path=f"/ipfs/{root}/wiki", key="k", ttl="5m")
    )
    for name in (key.id, key.peer_id):
        found = await web.get(f"/ipns/{name}/page.txt")
        assert (found.status, found.body) == (200, HELLO)
        assert found.headers["X-Ipfs-Path"] == f"/ipns/{name}/page.txt"
        assert found.headers["X-Ipfs-Roots"].split(",")[0] == root


async def test_max_age_is_what_remains_of_the_names_time_to_live(web, root):
    kept = (await web.get("/ipns/en.wiki-site.org/wiki/page.txt")).headers["Cache-Control"]
    assert 0 <= int(kept.removeprefix("public, max-age=")) <= 60
    assert "immutable" not in kept


async def test_the_etag_of_a_name_is_that_of_its_content(web, root):
    by_name = await web.get("/ipns/en.wiki-site.org/wiki/page.txt")
    by_cid = await web.get(f"/ipfs/{root}/wiki/page.txt")
    assert by_name.headers["Etag"] == by_cid.headers["Etag"]
    again = await web.get("/ipns/en.wiki-site.org/wiki/page.txt", {"If-None-Match": by_cid.headers["Etag"]})
    assert (again.status, again.headers["Cache-Control"]) == (304, by_name.headers["Cache-Control"])


async def test_a_directory_of_a_name_is_redirected_under_the_name(web, root):
    found = await web.get("/ipns/en.wiki-site.org/wiki?x")
    assert (found.status, found.headers["Location"]) == (301, "/ipns/en.wiki-site.org/wiki/?x")


async def test_a_name_can_be_had_as_a_car_of_its_content(web, root):
    assert (await web.get("/ipns/en.wiki-site.org/wiki/page.txt?format=car")).status == 200


@pytest.mark.parametrize("name", ["unknown.example", "wrong.example"])
async def test_a_domain_without_a_link_is_an_error(web, root, name):
    assert (await web.get(f"/ipns/{name}/")).status in (400, 404, 500)


async def test_links_that_never_end_are_a_bad_request(web, root):
    assert (await web.get("/ipns/loop.example/")).status == 400


@pytest.mark.parametrize("name", ["nonsense", "127.0.0.1", "a..b", "-"])
async def test_what_is_neither_key_nor_domain_is_a_bad_request(web, name):
    assert (await web.get(f"/ipns/{name}")).status == 400


# ---- Host -----------------------------------------------------------------------------------------------


@shared
async def sites(gateway_with):
    hosts = ("en.wiki-site.org", "*.example", "deep.example")
    return await gateway_with(gateway_dnslink_hosts=hosts)


async def test_an_allowed_domain_serves_its_content_at_its_own_host(sites, root):
    assert (await sites.get("/", host="en.wiki-site.org")).body == b"<html>home"
    found = await sites.get("/wiki/page.txt", host="en.wiki-site.org:8080")
    assert (found.body, found.headers["X-Ipfs-Path"]) == (HELLO, "/ipns/en.wiki-site.org/wiki/page.txt")


async def test_the_path_inside_a_link_is_kept_through_a_chain_of_links(sites, root):
    for host in ("deep.example", "chain.example"):
        assert (await sites.get("/page.txt", host=host)).body == HELLO


async def test_a_directory_of_a_host_is_redirected_and_listed_within_it(sites, root):
    found = await sites.get("/wiki", host="en.wiki-site.org")
    assert (found.status, found.headers["Location"]) == (301, "/wiki/")
    page = await sites.get("/wiki/", host="en.wiki-site.org")
    assert b'href="/wiki/page.txt"' in page.body


async def test_a_site_behind_a_domain_has_its_redirects(sites, root):
    found = await sites.get("/old/a", host="en.wiki-site.org")
    assert (found.status, found.headers["Location"]) == (302, "/new/a")


async def test_a_site_behind_a_domain_never_shows_the_api(sites, root):
    assert (await sites.get("/livez", host="en.wiki-site.org")).status == 404


async def test_a_domain_that_is_not_allowed_reaches_the_bridge(sites, web, root):
    assert (await sites.get("/livez", host="other.org")).status == 200
    assert (await web.get("/livez", host="en.wiki-site.org")).status == 200


async def test_an_inlined_domain_below_a_gateway_serves_the_same(web, root):
    found = await web.get("/wiki/page.txt", host="en-wiki--site-org.ipns.localhost")
    assert (found.status, found.body) == (200, HELLO)
