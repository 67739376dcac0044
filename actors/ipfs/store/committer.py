"""Group commit: while one batch is on its way to disk, what all sessions put meanwhile becomes the next.

[session] -> put, request -> [open batch] -> [running batch] -> writer's thread. However many small adds run
at once, they share one fdatasync and one index commit; however large one add is, at most `LIMIT_BYTES` of
it wait in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from ....schemas.cid import CID
from .batch import Batch, Pending, Request, Ticket
from .index import Change
from .writer import Writer

T = TypeVar("T")

# `put` waits while more than this is not yet on disk, counted over all sessions of the process.
LIMIT_BYTES = 48 << 20
# A batch goes to disk without being asked when it has this much, so that hashing and writing overlap.
BATCH_BYTES = 16 << 20


class Committer:
    """The one way to disk of an open store. Used from one event loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "cidbus-commit")
        self._open = Batch()
        self._running = Batch()
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._unended: set[bytes] = set()

    def find(self, key: bytes) -> Pending | None:
        """A block that is not yet on disk."""
        return self._open.blocks.get(key) or self._running.blocks.get(key)

    async def put(self, ticket: Ticket, cid: CID, data: bytes) -> Batch:
        """Add a block to the open batch, which is returned, waiting while too much is under way."""
        while self._open.size_bytes + self._running.size_bytes > LIMIT_BYTES:
            self._start()
            self._room.clear()
            await self._room.wait()
        batch = self._open
        batch.add(ticket, cid, data)
        if batch.size_bytes >= BATCH_BYTES:
            self._start()
        return batch

    async def change(self, change: Callable[[Change], T], *, ending: Ticket | None = None) -> T:
        """Run a change in the next transaction, after all blocks put before; durable when this returns.

        Raises what the change raises (a BusError), StorageFull, or what befell the ending session's blocks.
        Cancelled before the transaction begins, the change is not made.
        """
        request = self.request(change, ending=ending)
        try:
            result: T = await asyncio.shield(request.done)
        except asyncio.CancelledError:
            if request in self._open.requests:
                self._open.requests.remove(request)
            raise
        return result

    def request(self, change: Callable[[Change], Any], *, ending: Ticket | None = None) -> Request:
        """Ask for a change without waiting for it."""
        request = Request(change, asyncio.get_running_loop().create_future(), ending)
        request.done.add_done_callback(_look_at)
        self._open.requests.append(request)
        self._start()
        return request

    def withdraw(self, batch: Batch, ticket: Ticket, keys: list[bytes]) -> Request | None:
        """End a session without a commit: forget the blocks it put into `batch` if that is still open.

        Returns the change that ends its protection, if the index has it.
        """
        if batch is self._open:
            batch.drop(keys)
            batch.tickets.pop(ticket.key, None)
        if ticket.registered or ticket.key in self._running.tickets:
            return self._end(ticket.key)
        return None

    def _end(self, key: bytes) -> Request:
        # Not the session's own ticket: what befell its blocks must not keep its protection from ending.
        request = self.request(_nothing, ending=Ticket(key, registered=True))
        request.done.add_done_callback(partial(self._end_later, key))
        return request

    def _end_later(self, key: bytes, done: asyncio.Future[Any]) -> None:
        """On a full disk not even the end of a session can be written: it goes with the next batch."""
        if not done.cancelled() and done.exception() is not None:
            self._unended.add(key)

    async def flush(self) -> None:
        """Make durable what has been put."""
        await self.change(_nothing)

    async def alone(self, job: Callable[[Writer], T]) -> T:
        """Run a job in the writer's thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, job, self._writer)

    def alone_from_thread(self, job: Callable[[Writer], T]) -> T:
        """The same for a caller in a thread of its own."""
        return self._thread.submit(job, self._writer).result()

    async def close(self) -> None:
        """Finish what was asked for and give the segment back."""
        while self._task is not None:
            await asyncio.wait([self._task])
        await self.alone(Writer.close)
        self._thread.shutdown(wait=False)

    def _start(self) -> None:
        self._open.wanted = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._open.wanted:
                self._end_unended()
                self._open.refuse_failed()
                self._running, self._open = self._open, Batch()
                self._running.settle(await self._write(self._running))
                self._running = Batch()
                self._room.set()
        finally:
            self._task = None

    def _end_unended(self) -> None:
        keys, self._unended = self._unended, set()
        for key in keys:
            self._end(key)

    async def _write(self, batch: Batch) -> BaseException | None:
        """What kept the batch from being durable, if anything did."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.write, batch)
        except Exception as error:  # each of its sessions is told, and the store goes on
            return error
        return None


def _look_at(done: asyncio.Future[Any]) -> None:
    # Somebody may have stopped waiting: then nobody else would fetch the exception.
    if not done.cancelled():
        done.exception()


def _nothing(change: Change) -> None:
    """For a transaction that has only to happen."""
