"""The subdomain gateway (https://specs.ipfs.tech/http-gateways/subdomain-gateway/), section by section."""

from __future__ import annotations

import pytest
import pytest_asyncio

from cidbus.schemas import names, subjects
from cidbus.schemas.cid import CID, base58_decode

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = b"Hello, IPFS!"
CID_V0 = "QmYiiwGQLQ8xF8DFDdE4inDD4hGqNcsw2YGFujyZuA8mqb"
LONG = str(CID(1, 0x55, b"\x13\x40" + bytes(64)))  # a SHA2-512 digest


def v1(cid: str) -> str:
    return str(CID.parse(cid).to_v1())


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(node):
    return await node.tree({"index.html": b"<html>home", "a b/c.txt": HELLO, "plain/x": b"x"})


# ---- Host -----------------------------------------------------------------------------------------------


async def test_the_root_of_the_host_is_put_before_the_path(web, site):
    host = f"{site}.ipfs.localhost:{web.port}"
    assert (await web.get("/", host=host)).body == b"<html>home"
    found = await web.get("/a%20b/c.txt", host=host)
    assert (found.status, found.body) == (200, HELLO)
    assert found.headers["X-Ipfs-Path"] == f"/ipfs/{site}/a%20b/c.txt"
    assert (await web.head("/a%20b/c.txt", host=host)).status == 200


async def test_a_directory_is_redirected_within_its_own_host(web, site):
    found = await web.get("/plain?q=1", host=f"{site}.ipfs.localhost")
    assert (found.status, found.headers["Location"]) == (301, "/plain/?q=1")


async def test_a_listing_links_within_its_own_host_and_to_the_gateway(web, site):
    found = await web.get("/plain/", host=f"{site}.ipfs.localhost:{web.port}")
    assert b'href="/plain/x"' in found.body
    assert f'href="//localhost:{web.port}/ipfs/'.encode() in found.body


async def test_the_host_is_read_whatever_its_case(web, site):
    assert (await web.get("/", host=f"{site.upper()}.IPFS.LocalHost")).status == 200


async def test_all_formats_are_served_from_a_root_of_its_own(web, site):
    host = f"{site}.ipfs.localhost"
    assert CID.parse(site).matches((await web.get("/?format=raw", host=host)).body)
    assert (await web.get("/a%20b/?format=tar", host=host)).status == 200


async def test_the_api_is_not_reachable_from_an_origin_of_content(web, node, site):
    cid = await node.add(HELLO)
    host = f"{site}.ipfs.localhost"
    for path in (f"/api/v0/mcp/ipfs/cat/{cid}", "/livez", "/docs", "/openapi.json", "/api/v0/mcp/ipfs/id"):
        assert (await web.get(path, host=host)).status == 404
    found = await web.get("/api/v0/mcp/ipfs/repo/gc", {"Origin": f"http://{host}"}, host=host, method="POST")
    assert found.status in (403, 405)


async def test_a_page_on_its_own_origin_is_not_sandboxed(web, site):
    found = await web.get("/", host=f"{site}.ipfs.localhost")
    assert "Content-Security-Policy" not in found.headers


async def test_a_root_that_is_no_cid_is_a_bad_request(web):
    assert (await web.get("/", host="nonsense.ipfs.localhost")).status == 400


async def test_a_root_of_another_base_has_one_origin(web, site):
    base36 = CID.parse(site).to_base36()
    found = await web.get("/a?b", host=f"{base36}.ipfs.localhost")
    assert found.status in (301, 302)
    assert found.headers["Location"] == f"http://{site}.ipfs.localhost/a?b"


async def test_a_host_that_is_no_gateway_names_no_content(web, site):
    assert (await web.get("/", host=f"{site}.ipfs.example.com")).status == 404


async def test_a_name_is_served_from_a_host_of_its_own(web, node, site):
    key = await node.bus.request(subjects.KEY_GEN, names.KeyGen(name="site"))
    await node.bus.request(
        subjects.NAME_PUBLISH, names.NamePublish(path=f"/ipfs/{site}", key="site", ttl="2m")
    )
    found = await web.get("/a%20b/c.txt", host=f"{key.id}.ipns.localhost")
    assert (found.status, found.body) == (200, HELLO)
    assert found.headers["X-Ipfs-Path"] == f"/ipns/{key.id}/a%20b/c.txt"
    assert found.headers["X-Ipfs-Roots"].startswith(site)
    assert 0 < int(found.headers["Cache-Control"].removeprefix("public, max-age=")) <= 120


# ---- redirects from paths -------------------------------------------------------------------------------


async def test_a_path_is_moved_to_its_host_with_path_and_query_kept(web, site):
    found = await web.get(f"/ipfs/{site}/a%20b/c.txt?x=%20y&z", host="localhost:8000")
    assert found.status == 301
    assert found.headers["Location"] == f"http://{site}.ipfs.localhost:8000/a%20b/c.txt?x=%20y&z"


