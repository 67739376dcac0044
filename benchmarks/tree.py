"""The file tree beside what could stand in its place.

small writes    committed one by one, against SQLite (WAL, synchronous=FULL) doing the same
large files     by path, against the same bytes by CID
one path        looked up in trees of 10^3 to 10^6 files, against the smallest of them
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from cidbus.bus import Bus
from cidbus.bus.link import Credentials
from cidbus.schemas.journal import Apply, StatPath, WriteFile
from cidbus.schemas.subjects import FS_APPLY, FS_STAT, FS_WRITE
from cidbus.schemas.tree import Put

from .ratio import Ratio, alternate
from .system import Measured, measured_system

SMALL = b"x" * 100
SECONDS = 1.0
LARGE_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
TREES = (1_000, 10_000, 100_000, 1_000_000)
PER_DIRECTORY = 1_000
LOOKUPS = 200

_numbers = itertools.count()


async def compare(rounds: int) -> list[Ratio]:
    async with measured_system() as system, _bus(system) as bus:
        found = [await _small(bus, clients, rounds) for clients in (1, 64)]
        found += await _large(system, rounds)
        return found + await _lookups(bus, rounds)


@asynccontextmanager
async def _bus(system: Measured) -> AsyncIterator[Bus]:
    async with await Bus.connect(system.info.nats, Credentials("admin", system.admin_seed)) as bus:
        yield bus


# ---- small writes ---------------------------------------------------------------------------------------


async def _small(bus: Bus, clients: int, rounds: int) -> Ratio:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "files.db"
        _prepare(database)
        who = "1 client" if clients == 1 else f"{clients} clients"
        peer = "SQLite (WAL, synchronous=FULL)"
        ratio = Ratio(f"committed writes of 100 bytes by path, {who}, against {peer}", "writes/s")
        return await alternate(
            ratio, rounds, lambda: _ours(bus, clients), lambda: asyncio.to_thread(_sqlite, database, clients)
        )


async def _ours(bus: Bus, clients: int) -> float:
    """Writes a second: each client waits for one to be acknowledged before it sends the next."""
    ends = time.perf_counter() + SECONDS
    done = 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < ends:
            ask = WriteFile(path=f"/small/{next(_numbers):07d}", data=SMALL, truncate=True, parents=True)
            await bus.upload(FS_WRITE, ask)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (time.perf_counter() - began)


def _prepare(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE files (path TEXT PRIMARY KEY, content BLOB)")


def _sqlite(database: Path, clients: int) -> float:
    done = [0] * clients
    ends = time.perf_counter() + SECONDS

    def client(number: int) -> None:
        connection = sqlite3.connect(database, timeout=60, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        while time.perf_counter() < ends:
            connection.execute("INSERT INTO files VALUES (?, ?)", (f"/small/{next(_numbers):07d}", SMALL))
            done[number] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


# ---- large files ----------------------------------------------------------------------------------------


async def _large(system: Measured, rounds: int) -> list[Ratio]:
    api = f"{system.info.http}/api/v0/mcp"
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        write = await alternate(
            Ratio("64 MiB written by path, against a plain add", "MB/s", 0.9),
            rounds,
            lambda: _sent(session, "PUT", f"{api}/fs/large-{next(_numbers)}"),
            lambda: _sent(session, "POST", f"{api}/ipfs/add"),
        )
        content = os.urandom(LARGE_BYTES)
        async with session.put(f"{api}/fs/read", data=_chunks(content)) as reply:
            cid = (await reply.json())["cid"]
        read = await alternate(
            Ratio("64 MiB read by path, against a plain cat", "MB/s", 0.9),
            rounds,
            lambda: _received(session, f"{api}/fs/read"),
            lambda: _received(session, f"{api}/ipfs/cat/{cid}"),
        )
    return [write, read]


async def _sent(session: aiohttp.ClientSession, method: str, url: str) -> float:
    content = os.urandom(LARGE_BYTES)
    headers = {"Content-Type": "application/octet-stream"}
    began = time.perf_counter()
    async with session.request(method, url, data=_chunks(content), headers=headers) as reply:
        reply.raise_for_status()
    return LARGE_BYTES / 1e6 / (time.perf_counter() - began)


async def _received(session: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    size = 0
    async with session.get(url) as reply:
        async for piece in reply.content.iter_any():
            size += len(piece)
    assert size == LARGE_BYTES
    return size / 1e6 / (time.perf_counter() - began)


async def _chunks(content: bytes) -> AsyncIterator[memoryview]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield memoryview(content)[start : start + CHUNK_BYTES]


# ---- one path -------------------------------------------------------------------------------------------


async def _lookups(bus: Bus, rounds: int) -> list[Ratio]:
    """How often a second one path is looked up, in trees that hold ten times as much each."""
    roots: dict[int, str] = {}
    held = 0
    for size in TREES:
        while held < size:
            operations = [
                Put(path=f"/tree/{held // PER_DIRECTORY}/{number}.txt", cid="bafkqaaa", parents=True)
                for number in range(PER_DIRECTORY)
            ]
            roots[size] = (await bus.request(FS_APPLY, Apply(operations=operations))).root
            held += PER_DIRECTORY
    return [
        await alternate(
            Ratio(f"a path looked up in {size:,} files, against {TREES[0]:,}", "lookups/s"),
            rounds,
            lambda size=size: _looked_up(bus, roots[size], size),  # type: ignore[misc]
            lambda: _looked_up(bus, roots[TREES[0]], TREES[0]),
        )
        for size in TREES[1:]
    ]


async def _looked_up(bus: Bus, root: str, size: int) -> float:
    began = time.perf_counter()
    for number in range(LOOKUPS):
        directory = number * 7919 % (size // PER_DIRECTORY)
        await bus.request(FS_STAT, StatPath(path=f"/tree/{directory}/{number}.txt", at=root))
    return LOOKUPS / (time.perf_counter() - began)
