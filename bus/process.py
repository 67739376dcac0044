"""How a cidbus process runs: allocator settings, the event loop, and an orderly end on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["end_with_parent", "run", "stop_on_signals", "tune_allocator"]

MIB = 1024 * 1024

# glibc's mallopt parameters: keep blocks below 32 MiB on the heap instead of mapping and unmapping each one.
_MALLOPT = {-3: 32 * MIB, -1: 128 * MIB, -2: 16 * MIB}


def tune_allocator() -> None:
    """Let glibc reuse memory for large messages; elsewhere this does nothing.

    Without it every 512 KiB message is mapped, page-faulted and unmapped: about twice the CPU per byte.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)


_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """In a new child on Linux: be told to end when the parent dies, however it dies."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def run(main: Callable[[], Coroutine[Any, Any, int | None]], *, debug: bool = False) -> int:
    """Run a process's main coroutine on the fastest loop there is; its return value is the exit code."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(asctime)s %(levelname).1s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.INFO)
    tune_allocator()
    # Requests make few cycles: the default of 700 objects has the collector take 5 % of a busy bridge.
    gc.set_threshold(5_000, 10, 10)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main()) or 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT or SIGTERM sets; to be called inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
