"""A child process that is kept alive: started again with back-off when it ends, ended in order when asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from cidbus.bus.process import end_with_parent

__all__ = ["Child", "PythonProcess"]

log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
HEALTHY_AFTER_S = 2.0
STOP_S = 30.0  # longer than the bridge gives accepted requests


class Process(Protocol):
    """What a child must be able to do; `start` returns once the process runs."""

    @property
    def pid(self) -> int: ...

    async def start(self) -> None: ...
    async def wait(self) -> int: ...
    async def stop(self) -> None: ...


class PythonProcess:
    """`python -m cidbus …` in a session of its own, so that Ctrl-C reaches only the supervisor.

    `environment` is added to this process's own.
    """

    def __init__(self, arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cidbus", *self._arguments,
            env=os.environ | self._environment,
            stdin=asyncio.subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_parent,
        )  # fmt: skip

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class Child:
    """One process by name, run for as long as the system runs."""

    def __init__(self, name: str, process: Process, on_change: Callable[[], None]) -> None:
        self.name = name
        self.process = process
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    async def start(self) -> None:
        """Start the process, and start it again whenever it ends; raises what the first start raises."""
        await self.process.start()
        self._task = asyncio.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            began = time.monotonic()
            code = await self.process.wait()
            if time.monotonic() - began > HEALTHY_AFTER_S:
                wait_s = FIRST_WAIT_S
            log.warning("%s ended with code %s; starting it again in %.1f s", self.name, code, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            try:
                await self.process.start()
            except Exception:
                log.exception("%s could not be started", self.name)
                continue
            self._on_change()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.process.stop()
