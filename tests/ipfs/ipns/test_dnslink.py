"""DNSLink against a real DNS server on loopback, with zones of the test's own."""

import asyncio
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from cidbus.actors.ipfs.ipns.dns_txt import DnsTxt
from cidbus.actors.ipfs.ipns.dnslink import DnsLink
from cidbus.actors.ipfs.paths import Domain, parse_path
from cidbus.schemas.errors import (
    BadRequest,
    DeadlineExceeded,
    InvalidContent,
    NotFound,
    NotSupported,
    Unavailable,
)

CID = "/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


class DnsServer(asyncio.DatagramProtocol):
    """Answers TXT questions from `zone`: name → texts, or a name that it is an alias of."""

    def __init__(self) -> None:
        self.zone: dict[str, list[str] | str] = {}
        self.ttl_s = 60
        self.asked: list[str] = []
        self.silent = False
        self.broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if self.silent:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.zone:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._fill(answer, name)
        self._transport.sendto(answer.to_wire(), addr)

    def _fill(self, answer: dns.message.Message, name: str) -> None:
        while isinstance(found := self.zone.get(name, []), str):
            answer.answer.append(dns.rrset.from_text(name + ".", self.ttl_s, "IN", "CNAME", found + "."))
            name = found
        if found:
            texts = [" ".join(f'"{part}"' for part in text.split("|")) for text in found]
            answer.answer.append(dns.rrset.from_text(name + ".", self.ttl_s, "IN", "TXT", *texts))


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(DnsServer, ("127.0.0.1", 0))
    yield server
    transport.close()


@pytest.fixture
def dnslink(server, clock) -> DnsLink:
    return DnsLink(DnsTxt([server.address], timeout_s=2.0), now_ns=clock)


async def test_a_domain_leads_to_its_path(server, dnslink):
    server.zone["_dnslink.example.com"] = [f"dnslink={CID}/a", "v=spf1 -all"]
    found = await dnslink.look_up(Domain("example.com"))
    assert (str(found.value), found.fresh_ns) == (f"{CID}/a", 60 * 10**9)


@pytest.mark.parametrize(
    "text", [f"dnslink={CID}", f"dnslink={CID[6:]}", f"dnslink={CID[:20]}|{CID[20:]}", f"dnslink= {CID}/ "]
)
async def test_a_record_may_be_written_in_these_ways(server, dnslink, text):
    server.zone["_dnslink.example.com"] = [text]
    assert str((await dnslink.look_up(Domain("example.com"))).value) == CID


async def test_an_alias_is_followed(server, dnslink):
    server.zone["_dnslink.www.example.com"] = "_dnslink.example.com"
    server.zone["_dnslink.example.com"] = [f"dnslink={CID}"]
    assert str((await dnslink.look_up(Domain("www.example.com"))).value) == CID


@pytest.mark.parametrize("texts", [None, [], ["v=spf1 -all"], ["DNSLINK=" + CID]])
async def test_a_domain_without_a_link_is_not_found(server, dnslink, texts):
    server.zone["example.com"] = [f"dnslink={CID}"]  # not where it belongs
    if texts is not None:
        server.zone["_dnslink.example.com"] = texts
    with pytest.raises(NotFound, match="dnslink not found"):
        await dnslink.look_up(Domain("example.com"))


async def test_two_different_links_are_refused_and_the_same_twice_is_one(server, dnslink):
    server.zone["_dnslink.two.com"] = [f"dnslink={CID}", "dnslink=/ipns/example.com"]
    with pytest.raises(InvalidContent, match=r"two\.com points at more than one path"):
        await dnslink.look_up(Domain("two.com"))
    server.zone["_dnslink.one.com"] = [f"dnslink={CID}", f"dnslink={CID[6:]}"]
    assert str((await dnslink.look_up(Domain("one.com"))).value) == CID


