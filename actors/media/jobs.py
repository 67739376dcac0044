"""Work that several may wait for: the same of the same content is done once, and ends when nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ...schemas.errors import Cancelled

__all__ = ["Jobs"]


class Jobs:
    """Running work by its key; those who wait for it by their ids."""

    def __init__(self) -> None:
        self._running: dict[str, _Shared] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def share(self, key: str, waiter: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What the work under this key gives, begun now if it does not run yet.

        Raises what the work raises, and Cancelled after `give_up` of this waiter.
        """
        shared = self._running.get(key)
        if shared is None:
            shared = self._running[key] = _Shared(asyncio.ensure_future(work()))
        given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = given_up
        shared.waiters.append(waiter)
        try:
            await asyncio.wait({shared.task, given_up}, return_when=asyncio.FIRST_COMPLETED)
            if not shared.task.done():
                raise Cancelled("it was given up")
            return shared.task.result()
        finally:
            if self._waiting.get(waiter) is given_up:
                del self._waiting[waiter]
            shared.waiters.remove(waiter)
            if not shared.waiters or shared.task.done():
                await self._end(key, shared)

    async def _end(self, key: str, shared: _Shared) -> None:
        """Whoever asks from now on begins anew."""
        if self._running.get(key) is shared:
            del self._running[key]
        if not shared.task.done():
            shared.task.cancel()
            await asyncio.wait({shared.task})
        if not shared.task.cancelled():
            shared.task.exception()  # so that it counts as seen, whether or not somebody still waited

    def waiters(self, key: str) -> list[str]:
        """The ids of those who wait for this work."""
        shared = self._running.get(key)
        return [] if shared is None else list(shared.waiters)

    def give_up(self, waiter: str) -> None:
        """Whoever waits under this id does so no more; nothing happens if nobody does."""
        given_up = self._waiting.get(waiter)
        if given_up is not None and not given_up.done():
            given_up.set_result(None)

    async def close(self) -> None:
        tasks = [shared.task for shared in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Shared:
    def __init__(self, task: asyncio.Future[Any]) -> None:
        self.task = task
        self.waiters: list[str] = []
