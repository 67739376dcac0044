"""Work that several callers want at the same time, done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Run(Generic[V]):
    def __init__(self, task: asyncio.Task[V]) -> None:
        self.task = task
        self.waiting = 0


class Shared(Generic[K, V]):
    """Runs of a coroutine by key: who asks while one runs waits for it and gets its result or its error.

    A caller that is cancelled leaves the run to the others; when the last one leaves, it is cancelled.
    """

    def __init__(self) -> None:
        self._runs: dict[K, _Run[V]] = {}

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(asyncio.create_task(work()))
            run.task.add_done_callback(lambda task: self._forget(key, task))
        run.waiting += 1
        try:
            return await asyncio.shield(run.task)
        finally:
            run.waiting -= 1
            if not run.waiting and not run.task.done():
                self._forget(key, run.task)  # Who asks now must not join a run that is being cancelled.
                run.task.cancel()

    def _forget(self, key: K, task: asyncio.Task[V]) -> None:
        run = self._runs.get(key)
        if run is not None and run.task is task:
            del self._runs[key]
        if task.done() and not task.cancelled():
            task.exception()  # An error that nobody is left to hear is nobody's.
