"""How the node makes itself known to the cluster, and remembers what others make known.

[cid] -> buffer -> one `ipfs.announced` event for up to 1,000 of them
[first word of another instance] -> everything that is pinned, so that it learns what is here
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

from .....schemas.cid import CID
from .....schemas.routing import Announced
from ...routing.announcements import LIFETIME_S, REANNOUNCE_S, Announcements

__all__ = ["Announcer", "announced"]

log = logging.getLogger(__name__)

GATHER_S = 0.2
MAX_BATCH = 1000
# A node with more waiting than this says it in the next round: nobody is asked to remember more anyway.
MAX_WAITING = 100_000

Describe = Callable[[list[str]], Announced]
Publish = Callable[[Announced], Awaitable[None]]


class Announcer:
    """One process's voice. `describe` makes an announcement of some CIDs, `publish` says it, and `kept` has
    what is announced again and again."""

    def __init__(
        self, heard: Announcements, describe: Describe, publish: Publish, kept: Callable[[], Iterator[CID]]
    ) -> None:
        self._heard = heard
        self._describe = describe
        self._publish = publish
        self._kept = kept
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._again_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Say that the node is there, and from then on what it is told to."""
        self._again_at = time.monotonic()
        self._task = asyncio.create_task(self._speak())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add(self, cid: CID) -> None:
        """Announce this soon, together with what else there is by then."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting[str(cid)] = None
            self._wake.set()

    def hear(self, said: Announced, *, own: bool) -> None:
        """Remember what a node has said; the first word of another instance is answered by everything."""
        new = self._heard.hear(said)
        if new and not own:
            self._again_at = time.monotonic()
            self._wake.set()

    async def _speak(self) -> None:
        while True:
            try:
                if time.monotonic() >= self._again_at:
                    self._again_at = time.monotonic() + REANNOUNCE_S
                    await self._say_everything()
                await self._say_waiting()
                await self._until_there_is_more()
            except Exception:
                log.exception("the node could not be announced")
                await asyncio.sleep(GATHER_S)

    async def _until_there_is_more(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, self._again_at - time.monotonic()))
        await asyncio.sleep(GATHER_S)
        self._wake.clear()

    async def _say_everything(self) -> None:
        await self._publish(self._describe([]))
        batch: list[str] = []
        for cid in self._kept():
            batch.append(str(cid))
            if len(batch) == MAX_BATCH:
                await self._publish(self._describe(batch))
                batch = []
        if batch:
            await self._publish(self._describe(batch))

    async def _say_waiting(self) -> None:
        while self._waiting:
            batch = [cid for cid, _ in zip(self._waiting, range(MAX_BATCH), strict=False)]
            for cid in batch:
                del self._waiting[cid]
            await self._publish(self._describe(batch))


def announced(
    *, peer_id: str, instance: str, addrs: list[str], agent_version: str, cids: list[str]
) -> Announced:
    """An announcement that holds for as long as any does."""
    now = time.time()
    return Announced(
        peer_id=peer_id, instance=instance, addrs=addrs, agent_version=agent_version,
        cids=cids, at=now, expires_at=now + LIFETIME_S,
    )  # fmt: skip