@pytest.mark.parametrize(
    "value", ["", "/ipfs/nothing", "ipfs://" + CID[6:], "/ipld/" + CID[6:], "https://example.com"]
)
async def test_a_link_to_no_path_is_refused(server, dnslink, value):
    server.zone["_dnslink.example.com"] = [f"dnslink={value}"]
    with pytest.raises(InvalidContent, match="points at no content path"):
        await dnslink.look_up(Domain("example.com"))


async def test_answers_are_kept_for_their_ttl(server, dnslink, clock):
    server.zone["_dnslink.example.com"] = [f"dnslink={CID}"]
    for _ in range(3):
        await dnslink.look_up(Domain("example.com"))
    assert len(server.asked) == 1
    await dnslink.look_up(Domain("example.com"), nocache=True)
    clock.turn(hours=61 / 3600)
    await dnslink.look_up(Domain("example.com"))
    assert len(server.asked) == 3


async def test_a_long_ttl_ends_after_an_hour(server, dnslink, clock):
    server.zone["_dnslink.example.com"] = [f"dnslink={CID}"]
    server.ttl_s = 10**9
    assert (await dnslink.look_up(Domain("example.com"))).fresh_ns == 3600 * 10**9
    clock.turn(hours=1)
    await dnslink.look_up(Domain("example.com"))
    assert len(server.asked) == 2


async def test_a_silent_server_ends_in_a_time_limit(server, clock):
    server.silent = True
    with pytest.raises(DeadlineExceeded, match=r"_dnslink\.example\.com"):
        await DnsTxt([server.address], timeout_s=0.05).txt("_dnslink.example.com")


async def test_a_server_that_fails_is_unavailable(server, dnslink):
    server.broken = True
    with pytest.raises(Unavailable, match="DNS lookup"):
        await dnslink.look_up(Domain("example.com"))


async def test_a_name_too_long_for_the_dns_is_not_asked(server, dnslink):
    longest = ".".join(["a" * 60] * 4)
    with pytest.raises(NotFound):
        await dnslink.look_up(Domain.parse("b" + longest))
    assert server.asked == [f"_dnslink.b{longest}"]
    with pytest.raises(BadRequest, match="domain name"):
        Domain.parse("bb" + longest)


async def test_without_a_resolver_it_is_off():
    with pytest.raises(NotSupported, match="CIDBUS_IPFS_DNSLINK=true"):
        await DnsLink(None).look_up(Domain("example.com"))


@pytest.mark.parametrize("server", ["dns.example.com", "", "192.0.2.1:x", "192.0.2.1:99999", "[::1", "1.2.3"])
def test_a_server_is_an_address(server):
    with pytest.raises(BadRequest, match="dns_servers"):
        DnsTxt([server])


@pytest.mark.parametrize("server", ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53"])
def test_an_address_may_have_a_port(server):
    assert DnsTxt([server])


async def test_domains_that_lead_to_domains_and_names_are_followed(server, dnslink, kit, path_a):
    names = await kit.names(dnslink=dnslink)
    published = await names.publish(path_a.joined(("x",)))
    server.zone["_dnslink.a.com"] = ["dnslink=/ipns/b.com/y"]
    server.zone["_dnslink.b.com"] = [f"dnslink=/ipns/{published.name.peer_id}"]
    resolved = await names.resolve(parse_path("/ipns/a.com/z"))
    assert str(resolved.path) == f"{path_a}/x/y/z"
    assert (resolved.ttl_s, resolved.record) == (60, None)


async def test_domains_in_a_circle_end_in_an_error(server, dnslink, kit):
    names = await kit.names(dnslink=dnslink)
    server.zone["_dnslink.a.com"] = ["dnslink=/ipns/b.com/y"]
    server.zone["_dnslink.b.com"] = ["dnslink=/ipns/a.com/x"]
    with pytest.raises(InvalidContent, match="more than 32 names"):
        await names.resolve(parse_path("/ipns/a.com"))
