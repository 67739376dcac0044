"""The gateway back end: reads what gateways have, believes none of them, and writes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from cidbus.actors.ipfs.backends.choice import make_backends
from cidbus.actors.ipfs.backends.gateway import RecentBlocks
from cidbus.actors.ipfs.settings import IpfsSettings
from cidbus.schemas import dag, ipfs, names, routing, subjects, tree
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import BadRequest, NotFound, NotSupported, Unavailable
from cidbus.schemas.rows import Stream
from cidbus.schemas.subjects import calls

from .places import Place, cidbus_over_http, cut, place_of
from .servers import server

BLOCK = b"the right bytes" * 1000
KNOWN = CID.of(RAW, BLOCK)
KEY = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def gateway(folder: Path, *urls: str, **settings: str):
    return place_of("gateway", folder, backend="gateway", gateways=",".join(urls), **settings)


async def honest(request: web.Request) -> web.StreamResponse:
    return web.Response(body=BLOCK)


# ---- gateways that are not to be believed ---------------------------------------------------------------


async def wrong_bytes(request: web.Request) -> web.StreamResponse:
    return web.Response(body=BLOCK[:-1] + b"!")


async def truncated(request: web.Request) -> web.StreamResponse:
    return web.Response(body=BLOCK[:-1])


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(BLOCK))})
    await response.prepare(request)
    await response.write(BLOCK[:100])
    assert request.transport is not None
    request.transport.abort()
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(1 << 20))


async def slow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for byte in BLOCK:
        await response.write(bytes([byte]))
        await asyncio.sleep(0.05)
    return response


async def broken(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="out of order")


async def absent(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


LIARS: list[Answer] = [wrong_bytes, truncated]
USELESS: list[Answer] = [*LIARS, cut_off, endless, slow, broken, absent]


@pytest.mark.parametrize("answer", USELESS)
async def test_one_that_is_of_no_use_is_named_and_nothing_of_it_is_kept(tmp_path, answer):
    async with server(answer) as url, gateway(tmp_path, url, fetch_timeout_s="0.5") as place:
        with pytest.raises(NotFound if answer is absent else Unavailable) as missing:
            await place.cat(str(KNOWN))
        assert str(KNOWN) in missing.value.message
        assert list(missing.value.tried) == [url]
        assert missing.value.details.get("liars", []) == ([url] if answer in LIARS else [])


@pytest.mark.parametrize("answer", USELESS)
async def test_one_of_no_use_does_not_keep_others_from_answering(tmp_path, answer):
    async with (
        server(answer) as bad,
        server(honest) as good,
        gateway(tmp_path, bad, good, fetch_timeout_s="5") as place,
    ):
        assert await place.cat(str(KNOWN)) == BLOCK


async def test_a_liar_is_named_in_the_log_and_not_asked_again(tmp_path, caplog):
    asked = 0

    async def lie(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(body=b"a lie")

    async with server(lie) as url, gateway(tmp_path, url) as place:
        for _ in range(2):
            with caplog.at_level(logging.WARNING), pytest.raises(Unavailable):
                await place.cat(str(KNOWN))
        assert asked == 1
        assert url in caplog.text


async def test_a_redirect_is_followed_nowhere(tmp_path):
    reached = []

    async def inside(request: web.Request) -> web.StreamResponse:
        reached.append(request.path)
        return web.Response(body=BLOCK)

    async with server(inside) as target:

        async def redirect(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{target}{request.path_qs}"})

        async with server(redirect) as url, gateway(tmp_path, url) as place:
            with pytest.raises(Unavailable) as missing:
                await place.cat(str(KNOWN))
    assert "redirects" in missing.value.tried[url]
    assert reached == []


@pytest.mark.parametrize(
    "origin",
    ["http://user:s3cret@host", "http://host/path", "http://host?query", "ftp://host", "file:///etc", "http://"],
)  # fmt: skip
def test_only_a_plain_origin_is_a_gateway(tmp_path, origin):
    with pytest.raises(BadRequest) as refused:
        make_backends(IpfsSettings.of({"backend": "gateway", "gateways": origin}), tmp_path)
    assert refused.value.field == "gateways"
    assert "s3cret" not in refused.value.message


# ---- our own gateway ------------------------------------------------------------------------------------


async def test_what_our_own_gateway_has_is_read_and_checked(tmp_path):
    content = bytes(range(256)) * 10_000
    async with cidbus_over_http(tmp_path / "far") as (bus, url), gateway(tmp_path / "near", url) as place:
        ask = ipfs.AddRequest(filename="a", wrap=True, chunk_bytes=100_000)
        cid = (await bus.upload(subjects.ADD, ask, cut(content))).cid
        assert await place.cat(cid, "a") == content
        assert (await place.read(subjects.GET, ipfs.PathRequest(cid=cid)))[1].count(content[:1000]) >= 1


async def test_a_block_that_was_just_read_is_not_asked_for_again(tmp_path):
    asked = 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(body=BLOCK)

    async with server(count) as url, gateway(tmp_path, url) as place:
        for _ in range(3):
            assert await place.cat(str(KNOWN)) == BLOCK
    assert asked == 1


async def test_the_blocks_that_are_remembered_are_bounded():
    recent = RecentBlocks(limit_bytes=100)
    blocks = {CID.of(RAW, b"%040d" % number): b"%040d" % number for number in range(5)}
    for cid, block in blocks.items():
        await recent.keep(cid, block)
    assert [cid for cid in blocks if await recent.has(cid)] == list(blocks)[-2:]


async def test_what_is_in_use_is_remembered_longest():
    recent = RecentBlocks(limit_bytes=100)
    one, two, three = (CID.of(RAW, b"%040d" % number) for number in range(3))
    await recent.keep(one, b"%040d" % 0)
    await recent.keep(two, b"%040d" % 1)
    recent.get_now(one)
    await recent.keep(three, b"%040d" % 2)
    assert (recent.get_now(one) is not None, recent.get_now(two)) == (True, None)


# ---- what it does not do --------------------------------------------------------------------------------

REFUSED = {
    subjects.ADD: ipfs.AddRequest(content="x"),
    subjects.BLOCK_PUT: ipfs.BlockPut(data=b"x"),
    subjects.BLOCK_RM: ipfs.BlockRemove(cid=str(KNOWN)),
    subjects.BLOCK_WANT: ipfs.BlockRequest(cid=str(KNOWN)),
    subjects.PIN: ipfs.PinRequest(cid=str(KNOWN)),
    subjects.UNPIN: ipfs.PinRemove(cid=str(KNOWN)),
    subjects.PINS: ipfs.PinList(),
    subjects.PIN_UPDATE: ipfs.PinUpdate(from_cid=str(KNOWN), to_cid=str(KNOWN)),
    subjects.REPO_GC: ipfs.RepoGc(),
    subjects.REPO_STAT: ipfs.RepoStatRequest(),
    subjects.REPO_VERIFY: ipfs.RepoVerify(),
    subjects.ID: ipfs.IdRequest(),
    subjects.DAG_PUT: dag.DagPut(object={}),
    subjects.DAG_IMPORT: dag.DagImport(data=b"x"),
    subjects.REFS_LOCAL: dag.LocalRefs(),
    subjects.KEY_GEN: names.KeyGen(name="key"),
    subjects.KEYS: names.KeyList(),
    subjects.KEY_RENAME: names.KeyRename(name="key", new_name="other"),
    subjects.KEY_RM: names.KeyRemove(name="key"),
    subjects.NAME_PUBLISH: names.NamePublish(path=str(KNOWN)),
    subjects.NAME_RESOLVE: names.NameResolve(name=KEY),
    subjects.NAME_GET: names.NameGet(name=KEY),
    subjects.NAME_PUT: names.NamePut(name=KEY, record=b"x"),
    subjects.FIND_PROVIDERS: routing.FindProviders(cid=str(KNOWN)),
    subjects.FIND_PEER: routing.FindPeer(peer_id=KEY),
    subjects.PROVIDE: routing.Provide(cid=str(KNOWN)),
    subjects.ROUTING_GET: routing.RoutingGet(key=f"/ipns/{KEY}"),
    subjects.ROUTING_PUT: routing.RoutingPut(key=f"/ipns/{KEY}", value=b"x"),
    subjects.SWARM_PEERS: routing.SwarmPeers(),
    subjects.SWARM_ADDRS: routing.SwarmAddrs(),
    subjects.SWARM_CONNECT: routing.SwarmConnect(address="/ip4/127.0.0.1"),
    subjects.SWARM_DISCONNECT: routing.SwarmDisconnect(address="/ip4/127.0.0.1"),
    subjects.TREE_PATCH: tree.TreePatch(groups=[]),
    subjects.TREE_STAT: tree.TreeLookup(root=str(KNOWN)),
    subjects.TREE_LS: tree.TreeFind(root=str(KNOWN)),
    subjects.TREE_DU: tree.TreeUsage(root=str(KNOWN)),
    subjects.TREE_DIFF: tree.TreeDiff(before=str(KNOWN), after=str(KNOWN)),
    subjects.TREE_EXPORT: tree.TreeExport(root=str(KNOWN)),
    subjects.FILE_WRITE: tree.FileWrite(data=b"x"),
    subjects.ROOT_SET: tree.RootSet(name="name", cid=str(KNOWN)),
    subjects.ROOTS_RM: tree.RootsRemove(names=["name"]),
    subjects.ROOTS: tree.RootList(),
    subjects.UPLOAD_CREATE: tree.UploadCreate(),
    subjects.UPLOAD_APPEND: tree.UploadAppend(id="id", offset=0, data=b"x"),
    subjects.UPLOAD_STAT: tree.UploadRequest(id="id"),
    subjects.UPLOAD_FINISH: tree.UploadFinish(id="id"),
    subjects.UPLOAD_CANCEL: tree.UploadRequest(id="id"),
    subjects.UPLOADS: tree.UploadList(),
}
READS = {
    subjects.CAT, subjects.GET, subjects.LS, subjects.STAT, subjects.BLOCK_GET, subjects.BLOCK_STAT,
    subjects.DAG_GET, subjects.DAG_RESOLVE, subjects.DAG_STAT, subjects.DAG_EXPORT, subjects.REFS,
    subjects.NAME_INSPECT, subjects.VERSION,
}  # fmt: skip


async def test_what_is_not_reading_is_not_supported(tmp_path):
    assert set(REFUSED) | READS == set(calls("ipfs"))
    async with server(honest) as url, gateway(tmp_path, url) as place:
        for row, ask in REFUSED.items():
            with pytest.raises(NotSupported) as refused:
                await answer_of(place, row, ask)
            assert refused.value.message == f"the gateway back end does not answer {row.name}"
            assert refused.value.backend == "gateway"


async def answer_of(place: Place, row, ask):
    if not isinstance(row, Stream):
        return await place.ask(row, ask)
    return await (place.read if row.item is bytes else place.items)(row, ask)
