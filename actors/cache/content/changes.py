"""Changes to a tier's database: one thread makes them in order, and as many as wait in one commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import diskcache

__all__ = ["FAILURES", "Changes"]

CHANGES_AT_ONCE: Final = 256
# What the disk and its database may raise.
FAILURES: Final = (OSError, sqlite3.Error, diskcache.Timeout)

Work = Callable[[], object]


class Changes:
    """A queue of changes to a `diskcache.Cache`. Used on the event loop; the work is done in `thread`."""

    def __init__(self, cache: Any, thread: ThreadPoolExecutor) -> None:
        self._cache = cache
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Work, asyncio.Future[None]]] = deque()
        self._is_working = False

    def make(self, work: Work) -> asyncio.Future[None]:
        """Have this done after everything asked for before; the future ends with it, or with its error."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((work, done))
        if not self._is_working:
            self._is_working = True
            self._thread.submit(self._work)
        return done

    async def settled(self) -> None:
        """Wait until everything asked for has been done."""
        await self.make(lambda: None)

    def _work(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(CHANGES_AT_ONCE, len(self._waiting)))]
        works = [work for work, _ in batch]
        errors: list[Exception | None] = [None] * len(works)
        if self._commit(works) is not None:  # One of them failed; it must not take the others with it.
            errors = [self._commit([work]) for work in works]
        self._loop.call_soon_threadsafe(self._end, [done for _, done in batch], errors)

    def _commit(self, works: list[Work]) -> Exception | None:
        """All of these or none."""
        try:
            with self._cache.transact(retry=True):
                for work in works:
                    work()
        except Exception as error:
            return error  # The future of each change carries it.
        return None

    def _end(self, futures: list[asyncio.Future[None]], errors: list[Exception | None]) -> None:
        self._is_working = bool(self._waiting)
        if self._waiting:
            self._thread.submit(self._work)
        for done, error in zip(futures, errors, strict=True):
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
