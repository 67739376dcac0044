"""A file of 4 GiB in and out over HTTP: the same bytes, little memory, and ranges right at every boundary."""

from __future__ import annotations

import asyncio
import hashlib
import time

import pytest

from .conftest import OCTETS, Running, pattern, pattern_pieces, running_system

GIB = 1 << 30
MIB = 1 << 20
CHUNK = 512 * 1024
MAX_RSS = 300 * MIB


class PeakMemory:
    """The largest resident size of any of the system's processes, looked at while something runs."""

    def __init__(self, system: Running) -> None:
        self._processes = system.processes()
        self.peak = 0

    async def __aenter__(self) -> PeakMemory:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._look()

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(0.05)

    def _look(self) -> None:
        # Mapped index pages are the kernel's to take back; what counts is memory of the process's own.
        self.peak = max(self.peak, *(process.memory_info().rss for process in self._processes))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_four_gibibytes_go_in_and_come_out_within_300_mb_of_memory():
    size = 4 * GIB
    async with running_system() as system, PeakMemory(system) as memory:
        sent = hashlib.sha256()

        async def content():
            for piece in pattern_pieces(size, 4 * MIB):
                await asyncio.to_thread(sent.update, piece)
                yield piece

        async with system.http.post(f"{system.api}/ipfs/add", data=content(), headers=OCTETS) as answer:
            added = await answer.json()
        assert added["content_size_bytes"] == size
        received = hashlib.sha256()
        async with system.http.get(f"{system.api}/ipfs/cat/{added['cid']}") as answer:
            assert answer.content_length == size
            async for piece in answer.content.iter_any():
                received.update(piece)
        assert received.hexdigest() == sent.hexdigest()
        await ranges_are_right(system, added["cid"], size)
    assert memory.peak < MAX_RSS


async def ranges_are_right(system: Running, cid: str, size: int) -> None:
    edges = {0, CHUNK, MIB, 174 * MIB, 1024 * MIB, 2 * GIB, size}
    for edge in sorted(edges):
        for start in (edge - 1, edge, edge + 1):
            for length in (1, 2, CHUNK - 1, CHUNK + 1):
                if 0 <= start < size:
                    await range_is_right(system, cid, size, start, length)


async def range_is_right(system: Running, cid: str, size: int, start: int, length: int) -> None:
    last = min(start + length, size) - 1
    async with system.http.get(
        f"{system.api}/ipfs/cat/{cid}", headers={"Range": f"bytes={start}-{start + length - 1}"}
    ) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{last}/{size}"
        assert await answer.read() == pattern(start, last - start + 1)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_first_byte_of_a_large_file_comes_within_50_ms(running):
    cid = (await running.add(pattern(0, 64 * MIB)))["cid"]
    waits = []
    for _ in range(5):
        began = time.perf_counter()
        async with running.http.get(f"{running.api}/ipfs/cat/{cid}") as answer:
            await answer.content.readany()
            waits.append(time.perf_counter() - began)
    assert sorted(waits)[2] < 0.05
