"""The ipfs actor as the engine sees it: trees, and the names that keep them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from ....bus import Bus
from ....schemas import dag, ipfs, subjects, tree
from ....schemas.errors import DeadlineExceeded, NotFound, Unavailable

__all__ = ["BusTrees"]

R = TypeVar("R")

# An ipfs actor that was killed is back within this time; what is asked here may be asked twice.
KEEP_TRYING_S = 25.0
TRY_AGAIN_S = 0.1
# An actor that dies leaves its requests unanswered: the first wait is short, each one after it twice as long.
FIRST_WAIT_S = 1.5
OPERATION_S = 0.02
RELEASE_S = 10.0
RELEASED_AT_ONCE = 1000


class BusTrees:
    """Asks over the bus, again if no answer comes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def patch(self, ask: tree.TreePatch) -> tree.TreePatched:
        wait_s = FIRST_WAIT_S + OPERATION_S * sum(map(len, ask.groups))
        return await _patiently(lambda s: self._bus.request(subjects.TREE_PATCH, ask, timeout_s=s), wait_s)

    async def stat(self, ask: tree.TreeLookup) -> tree.TreeEntry:
        return await self._bus.request(subjects.TREE_STAT, ask)

    async def has(self, cid: str) -> bool:
        ask = ipfs.BlockRequest(cid=cid)
        try:
            await _patiently(lambda s: self._bus.request(subjects.BLOCK_STAT, ask, timeout_s=s))
        except NotFound:
            return False
        return True

    async def export(self, root: str, since: str | None) -> AsyncIterator[bytes]:
        ask = tree.TreeExport(root=root, since=since)
        async with await self._bus.open(subjects.TREE_EXPORT, ask) as stream:
            async for chunk in stream:
                yield chunk

    async def restore(self, car: AsyncIterator[bytes]) -> int:
        ask = dag.DagImport(pin_roots=False)
        return (await self._bus.upload(subjects.DAG_IMPORT, ask, car)).blocks

    async def keep(self, name: str, cid: str, expires_in_s: float | None = None) -> None:
        ask = tree.RootSet(name=name, cid=cid, expires_in_s=expires_in_s)
        await _patiently(lambda s: self._bus.request(subjects.ROOT_SET, ask, timeout_s=s))

    async def release(self, names: list[str]) -> None:
        for start in range(0, len(names), RELEASED_AT_ONCE):
            ask = tree.RootsRemove(names=names[start : start + RELEASED_AT_ONCE])
            await self._bus.request(subjects.ROOTS_RM, ask, timeout_s=RELEASE_S)

    def kept(self, prefix: str) -> AsyncIterator[tree.NamedRoot]:
        return self._bus.items(subjects.ROOTS, tree.RootList(prefix=prefix))


async def _patiently(ask: Callable[[float], Awaitable[R]], wait_s: float = FIRST_WAIT_S) -> R:
    until = time.monotonic() + KEEP_TRYING_S
    while True:
        try:
            return await ask(wait_s)
        except (Unavailable, DeadlineExceeded) as error:
            if time.monotonic() >= until:
                raise
            if isinstance(error, DeadlineExceeded):
                wait_s *= 2
            await asyncio.sleep(TRY_AGAIN_S)
