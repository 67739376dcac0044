"""What is the Kubo back end's own: daemons that are offline or away, headers, half answers, memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from cidbus.bus.server import free_port
from cidbus.schemas import dag, ipfs, names, routing, subjects
from cidbus.schemas.errors import Forbidden, InvalidContent, NotSupported, Unavailable
from cidbus.schemas.rows import Request, Stream
from cidbus.schemas.subjects import calls

from .places import Place, cidbus_over_http, place_of
from .servers import Answer, server

CID = "bafkreiatxvweutqyqpnb2jh5penk2rk3pmiyibvgvze57jlsldw6k3sllu"
MIB = 1 << 20


@asynccontextmanager
async def over(answer: Answer, folder: Path, **settings: str) -> AsyncIterator[Place]:
    async with (
        server(answer) as url,
        place_of("kubo", folder, backend="kubo", kubo_url=url, **settings) as place,
    ):
        yield place


async def test_an_offline_daemon_says_so_before_anything_is_done(kubo, tmp_path):
    async with place_of("kubo", tmp_path, backend="kubo", kubo_url=kubo.rpc_url) as place:
        cid = (await place.add("offline")).cid
        key = await place.ask(subjects.KEY_GEN, names.KeyGen(name="offline"))
        for row, ask in (
            (subjects.NAME_PUBLISH, names.NamePublish(path=cid, key="offline")),
            (subjects.NAME_GET, names.NameGet(name=key.id)),
            (subjects.FIND_PROVIDERS, routing.FindProviders(cid=cid)),
            (subjects.PROVIDE, routing.Provide(cid=cid)),
            (subjects.SWARM_CONNECT, routing.SwarmConnect(address=f"/ip4/127.0.0.1/tcp/9/p2p/{key.peer_id}")),
        ):
            with pytest.raises(NotSupported, match="online"):
                await place.ask(row, ask)
        with pytest.raises(NotSupported, match="online"):
            await place.items(subjects.SWARM_PEERS, routing.SwarmPeers())
        await place.ask(subjects.KEY_RM, names.KeyRemove(name="offline"))


async def test_a_daemon_that_is_away_is_named_at_once(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    async with place_of("kubo", tmp_path, backend="kubo", kubo_url=url) as place:
        asks = {
            subjects.CAT: ipfs.CatRequest(cid=CID),
            subjects.DAG_GET: dag.DagGet(cid=CID),
            subjects.PIN: ipfs.PinRequest(cid=CID),
            subjects.ID: ipfs.IdRequest(),
            subjects.PINS: ipfs.PinList(),
        }
        for row, ask in asks.items():
            with pytest.raises(Unavailable, match=url):
                if isinstance(row, Request):
                    await place.ask(row, ask)
                else:
                    assert isinstance(row, Stream)
                    await (place.read if row.item is bytes else place.items)(row, ask)
        with pytest.raises(Unavailable, match=url):
            await place.add(b"content")


async def test_the_authorization_is_passed_on_and_a_refusal_is_told(tmp_path):
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=403, text="Kubo RPC Access Denied")

    async with over(answer, tmp_path, kubo_authorization="Bearer secret") as place:
        with pytest.raises(Forbidden) as refused:
            await place.ask(subjects.ID, ipfs.IdRequest())
        with pytest.raises(Forbidden):
            await place.add(b"content")
    assert set(seen) == {"Bearer secret"}
    assert "secret" not in str(refused.value.to_wire())


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"Hash":5}\n', b"null"])
async def test_an_answer_that_says_nothing_of_use_is_an_error(tmp_path, body):
    """Kubo answers some broken requests with 200 and nothing."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body)

    async with over(answer, tmp_path) as place:
        for ask in (
            lambda: place.add(b"content"),
            lambda: place.put_block(b"content"),
            lambda: place.put_node({"a": 1}),
            lambda: place.ask(subjects.ID, ipfs.IdRequest()),
            lambda: place.ask(subjects.KEY_GEN, names.KeyGen(name="key")),
            lambda: place.ask(subjects.REPO_STAT, ipfs.RepoStatRequest()),
            lambda: place.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=CID)),
        ):
            with pytest.raises(InvalidContent):
                await ask()


async def test_what_breaks_off_is_sent_again_only_if_it_changes_nothing(tmp_path):
    called: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        called.append(request.path.removeprefix("/api/v0/"))
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with over(answer, tmp_path) as place:
        for ask in (
            lambda: place.put_block(b"content"),
            lambda: place.add(b"content"),
            lambda: place.ask(subjects.KEY_RM, names.KeyRemove(name="key")),
            lambda: place.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=CID)),
        ):
            with pytest.raises(Unavailable):
                await ask()
    assert called == ["block/put", "add", "key/rm", "block/get", "block/get", "block/get"]


async def test_a_block_that_the_daemon_made_up_is_not_handed_on(tmp_path):
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"made up")

    async with over(answer, tmp_path) as place:
        with pytest.raises(InvalidContent, match="other bytes"):
            await place.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=CID))
        with pytest.raises(InvalidContent, match="other bytes"):
            await place.cat(CID)


async def test_a_reader_that_leaves_early_ends_the_call_to_the_daemon(tmp_path):
    async with cidbus_over_http(tmp_path / "other") as (other, url):
        content = bytes(range(256)) * 4 * 20 * 1024
        cid = (await other.upload(subjects.ADD, ipfs.AddRequest(), one(content))).cid
        async with place_of(
            "kubo", tmp_path / "here", backend="kubo", kubo_url=url, kubo_connections="1"
        ) as place:
            for _ in range(3):  # which one connection serves only if it is given back
                async with await place.bus.open(subjects.CAT, ipfs.CatRequest(cid=cid)) as stream:
                    await anext(aiter(stream))
            assert await place.cat(cid) == content


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


# Kubo keeps a tree of its own, which `files` of its RPC changes, and has neither named roots nor uploads.
OF_OUR_OWN = ("ipfs.tree.", "ipfs.file.", "ipfs.root.", "ipfs.upload.")


async def test_every_row_is_answered_but_those_of_our_own_trees():
    from cidbus.actors.ipfs.backends.kubo.backend import KuboBackend
    from cidbus.actors.ipfs.remote.kubo import KuboRpc

    answered = KuboBackend(KuboRpc(), Path()).handlers()
    assert [row for row in calls("ipfs") if row not in answered and not row.name.startswith(OF_OUR_OWN)] == []


@pytest.mark.slow
async def test_200_megabytes_go_in_and_out_in_little_memory(kubo, tmp_path):
    process, highest = psutil.Process(), 0
    count, piece = 200, bytes(MIB)

    def look() -> None:
        nonlocal highest
        highest = max(highest, process.memory_info().rss)

    async def content() -> AsyncIterator[bytes]:
        for number in range(count):
            look()
            yield number.to_bytes(4, "big") + piece[4:]

    async with place_of("kubo", tmp_path, backend="kubo", kubo_url=kubo.rpc_url) as place:
        before = process.memory_info().rss
        added = await place.bus.upload(subjects.ADD, ipfs.AddRequest(pin=False), content())
        assert added.content_size_bytes == count * MIB
        size = 0
        async with await place.bus.open(subjects.CAT, ipfs.CatRequest(cid=added.cid)) as stream:
            async for chunk in stream:
                size += len(chunk)
                look()
        assert size == count * MIB
        size = 0
        async with await place.bus.open(subjects.DAG_EXPORT, dag.DagExport(cid=added.cid)) as stream:
            async for chunk in stream:
                size += len(chunk)
                look()
        assert size > count * MIB
    assert highest - before < 100 * MIB
