"""Delegated routers are asked together; what they find is merged, and each one's fate is told."""

import asyncio
import json

import pytest
from aiohttp import web

from cidbus.actors.ipfs.ipns.name import IpnsName
from cidbus.actors.ipfs.remote.routing import DelegatedRouting
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, TooLarge, Unavailable

SOUGHT = CID.of(RAW, b"sought")
NAMES = [IpnsName.of_public_key(b"\x08\x01\x12\x20" + bytes([number]) * 32) for number in range(200)]
IDS = [name.peer_id for name in NAMES]
RECORD_TYPE = "application/vnd.ipfs.ipns-record"


def peer(number, *addrs, **more):
    return {
        "Schema": "peer",
        "ID": IDS[number],
        "Addrs": list(addrs),
        "Protocols": ["transport-bitswap"],
    } | more


class Router:
    """Answers with these peers, as a stream to those who can read one; `raw` are lines sent as they are."""

    def __init__(self, *peers, streams=True, raw=b""):
        self.peers, self.streams, self.raw = peers, streams, raw
        self.asked = []

    async def __call__(self, request):
        self.asked.append(request)
        if self.streams and "application/x-ndjson" in request.headers["Accept"]:
            lines = b"".join(json.dumps(one).encode() + b"\n" for one in self.peers) + self.raw
            return web.Response(body=lines, content_type="application/x-ndjson")
        key = "Peers" if "/peers/" in request.path else "Providers"
        return web.json_response({key: list(self.peers)})


def refusing(status, text=""):
    async def answer(request):
        return web.Response(status=status, text=text)

    return answer


async def hanging(request):
    await asyncio.Event().wait()


@pytest.fixture
async def routing_of(serve):
    """`await routing_of(router, …)`: the client, and the routers' URLs in order."""
    opened = []

    async def routing(*routers, **options):
        urls = [await serve(router) for router in routers]
        opened.append(DelegatedRouting(urls, **options))
        return opened[-1], urls

    yield routing
    for one in opened:
        await one.close()


# Providers


@pytest.mark.parametrize("streams", [True, False])
async def test_providers_are_read_as_a_stream_or_as_one_document(routing_of, streams):
    router = Router(peer(0, "/ip4/1.2.3.4/tcp/4001"), peer(1), streams=streams)
    routing, (url,) = await routing_of(router)
    found = await routing.find_providers(SOUGHT)
    assert [(one.id, one.addrs, one.protocols, one.method) for one in found.peers] == [
        (IDS[0], ["/ip4/1.2.3.4/tcp/4001"], ["transport-bitswap"], "delegated"),
        (IDS[1], [], ["transport-bitswap"], "delegated"),
    ]
    assert [(one.method, one.endpoint, one.found, one.error) for one in found.tried] == [
        ("delegated", url, 2, None)
    ]
    assert router.asked[0].path_qs == f"/routing/v1/providers/{SOUGHT}"


async def test_the_cid_is_asked_for_in_version_1_and_the_filters_go_along(routing_of):
    router = Router()
    routing, _ = await routing_of(router)
    v0 = CID.of(DAG_PB, b"", version=0)
    await routing.find_providers(v0, addrs=["tls", "!ip6"], protocols=["unknown", "transport-bitswap"])
    (asked,) = router.asked
    assert asked.path == f"/routing/v1/providers/{v0.to_v1()}"
    assert dict(asked.query) == {"filter-addrs": "tls,!ip6", "filter-protocols": "unknown,transport-bitswap"}


async def test_what_several_routers_know_of_one_peer_is_merged_however_its_id_is_written(routing_of):
    first = Router(peer(0, "/ip4/1.1.1.1/tcp/1"), peer(1))
    second = Router(
        peer(0, "/ip4/1.1.1.1/tcp/1", "/ip4/2.2.2.2/tcp/2", ID=str(NAMES[0]), Protocols=["transport-x"]),
        peer(2),
    )
    routing, _ = await routing_of(first, second)
    found = await routing.find_providers(SOUGHT)
    assert [one.id for one in found.peers] == [IDS[0], IDS[1], IDS[2]]
    assert found.peers[0].addrs == ["/ip4/1.1.1.1/tcp/1", "/ip4/2.2.2.2/tcp/2"]
    assert found.peers[0].protocols == ["transport-bitswap", "transport-x"]
    assert [one.found for one in found.tried] == [2, 2]


