"""An embedded node that asks a Kubo daemon or gateways for what it lacks: fetched, checked, kept, pinned."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from cidbus.actors.ipfs.backends.embedded.fetching import fetch_dag
from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.bus import Bus
from cidbus.schemas import dag, ipfs, subjects
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, NotFound, TooLarge, Unavailable

from .places import Place, absent, cidbus_over_http, place_of
from .servers import server

CONTENT = bytes(range(256)) * 20_000
OTHERS = ["kubo", "gateway"]


class Far:
    """Another cidbus, which can be stopped, and an embedded node that asks it."""

    def __init__(self, bus: Bus, url: str, near: Place, stack: AsyncExitStack) -> None:
        self.bus, self.url, self.near = bus, url, near
        self._stack = stack

    async def add(self, content: bytes, **fields: object) -> str:
        async def once() -> AsyncIterator[bytes]:
            yield content

        return (await self.bus.upload(subjects.ADD, ipfs.AddRequest(**fields), once())).cid

    async def put(self, node: object) -> str:
        return (
            await self.bus.upload(subjects.DAG_PUT, dag.DagPut(object=node, pin=False, format="cbor"))
        ).cid

    async def stop(self) -> None:
        await self._stack.aclose()


def settings_for(other: str, url: str) -> dict[str, str]:
    return {"backend": f"embedded,{other}", "kubo_url" if other == "kubo" else "gateways": url}


@pytest.fixture(params=OTHERS)
async def far(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Far]:
    async with AsyncExitStack() as stack:
        bus, url = await stack.enter_async_context(cidbus_over_http(tmp_path / "far"))
        async with place_of("near", tmp_path / "near", **settings_for(request.param, url)) as near:
            yield Far(bus, url, near, stack)


# ---- reading --------------------------------------------------------------------------------------------


async def test_what_is_missing_is_fetched_and_kept(far):
    cid = await far.add(CONTENT, chunk_bytes=100_000)
    assert not await far.near.has(cid)
    assert await far.near.cat(cid) == CONTENT
    await far.stop()
    assert await far.near.cat(cid) == CONTENT
    assert await far.near.has(cid)


async def test_only_what_a_range_needs_is_fetched(far):
    cid = await far.add(CONTENT, chunk_bytes=100_000)
    assert await far.near.cat(cid, offset=-10) == CONTENT[-10:]
    stat = await far.near.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())
    assert stat.size_bytes < 400_000


async def test_paths_listings_and_archives_reach_further_too(far):
    cid = await far.add(b"far", filename="a.txt", wrap=True)
    assert await far.near.cat(cid, "a.txt") == b"far"
    assert [entry.name for entry in await far.near.items(subjects.LS, ipfs.PathRequest(cid=cid))] == ["a.txt"]
    assert (await far.near.ask(subjects.STAT, ipfs.PathRequest(cid=cid, path="a.txt"))).size_bytes == 3
    assert b"far" in (await far.near.read(subjects.GET, ipfs.PathRequest(cid=cid)))[1]
    assert b"far" in await far.near.export(cid)


async def test_what_nobody_has_is_not_found_and_says_who_was_asked(far):
    cid = absent(b"")
    with pytest.raises(NotFound) as missing:
        await far.near.cat(cid)
    assert missing.value.name == cid
    assert list(missing.value.tried) == ["cluster", far.url]


# ---- pins -----------------------------------------------------------------------------------------------


async def test_pinning_brings_the_whole_dag_here(far):
    cid = await far.add(CONTENT, chunk_bytes=10_000, max_links=10)
    await far.near.ask(subjects.PIN, ipfs.PinRequest(cid=cid, name="mine"))
    await far.stop()
    await far.near.ask(subjects.REPO_GC, ipfs.RepoGc())
    assert await far.near.cat(cid) == CONTENT
    assert [pin.name for pin in await far.near.pins()] == ["mine"]


async def test_pinning_brings_only_what_is_lacking(far):
    """Leaves that are here already are neither asked for nor read."""
    cid = await far.add(CONTENT, chunk_bytes=100_000)
    await far.near.add(CONTENT, chunk_bytes=100_000, max_links=2, pin=False)
    before = (await far.near.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())).blocks
    await far.near.ask(subjects.PIN, ipfs.PinRequest(cid=cid))
    assert (await far.near.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())).blocks == before + 1


async def test_a_path_is_pinned_with_what_lies_below_it(far):
    root = await far.add(CONTENT, filename="a", wrap=True, chunk_bytes=100_000)
    pinned = await far.near.ask(subjects.PIN, ipfs.PinRequest(cid=root, path="a"))
    await far.stop()
    assert await far.near.cat(pinned.cid) == CONTENT


async def test_a_direct_pin_brings_one_block(far):
    cid = await far.add(CONTENT, chunk_bytes=100_000)
    pinned = await far.near.ask(subjects.PIN, ipfs.PinRequest(cid=cid, recursive=False))
    assert pinned.mode == "direct"
    assert (await far.near.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())).blocks == 1


async def test_a_pin_moves_to_what_is_elsewhere(far):
    old = (await far.near.add(b"old", pin_name="head")).cid
    new = await far.add(CONTENT)
    await far.near.ask(subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=old, to_cid=new))
    await far.stop()
    assert await far.near.cat(new) == CONTENT
    assert [(pin.cid, pin.name) for pin in await far.near.pins()] == [(new, "head")]


async def test_nodes_of_any_codec_are_brought_here(far):
    leaf = await far.put({"leaf": True})
    root = await far.put({"a": {"/": leaf}, "b": [{"/": await far.add(b"raw")}, {"/": leaf}]})
    await far.near.ask(subjects.PIN, ipfs.PinRequest(cid=root))
    await far.stop()
    assert len(await far.near.items(subjects.REFS, dag.Refs(cid=root, recursive=True, unique=True))) == 2


async def test_what_nobody_has_is_not_pinned_and_is_named(far):
    nowhere = absent(b"")
    root = await far.put({"here": {"/": await far.add(b"here")}, "link": {"/": nowhere}})
    with pytest.raises(NotFound) as missing:
        await far.near.ask(subjects.PIN, ipfs.PinRequest(cid=root))
    assert (missing.value.what, missing.value.name) == ("block", nowhere)
    assert list(missing.value.tried) == ["cluster", far.url]
    assert await far.near.pins() == []


async def test_a_real_kubo_is_asked_as_well(kubo, tmp_path):
    cid = kubo.run("add", "-Q", "--cid-version=1", "--chunker=size-1000", content=CONTENT).decode().strip()
    async with place_of("near", tmp_path, **settings_for("kubo", kubo.rpc_url)) as near:
        await near.ask(subjects.PIN, ipfs.PinRequest(cid=cid))
        stat = await near.ask(subjects.DAG_STAT, dag.DagStatRequest(cids=[cid]))
        assert stat.unique_blocks == (await near.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())).blocks


# ---- who answers ----------------------------------------------------------------------------------------


async def test_a_call_may_name_who_answers_it(tmp_path):
    async with (
        cidbus_over_http(tmp_path / "far") as (bus, url),
        place_of("near", tmp_path / "near", **settings_for("kubo", url)) as near,
    ):
        there = (await near.add("there", backend="kubo")).cid
        here = (await near.add("here")).cid
        assert not await near.has(there)
        assert [pin.cid async for pin in bus.items(subjects.PINS, ipfs.PinList())] == [there]
        assert [pin.cid for pin in await near.pins(backend="kubo")] == [there]
        assert [pin.cid for pin in await near.pins(backend="embedded")] == [here]
        assert await near.cat(there, backend="kubo") == b"there"
        assert not await near.has(there)
        version = await near.ask(subjects.VERSION, ipfs.VersionRequest(backend="kubo"))
        assert version.backend.startswith("kubo")
        with pytest.raises(BadRequest) as refused:
            await near.cat(there, backend="gateway")
        assert refused.value.field == "backend"


async def test_an_embedded_node_alone_talks_to_nobody(tmp_path):
    async def answer(request: web.Request) -> web.Response:
        raise AssertionError("somebody was asked")

    async with server(answer) as url:
        settings = {"backend": "embedded", "kubo_url": url, "gateways": url}
        async with place_of("near", tmp_path, **settings) as near:
            with connections() as made:
                with pytest.raises(NotFound):
                    await near.cat(absent(b""))
                with pytest.raises(NotFound):
                    await near.ask(subjects.PIN, ipfs.PinRequest(cid=absent(b"")))
                await near.add("content")
            assert made == []


# ---- liars and limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", OTHERS)
async def test_a_wrong_block_is_never_kept_and_its_sender_is_named(tmp_path, other, caplog):
    async def lie(request: web.Request) -> web.Response:
        return web.Response(body=b"a lie")

    cid = absent(b"")
    async with server(lie) as url, place_of("near", tmp_path, **settings_for(other, url)) as near:
        # Kubo alone may have nothing else to say; of gateways that all lie, none could be asked.
        with caplog.at_level(logging.WARNING), pytest.raises((NotFound, Unavailable)) as missing:
            await near.ask(subjects.PIN, ipfs.PinRequest(cid=cid))
        assert missing.value.liars == [url]
        assert url in caplog.text
        assert (await near.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())).blocks == 0
        assert await near.pins() == []


class Hanging:
    """A source whose root has links to blocks that never come."""

    def __init__(self, links: int) -> None:
        self.root_block = dagpb.encode(
            [Link(CID.of(RAW, b"%d" % number), "", 1) for number in range(links)], b""
        )
        self.root = CID.of(DAG_PB, self.root_block)
        self.running = self.most = 0
        self.started = asyncio.Event()

    def get_now(self, cid: CID) -> bytes | None:
        return None

    async def has(self, cid: CID) -> bool:
        return False

    async def get(self, cid: CID) -> bytes:
        if cid == self.root:
            return self.root_block
        self.running += 1
        self.most = max(self.most, self.running)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1
        raise AssertionError


async def test_cancelling_ends_every_fetch(tmp_path):
    source = Hanging(links=1000)
    walk = asyncio.create_task(fetch_dag(source, source.root, temp_folder=tmp_path))
    await source.started.wait()
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk
    assert (source.running, source.most) == (0, 16)
    assert list(tmp_path.iterdir()) == []


async def test_a_dag_of_too_many_links_at_once_is_refused(tmp_path):
    wide = Hanging(links=30_000)
    with pytest.raises(TooLarge) as refused:
        await fetch_dag(Doubling(wide), wide.root, temp_folder=tmp_path)
    assert refused.value.limit == 200_000


class Doubling:
    """A source of blocks that each link to 30,000 others like it."""

    def __init__(self, first: Hanging) -> None:
        self._first = first
        self._number = 0

    def get_now(self, cid: CID) -> bytes | None:
        return None

    async def has(self, cid: CID) -> bool:
        return False

    async def get(self, cid: CID) -> bytes:
        self._number += 1
        names = (b"%d %d" % (self._number, number) for number in range(30_000))
        return dagpb.encode([Link(CID.of(DAG_PB, name), "", 1) for name in names], b"")


LISTENING: list[list[object]] = []


@contextmanager
def connections() -> Iterator[list[object]]:
    """The addresses that this process looks up or connects to inside the block."""
    if not HOOKED:
        HOOKED.append(True)  # for good: there is no way to remove it
        sys.addaudithook(heard)
    made: list[object] = []
    LISTENING.append(made)
    try:
        yield made
    finally:
        LISTENING.remove(made)


def heard(event: str, args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        for made in LISTENING:
            made.append(args)


HOOKED: list[bool] = []
