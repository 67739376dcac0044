"""What the long jobs of a store share: a thread each, a way to stop, and how to keep collection away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import lmdb

from ....schemas.errors import Unavailable
from .committer import Committer
from .diskset import DiskSet
from .index import Index, storage_error
from .layout import Layout
from .locks import FileLock
from .lookup import Lookup
from .packs import Packs
from .reach import Children, Reach, Stopped

T = TypeVar("T")

JOBS = 4
RETRY_S = 0.05


class Upkeep:
    """The parts of a store that pins, collection and verification work on.

    `blocks` reads only what is durable; `children` tells the links of a block; `clock` is in Unix seconds.
    """

    def __init__(
        self, *, index: Index, packs: Packs, committer: Committer, blocks: Lookup, children: Children,
        layout: Layout, clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.index = index
        self.packs = packs
        self.committer = committer
        self.blocks = blocks
        self.layout = layout
        self.clock = clock
        self._children = children
        self._threads = ThreadPoolExecutor(JOBS, "cidbus-upkeep")
        self._stops: set[threading.Event] = set()
        self._closing = False

    async def run(self, job: Callable[[threading.Event], T]) -> T:
        """Run a job in a thread; it is told to stop, and waited for, when the caller is cancelled.

        Raises what the job raises, StorageFull, and Unavailable if the store is closed meanwhile.
        """
        if self._closing:
            raise Unavailable("the store is closing")
        stop = threading.Event()
        self._stops.add(stop)
        future = asyncio.get_running_loop().run_in_executor(self._threads, job, stop)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([future])
            future.exception()
            raise
        except Stopped:
            raise Unavailable("the store is closing") from None
        except (lmdb.Error, OSError) as error:
            raise storage_error(error) from error
        finally:
            self._stops.discard(stop)

    def seen(self) -> DiskSet:
        """An empty set for one walk; close it afterwards."""
        return DiskSet(self.layout.temp)

    def reach(self, seen: DiskSet, stop: threading.Event) -> Reach:
        return Reach(self.blocks, self._children, seen, stop)

    @contextlib.asynccontextmanager
    async def no_collection(self) -> AsyncIterator[None]:
        """Nothing is removed, by any process, inside this; waits for a collection that runs."""
        lock = FileLock(self.layout.gc_lock)
        try:
            while not lock.try_alone():
                await asyncio.sleep(RETRY_S)
            yield
        finally:
            lock.close()

    async def close(self) -> None:
        """Stop every job and wait for it to end."""
        self._closing = True
        for stop in self._stops:
            stop.set()
        await asyncio.to_thread(self._threads.shutdown)
