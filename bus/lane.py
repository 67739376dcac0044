"""A lane: so many jobs at once, so many waiting, and no more."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Lane"]

log = logging.getLogger(__name__)

Job = Callable[[], Coroutine[Any, Any, None]]


class Lane:
    """Runs jobs, `limit` at a time; up to `waiting_limit` more wait in the order they came."""

    def __init__(self, limit: int, waiting_limit: int) -> None:
        self.limit = limit
        self.waiting_limit = waiting_limit
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: deque[Job] = deque()
        self._loop = asyncio.get_running_loop()

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, job: Job) -> bool:
        """Start or queue a job; False if there is no room for it."""
        if len(self._running) < self.limit:
            self._start(job)
        elif len(self._waiting) < self.waiting_limit:
            self._waiting.append(job)
        else:
            return False
        return True

    def _start(self, job: Job) -> None:
        task = self._loop.create_task(job())
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("a job failed", exc_info=failure)
        if self._waiting:
            self._start(self._waiting.popleft())

    async def drain(self) -> None:
        """Returns once nothing runs or waits."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def cancel(self) -> None:
        """Drop what waits, cancel what runs, and return once it has ended."""
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        await self.drain()