async def test_a_router_that_fails_is_told_and_the_others_count(routing_of):
    routers = [
        refusing(404),
        refusing(500),
        refusing(422, "not  a\nCID"),
        refusing(302),
        hanging,
        Router(raw=b"{nonsense\n"),
        Router(streams=False),
        Router(peer(0)),
    ]
    routing, urls = await routing_of(*routers, timeout_s=0.3)
    found = await routing.find_providers(SOUGHT)
    assert [one.id for one in found.peers] == [IDS[0]]
    errors = [one.error for one in found.tried]
    assert errors[0] is None
    assert errors[1] == f"{urls[1]} answered 500"
    assert errors[2] == "providers: not a CID"
    assert errors[3] == f"{urls[3]} answered 302"
    assert errors[4] == f"providers at {urls[4]}: no answer within 0.3 s"
    assert errors[5].startswith("answer: not JSON")
    assert errors[6:] == [None, None]


async def test_nobody_there_is_told_and_not_raised():
    async with DelegatedRouting(["http://127.0.0.1:1"]) as routing:
        found = await routing.find_providers(SOUGHT)
    assert found.peers == []
    assert "http://127.0.0.1:1 cannot be reached" in found.tried[0].error


async def test_without_routers_nothing_is_found():
    async with DelegatedRouting([]) as routing:
        assert await routing.find_providers(SOUGHT) == ([], [])


async def test_what_a_stream_told_before_it_failed_counts(routing_of):
    sent = asyncio.Event()

    async def breaking(request):
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(json.dumps(peer(0)).encode() + b"\n")
        sent.set()
        await asyncio.Event().wait()

    routing, (url,) = await routing_of(breaking, timeout_s=0.2)
    found = await routing.find_providers(SOUGHT)
    assert [one.id for one in found.peers] == [IDS[0]]
    assert (found.tried[0].found, found.tried[0].error) == (1, f"providers at {url}: no answer within 0.2 s")


async def test_no_more_than_a_hundred_providers_are_taken_of_a_router(routing_of):
    async def endless(request):
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        while True:
            for number in range(200):
                await response.write(json.dumps(peer(number)).encode() + b"\n")

    routing, _ = await routing_of(endless, Router(*[peer(number) for number in range(200)], streams=False))
    found = await routing.find_providers(SOUGHT)
    assert [one.found for one in found.tried] == [100, 100]
    assert len(found.peers) == 100


async def test_a_line_or_a_document_without_end_is_cut(routing_of):
    def endless(kind):
        async def answer(request):
            response = web.StreamResponse(headers={"Content-Type": kind})
            await response.prepare(request)
            while True:
                await response.write(b" " * 60_000 if kind == "application/json" else b"x" * 60_000)

        return answer

    routing, _ = await routing_of(endless("application/x-ndjson"), endless("application/json"))
    found = await routing.find_providers(SOUGHT)
    assert [one.error for one in found.tried] == [
        "line: more than 65536 bytes",
        "answer: more than 6553600 bytes",
    ]


async def test_what_is_not_understood_is_passed_over(routing_of):
    strange = [
        {"Schema": "from-the-future", "ID": IDS[9]},
        {"ID": IDS[9]},
        {"Schema": "peer"},
        {"Schema": "peer", "ID": "../../etc"},
        {"Schema": "peer", "ID": 7},
        {"Schema": ["peer"], "ID": IDS[9]},
        "peer",
        None,
        [],
        {"Schema": "peer", "ID": IDS[0], "Addrs": "no list", "Protocols": None, "Extra": {"a": 1}},
        {"Schema": "peer", "ID": IDS[1], "Addrs": ["/ip4/1.1.1.1", 5, "", "x" * 2000]},
        {"Schema": "bitswap", "Protocol": "transport-bitswap", "ID": IDS[2]},
    ]
    for streams in (True, False):
        routing, _ = await routing_of(Router(*strange, streams=streams))
        found = await routing.find_providers(SOUGHT)
        assert [(one.id, one.addrs, one.protocols) for one in found.peers] == [
            (IDS[0], [], []),
            (IDS[1], ["/ip4/1.1.1.1"], []),
            (IDS[2], [], ["transport-bitswap"]),
        ]
        assert found.tried[0].error is None


@pytest.mark.parametrize("document", [b"[]", b'{"Providers": null}', b'{"Providers": {}}', b"{}", b"7"])
async def test_a_document_without_providers_has_none(routing_of, document):
    async def answer(request):
        return web.Response(body=document, content_type="application/json")

    routing, _ = await routing_of(answer)
    found = await routing.find_providers(SOUGHT)
    assert (found.peers, found.tried[0].error) == ([], None)


