"""Calls that block for as long as a user likes, such as reading a terminal, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["beside"]

P = ParamSpec("P")
T = TypeVar("T")


async def beside(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the call returns or raises, from a thread that does not keep the process alive.

    A pool's thread would: Python waits for it at exit, and Ctrl-C would do nothing.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = call(*args, **kwargs)
        except Exception as error:
            settle(done.set_exception, error)
        else:
            settle(done.set_result, result)

    def settle(how: Callable[[T], None] | Callable[[BaseException], None], outcome: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: the command was interrupted
            loop.call_soon_threadsafe(lambda: None if done.done() else how(outcome))  # type: ignore[arg-type]

    threading.Thread(target=run, daemon=True).start()
    return await done
