"""Worker processes: started when there is work, few at once, ended when idle, killed when nobody waits.

    [job] -> a place (429 if too many wait) -> a worker, idle or new -> frames -> [what it tells]

A worker that broke, or was left in the middle of a task, is not used again: whatever a hostile file does to
the library that reads it ends with that file.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from ...schemas.errors import BusError, Busy, DeadlineExceeded, Internal, InvalidContent
from . import frames

__all__ = ["Job", "Workers"]

WORKER = f"{__package__}.engine.worker"
# A fresh process now and then: what a library leaks does not add up.
MAX_TASKS = 200
STREAM_LIMIT_BYTES = 2 * 2**20


@dataclass(frozen=True)
class Job:
    """One task and those who take part in it.

    `read(offset, length)` gives bytes of the source, `take(name, pieces)` stores one file of the result and
    has read all its pieces when it returns, `progress(fraction)` hears how far the work is. A task that only
    looks has neither of the two.
    """

    task: dict[str, Any]
    read: Callable[[int, int], Awaitable[bytes]]
    timeout_s: float
    take: Callable[[str, AsyncIterator[bytes]], Awaitable[None]] | None = None
    progress: Callable[[float], Awaitable[None]] | None = None


class Workers:
    """At most `limit` processes, each with `memory_bytes` of address space; `waiting` jobs may wait."""

    def __init__(self, limit: int, waiting: int, memory_bytes: int, idle_s: float) -> None:
        self._places = asyncio.Semaphore(limit)
        self._limit, self._waiting_limit = limit, waiting
        self._waiting = 0
        self._memory_bytes = memory_bytes
        self._idle_s = idle_s
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    @property
    def pids(self) -> list[int]:
        """The processes there are now, busy or idle."""
        return [worker.pid for worker in self._all]

    async def run(self, job: Job) -> dict[str, Any]:
        """What the worker tells of the result. Cancelling this kills the worker.

        Raises the error that it answers, Busy if too many jobs wait, DeadlineExceeded after the job's
        `timeout_s`, and InvalidContent if the worker dies of the file.
        """
        if self._places.locked() and self._waiting >= self._waiting_limit:
            raise Busy("the media actor", limit=self._limit + self._waiting_limit)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._run(job)
        finally:
            self._places.release()

    async def _run(self, job: Job) -> dict[str, Any]:
        worker = self._idle.pop() if self._idle else await self._start()
        worker.wake()
        try:
            async with asyncio.timeout(job.timeout_s):
                return await worker.run(job)
        except TimeoutError:
            raise DeadlineExceeded(f"media.{job.task['kind']}", job.timeout_s) from None
        finally:
            if worker.is_free and worker.tasks < MAX_TASKS:
                self._idle.append(worker)
                worker.rest(self._idle_s, self._retire)
            else:
                await self._end(worker)

    async def _start(self) -> _Worker:
        worker = await _Worker.start(self._memory_bytes)
        self._all.add(worker)
        return worker

    async def _retire(self, worker: _Worker) -> None:
        self._idle.remove(worker)
        await self._end(worker)

    async def _end(self, worker: _Worker) -> None:
        self._all.discard(worker)
        await worker.kill()

    async def close(self) -> None:
        """Kill what is left; whoever runs a job is expected to have been cancelled."""
        self._idle.clear()
        for worker in list(self._all):
            await self._end(worker)


class _Worker:
    """One process, and the conversation with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._in, self._out = process.stdin, process.stdout
        self._rest: asyncio.Task[None] | None = None
        self.tasks = 0
        self.is_free = True  # the last task has been answered

    @classmethod
    async def start(cls, memory_bytes: int) -> _Worker:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", WORKER, str(memory_bytes),
            stdin=pipe, stdout=pipe, limit=STREAM_LIMIT_BYTES, start_new_session=True,
        )  # fmt: skip
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    # ---- life -------------------------------------------------------------------------------------------

    def rest(self, idle_s: float, retire: Callable[[_Worker], Awaitable[None]]) -> None:
        """Have nothing to do; after so long without `wake`, `retire` is called."""

        async def wait() -> None:
            await asyncio.sleep(idle_s)
            self._rest = None
            await retire(self)

        self._rest = asyncio.ensure_future(wait())

    def wake(self) -> None:
        rest, self._rest = self._rest, None
        if rest is not None:
            rest.cancel()

    async def kill(self) -> None:
        self.wake()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.shield(self._process.wait())
        self._in.close()

    # ---- work -------------------------------------------------------------------------------------------

    async def run(self, job: Job) -> dict[str, Any]:
        self.tasks += 1
        self.is_free = False
        try:
            await self._say(frames.TASK, orjson.dumps(job.task))
            return await self._until_told(job)
        except (EOFError, ConnectionError):
            raise InvalidContent("content", "the process that read it has died of it") from None

    async def _until_told(self, job: Job) -> dict[str, Any]:
        while True:
            kind, body = await self._next(job)
            if kind == frames.OPEN and job.take is not None:
                async with contextlib.aclosing(self._pieces(job)) as pieces:
                    await job.take(body.decode(), pieces)
            elif kind == frames.RESULT:
                self.is_free = True
                told: dict[str, Any] = orjson.loads(body)
                return told

    async def _pieces(self, job: Job) -> AsyncGenerator[bytes, None]:
        """The file that the worker writes now."""
        while True:
            kind, body = await self._next(job)
            if kind != frames.DATA:
                return
            yield body

    async def _next(self, job: Job) -> tuple[bytes, bytes]:
        """The next frame of the result. Reads and progress are dealt with on the way; raises the worker's
        error."""
        while True:
            kind, body = await frames.next_frame(self._out)
            if kind == frames.READ:
                await self._answer(job, *frames.read_span(body))
            elif kind == frames.ERROR:
                error = BusError.from_wire(orjson.loads(body))
                self.is_free = not isinstance(error, Internal)
                raise error
            elif kind != frames.PROGRESS:
                return kind, body
            elif job.progress is not None:
                await job.progress(orjson.loads(body))

    async def _answer(self, job: Job, offset: int, length: int) -> None:
        try:
            got = await job.read(offset, length)
        except BusError as error:
            await self._say(frames.ERROR, orjson.dumps(error.to_wire()))
        else:
            await self._say(frames.DATA, got)

    async def _say(self, kind: bytes, body: bytes) -> None:
        self._in.write(frames.frame(kind, body))
        await self._in.drain()
