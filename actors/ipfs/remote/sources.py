"""Blocks from elsewhere: the local store first, then each configured source in turn, everything checked.

    [Kubo, gateways] -> Chain -> keep

    chain = Chain(store, [kubo, gateways], keep)
    await chain.get(cid)

A block that does not hash to its CID is never kept or handed on; whoever sent it is named in the log, in
`health()` and in the error, and the next source is asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from ....schemas.cid import CID
from ....schemas.errors import BusError, CorruptBlock, DeadlineExceeded, NotFound, Unavailable
from ..blocks import BlockSource
from .health import Health, SourceHealth
from .shared import Shared

__all__ = ["BlockFetcher", "Chain", "Keep", "WRONG_BLOCK", "check_supported"]

log = logging.getLogger(__name__)

RUNNING_FETCHES = 32
WRONG_BLOCK = "sent other bytes than the CID names"
NOT_ASKED = "not asked: it sent a wrong block lately"


Keep = Callable[[CID, bytes], Awaitable[None]]


class BlockFetcher(Protocol):
    """One place that blocks are asked of; it need not check them, the chain does."""

    @property
    def name(self) -> str:
        """What logs and errors call it: a URL, or a word."""
        ...

    async def fetch(self, cid: CID) -> bytes:
        """The block. Raises NotFound(what="block") if the place has none, Unavailable and DeadlineExceeded if
        it does not answer. A `tried` detail of the error says who was asked inside."""
        ...

    async def close(self) -> None:
        """End what is under way; nothing can be fetched any more."""
        ...


class Chain:
    """A BlockSource over a local one and fetchers, asked from left to right.

    What is fetched goes through `keep(cid, block)` before it is returned. At most `running` fetches run at
    once; those who miss the same block share one. `clock` is in seconds and only measures.
    """

    def __init__(
        self, local: BlockSource, fetchers: Sequence[BlockFetcher], keep: Keep, *,
        running: int = RUNNING_FETCHES, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._local = local
        self._fetchers = tuple((fetcher, Health(fetcher.name, clock)) for fetcher in fetchers)
        self._keep = keep
        self._room = asyncio.Semaphore(running)
        self._shared = Shared[bytes, bytes]()
        self._clock = clock

    def get_now(self, cid: CID) -> bytes | None:
        """The block if the local source has it at hand; raises CorruptBlock."""
        return self._local.get_now(cid)

    async def get(self, cid: CID) -> bytes:
        """The block, from wherever it is.

        Raises NotFound(what="block") whose `tried` names every source and what it said, and whose `liars`
        names those that sent a wrong block; Unavailable with the same where a source could not be asked;
        NotSupported for a hash that cannot be checked here; CorruptBlock if the local block is damaged and
        nobody else has it; and what `keep` raises.
        """
        try:
            return await self._local.get(cid)
        except (NotFound, CorruptBlock) as missing:
            if not self._fetchers:
                raise
            check_supported(cid)
            try:
                return await self._shared.run(cid.multihash, lambda: self._fetch(cid))
            except (NotFound, Unavailable) as error:
                if isinstance(missing, CorruptBlock):
                    raise missing from error
                raise

    async def has(self, cid: CID) -> bool:
        """Whether the block is here already; nobody else is asked."""
        return await self._local.has(cid)

    def health(self) -> list[SourceHealth]:
        """How each source has done, in the order in which they are asked."""
        return [health.report() for _, health in self._fetchers]

    async def _fetch(self, cid: CID) -> bytes:
        async with self._room:
            block = await self._ask_each(cid)
        await self._keep(cid, block)
        return block

    async def _ask_each(self, cid: CID) -> bytes:
        tried: dict[str, str] = {}
        liars: list[str] = []
        absent: list[str] = []
        # Those that sit out come last, but come: only who lied is not asked at all.
        for fetcher, health in sorted(self._fetchers, key=lambda pair: pair[1].benched_s > 0):
            if health.is_distrusted:
                tried[fetcher.name] = NOT_ASKED
                continue
            started = self._clock()
            try:
                block = await fetcher.fetch(cid)
            except BusError as error:
                _note(error, health, self._clock() - started)
                absent += [fetcher.name] if isinstance(error, Unavailable) else []
                said = error.details.get("tried")
                tried |= {fetcher.name: error.message} if said is None else said
                liars += error.details.get("liars") or []
                continue
            if cid.matches(block):
                health.answered(self._clock() - started)
                return block
            health.lied(WRONG_BLOCK)
            log.warning("%s %s (block %s)", fetcher.name, WRONG_BLOCK, cid)
            tried[fetcher.name] = WRONG_BLOCK
            liars.append(fetcher.name)
        told: dict[str, Any] = {"tried": tried} | ({"liars": liars} if liars else {})
        if absent:
            raise Unavailable(f"block {cid} is not here, and {', '.join(absent)} could not be asked", **told)
        raise NotFound("block", str(cid), **told)


def check_supported(cid: CID) -> None:
    """Raises NotSupported before anybody is asked for a block that could not be checked."""
    cid.matches(b"")


def _note(error: BusError, health: Health, took_s: float) -> None:
    # A network is searched until the time is up for what nobody has: that says nothing about who searched.
    if isinstance(error, (NotFound, DeadlineExceeded)):
        health.not_found(took_s)
    else:
        health.failed(error.message)
