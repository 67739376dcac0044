"""Something slow that goes on beside the next step of what it belongs to, and at most one step behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, Self

__all__ = ["OneBehind"]

P = ParamSpec("P")


class OneBehind:
    """One task at a time, for use with `async with`, which is not left before the last one has ended.

    What a task raises is raised by the next `start` or `wait`, unless the block is left for another error.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def start(
        self, job: Callable[P, Coroutine[Any, Any, None]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Begin a job once the one before it is done."""
        await self.wait()
        self._task = asyncio.create_task(job(*args, **kwargs))

    async def wait(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.wait()
        elif self._task is not None:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()  # looked at: the first error is the one that is told
