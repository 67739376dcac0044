"""An event loop on a thread of its own, for programs that have none: what they call waits for its answer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cidbus.schemas.errors import Unavailable

__all__ = ["Home"]

T = TypeVar("T")


async def _end_others() -> None:
    """Cancel what still runs on this loop: whoever waits for it in another thread is told."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Home:
    """The loop starts with its first use. `close` ends it, and may be called more than once."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `work` on this loop; raises what it raises.

        Raises RuntimeError if called on the loop itself, which would wait for itself for ever.
        """
        try:
            return self.start(work).result()
        except concurrent.futures.CancelledError:
            raise Unavailable("the connection was closed meanwhile") from None

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> concurrent.futures.Future[T]:
        """Begin `work` on this loop and do not wait for it.

        Raises RuntimeError as `run` does.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("a blocking call inside the loop that would have to answer it")
        return asyncio.run_coroutine_threadsafe(work(), self._started())

    def close(self) -> None:
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_end_others(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="cidbus home loop", daemon=True
                )
                self._thread.start()
            return self._loop