# Peers


@pytest.mark.parametrize("form", [IDS[3], str(NAMES[3]), str(NAMES[3].cid)])
async def test_a_peer_is_found_by_its_id_in_any_form_and_others_are_no_answer(routing_of, form):
    router = Router(peer(4, "/ip4/9.9.9.9/tcp/1"), peer(3, "/ip4/1.2.3.4/tcp/4001"))
    routing, _ = await routing_of(router)
    found = await routing.find_peer(form)
    assert [(one.id, one.addrs) for one in found.peers] == [(IDS[3], ["/ip4/1.2.3.4/tcp/4001"])]
    assert router.asked[0].path == f"/routing/v1/peers/{IDS[3]}"


@pytest.mark.parametrize("text", ["", "x", "../../secret", str(SOUGHT), "12D3KooW?", "1" * 600])
async def test_what_is_no_peer_id_is_refused_before_anybody_is_asked(routing_of, text):
    router = Router()
    routing, _ = await routing_of(router)
    with pytest.raises(BadRequest) as caught:
        await routing.find_peer(text)
    assert caught.value.field == "peer_id"
    assert router.asked == []


# Names


def records(body, kind=RECORD_TYPE, status=200):
    async def answer(request):
        assert request.headers["Accept"] == RECORD_TYPE
        return web.Response(body=body, content_type=kind, status=status)

    return answer


async def test_the_records_of_a_name_are_gathered_each_different_one_once(routing_of):
    routing, _ = await routing_of(
        records(b"old"),
        records(b"new"),
        records(b"old"),
        records(b"<html>", "text/html"),
        refusing(404),
        refusing(503),
    )
    found = await routing.get_ipns(NAMES[0])
    assert found.records == [b"old", b"new"]
    assert [one.found for one in found.tried] == [1, 1, 1, 0, 0, 0]
    assert [bool(one.error) for one in found.tried] == [False] * 5 + [True]


async def test_a_record_of_ten_kibibytes_passes_and_a_larger_one_is_refused(routing_of):
    routing, _ = await routing_of(records(bytes(10 * 1024)), records(bytes(10 * 1024 + 1)))
    found = await routing.get_ipns(NAMES[0])
    assert [len(record) for record in found.records] == [10 * 1024]
    assert found.tried[1].error == "record: more than 10240 bytes"


async def test_a_record_is_put_at_every_router(routing_of):
    put = []

    async def taking(request):
        put.append((request.method, request.path, request.content_type, await request.read()))
        return web.Response()

    routing, _ = await routing_of(taking, refusing(500), taking)
    tried = await routing.put_ipns(NAMES[0], b"record")
    assert put == [("PUT", f"/routing/v1/ipns/{NAMES[0]}", RECORD_TYPE, b"record")] * 2
    assert [one.found for one in tried] == [1, 0, 1]
    assert tried[1].error


async def test_a_record_that_nobody_takes_is_invalid_or_for_later(routing_of):
    routing, _ = await routing_of(refusing(500), refusing(400, "signature is wrong"))
    with pytest.raises(BadRequest) as caught:
        await routing.put_ipns(NAMES[0], b"record")
    assert caught.value.field == "record"
    assert "signature is wrong" in caught.value.message
    assert [one["found"] for one in caught.value.tried] == [0, 0]
    routing, _ = await routing_of(refusing(500), refusing(404), refusing(501))
    with pytest.raises(Unavailable):
        await routing.put_ipns(NAMES[0], b"record")


async def test_a_record_that_is_too_large_is_not_sent(routing_of):
    routing, _ = await routing_of(hanging)
    with pytest.raises(TooLarge) as caught:
        await routing.put_ipns(NAMES[0], bytes(10 * 1024 + 1))
    assert (caught.value.field, caught.value.limit) == ("record", 10 * 1024)


def test_a_url_that_is_none_and_too_many_are_refused():
    for urls in (["ftp://router.example"], [f"https://{number}.example" for number in range(17)]):
        with pytest.raises(BadRequest) as caught:
            DelegatedRouting(urls)
        assert caught.value.field == "routers"


async def test_a_router_below_a_path_is_asked_there(serve):
    router = Router()
    async with DelegatedRouting([await serve(router) + "/base/"]) as routing:
        await routing.find_providers(SOUGHT)
    assert router.asked[0].path == f"/base/routing/v1/providers/{SOUGHT}"
