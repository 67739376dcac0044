"""A directory of 100,000 entries: one of them costs as much as the path to it is deep, not as the directory is
wide."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from cidbus.actors import make_actor
from cidbus.actors.ipfs.codecs.traversal import locate
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.actors.ipfs.unixfs.directory import build_directory
from cidbus.actors.ipfs.unixfs.importer import Node
from cidbus.actors.ipfs.unixfs.listing import ls
from cidbus.actors.ipfs.unixfs.profiles import DEFAULT_PROFILE
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.http_bridge import serve
from cidbus.schemas.cid import CID, RAW

ENTRIES = 100_000
# Shards of 256: three levels hold 16 million names, and names that share a hash prefix go one deeper.
MAX_DEPTH = 5
CONTENT = b"one of many"
LIMIT_S = 0.1


def name_of(number: int) -> str:
    return f"entry-{number:06}.txt"


async def build(sink) -> CID:
    """A directory of as many names for one file."""
    leaf = CID.of(RAW, CONTENT)
    await sink.put(leaf, CONTENT)
    node = Node(leaf, len(CONTENT), len(CONTENT))
    return (await build_directory(((name_of(n), node) for n in range(ENTRIES)), sink, DEFAULT_PROFILE)).cid


@pytest.fixture(scope="module")
def wide(new_blocks):
    blocks = new_blocks()
    return blocks, asyncio.run(build(blocks))


@pytest.mark.parametrize("number", [0, 777, ENTRIES - 1])
async def test_an_entry_is_found_by_reading_the_shards_on_its_way(wide, number):
    blocks, root = wide
    blocks.read.clear()
    await locate(blocks, root, name_of(number))
    assert len(blocks.read) <= MAX_DEPTH


async def test_the_first_entries_are_listed_before_the_rest_is_read(wide):
    blocks, root = wide
    blocks.read.clear()
    entries = ls(blocks, root)
    first = [await anext(entries) for _ in range(10)]
    await entries.aclose()
    assert len({entry.name for entry in first}) == 10
    assert len(blocks.read) < 40


async def test_every_entry_is_listed_once(wide):
    blocks, root = wide
    names = {entry.name async for entry in ls(blocks, root, details=False)}
    assert names == {name_of(number) for number in range(ENTRIES)}


@pytest.mark.slow
async def test_one_entry_is_resolved_listed_and_served_in_a_tenth_of_a_second(tmp_path: Path):
    """Through the bus and HTTP, each just after the store was opened; the best of three, on a busy machine."""
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with (
        await BlockStore.open(tmp_path / "ipfs", children=children) as store,
        store.session() as session,
    ):
        root = await build(session)
        await session.commit()
    took = {"resolve": [], "list": [], "serve": []}
    for number in range(3):
        async with (
            nats_server() as server,
            hosted(server, make_actor("ipfs", tmp_path / "ipfs")),
            await connect(server) as bus,
            await serve(bus) as bridge,
            aiohttp.ClientSession(f"http://127.0.0.1:{bridge.port}") as http,
        ):
            entry = name_of(4321 * (number + 1))
            started = time.perf_counter()
            async with http.get(f"/ipfs/{root}/{entry}") as response:
                assert await response.read() == CONTENT
            took["serve"].append(time.perf_counter() - started)
            started = time.perf_counter()
            async with http.get(f"/api/v0/mcp/ipfs/dag/resolve/{root}/{entry}x") as response:
                assert response.status == 404
            took["resolve"].append(time.perf_counter() - started)
            started = time.perf_counter()
            async with http.get(f"/api/v0/mcp/ipfs/ls/{root}") as response:
                await response.content.readany()
            took["list"].append(time.perf_counter() - started)
    assert {what: round(min(times), 3) for what, times in took.items() if min(times) > LIMIT_S} == {}
