"""A DAG brought here: every block at and below a root that the store lacks, several at a time.

[root] -> waiting -> up to 16 fetches -> links -> waiting …

Memory is bounded: blocks in flight are few, what has been seen goes to disk as it grows, and of the links
that wait to be followed there may be 200,000.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from .....schemas.cid import CID, RAW
from .....schemas.errors import TooLarge
from ...blocks import BlockSource
from ...codecs.registry import links
from ...store.diskset import DiskSet

__all__ = ["fetch_dag"]

FETCHES = 16
MAX_WAITING = 200_000
# What has been seen goes to disk this many keys at a time, a few milliseconds of work.
MEMORY_KEYS = 16_384


async def fetch_dag(source: BlockSource, root: CID, *, temp_folder: Path) -> None:
    """Read every block at and below a root from a source that keeps what it fetches; leaves that are here
    already are not read.

    Raises NotFound(what="block") for the first block that nobody has, TooLarge where more than 200,000 links
    wait, and what the source and reading links raise. Cancelling it ends every fetch.
    """
    with DiskSet(temp_folder, memory_keys=MEMORY_KEYS) as seen:
        await _Walk(source, seen).run(root)


class _Walk:
    def __init__(self, source: BlockSource, seen: DiskSet) -> None:
        self._source = source
        self._seen = seen
        self._waiting: list[CID] = []
        self._running: set[asyncio.Task[list[CID]]] = set()

    async def run(self, root: CID) -> None:
        self._take([root])
        try:
            while self._start_some():
                done, self._running = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._take(task.result())
        finally:
            await self._end()

    def _take(self, cids: Iterable[CID]) -> None:
        self._waiting += cids
        if len(self._waiting) > MAX_WAITING:
            raise TooLarge("dag", limit=MAX_WAITING, unit="links that wait to be followed")

    def _start_some(self) -> bool:
        """Begin as many fetches as there is room for; False if there is nothing left to do."""
        while self._waiting and len(self._running) < FETCHES:
            cid = self._waiting.pop()
            # The same bytes under two codecs are one block with two sets of links.
            if self._seen.add(bytes(cid.to_v1())):
                self._running.add(asyncio.create_task(self._links_of(cid)))
        return bool(self._running)

    async def _links_of(self, cid: CID) -> list[CID]:
        """What a block links to, in reverse order; the block is here afterwards."""
        if cid.codec == RAW and await self._source.has(cid):
            return []
        block = await self._source.get(cid)
        return [] if cid.codec == RAW else list(links(cid, block))[::-1]

    async def _end(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