async def test_only_the_root_is_checked_before_the_redirect(web):
    found = await web.get(f"/ipfs/{CID_V0}/not/there", host="localhost")
    assert (found.status, found.headers["Location"]) == (
        301,
        f"http://{v1(CID_V0)}.ipfs.localhost/not/there",
    )
    assert (await web.get("/ipfs/nonsense/not/there", host="localhost")).status == 400


async def test_a_cid_of_version_0_is_moved_to_version_1(web):
    found = await web.get(f"/ipfs/{CID_V0}", host="localhost")
    assert found.headers["Location"] == f"http://{v1(CID_V0)}.ipfs.localhost/"


async def test_a_key_is_moved_to_base36(web):
    peer_id = "12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK"
    found = await web.get(f"/ipns/{peer_id}/a", host="localhost")
    label = CID(1, 0x72, base58_decode(peer_id)).to_base36()
    assert found.headers["Location"] == f"http://{label}.ipns.localhost/a"
    assert len(label) <= 63


async def test_a_domain_is_inlined_into_one_label(web):
    found = await web.get("/ipns/en.wikipedia-on-ipfs.org/wiki/?q", host="localhost")
    assert (found.status, found.headers["Location"]) == (
        301,
        "http://en-wikipedia--on--ipfs-org.ipns.localhost/wiki/?q",
    )


async def test_a_cid_longer_than_a_dns_label_is_a_bad_request(web):
    assert (await web.get(f"/ipfs/{LONG}", host="localhost")).status == 400
    assert (await web.get("/", host=f"{LONG}.ipfs.localhost")).status == 400


async def test_by_address_the_same_server_is_a_path_gateway(web, site):
    assert (await web.get(f"/ipfs/{site}/a%20b/c.txt")).body == HELLO


async def test_further_hosts_can_be_gateways(gateway_with, site):
    web = await gateway_with(gateway_hosts=("dweb.example",))
    found = await web.get(f"/ipfs/{site}/", host="dweb.example")
    assert found.headers["Location"] == f"http://{site}.ipfs.dweb.example/"
    assert (await web.get("/", host=f"{site}.ipfs.dweb.example")).body == b"<html>home"
    assert (await web.get(f"/ipfs/{site}/", host="localhost")).body == b"<html>home"


# ---- X-Forwarded-Proto, X-Forwarded-Host ----------------------------------------------------------------


async def test_a_trusted_proxy_says_which_scheme_redirects_have(gateway_with, site):
    web = await gateway_with(gateway_trust_forwarded=True)
    found = await web.get(f"/ipfs/{site}/", {"X-Forwarded-Proto": "https"}, host="localhost")
    assert found.headers["Location"] == f"https://{site}.ipfs.localhost/"


async def test_a_trusted_proxy_says_which_host_was_asked(gateway_with, site):
    web = await gateway_with(gateway_trust_forwarded=True, gateway_hosts=("dweb.example",))
    found = await web.get(f"/ipfs/{site}/", {"X-Forwarded-Host": "dweb.example"})
    assert found.headers["Location"] == f"http://{site}.ipfs.dweb.example/"
    found = await web.get("/", {"X-Forwarded-Host": f"{site}.ipfs.dweb.example"})
    assert found.body == b"<html>home"


async def test_nobody_else_is_believed(web, site):
    headers = {"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https"}
    assert (await web.get(f"/ipfs/{site}/", headers)).status == 200
    found = await web.get(f"/ipfs/{site}/", headers, host="localhost")
    assert found.headers["Location"].startswith("http://")


async def test_over_https_a_domain_is_inlined_in_the_host_too(gateway_with):
    web = await gateway_with(gateway_trust_forwarded=True)
    found = await web.get(
        "/x", {"X-Forwarded-Proto": "https"}, host="en.wikipedia-on-ipfs.org.ipns.localhost"
    )
    assert found.headers["Location"] == "https://en-wikipedia--on--ipfs-org.ipns.localhost/x"


# ---- URI router -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", ""])
async def test_the_uri_of_a_protocol_handler_leads_to_its_path(web, host):
    found = await web.get(f"/ipfs/?uri=ipfs%3A%2F%2F{v1(CID_V0)}%2Fa%20b%3Fq%3D1", host=host)
    assert found.status in (301, 302, 307)
    assert found.headers["Location"] == f"/ipfs/{v1(CID_V0)}/a%20b?q=1"
    found = await web.get("/ipns/?uri=ipns://en.wikipedia-on-ipfs.org", host=host)
    assert found.headers["Location"] == "/ipns/en.wikipedia-on-ipfs.org"


@pytest.mark.parametrize("uri", ["https://evil.example/", "javascript:alert(1)", "ipfs:", "//evil.example"])
async def test_any_other_uri_is_a_bad_request(web, uri):
    assert (await web.get(f"/ipfs/?uri={uri}")).status == 400
