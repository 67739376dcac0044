"""The disk tier: sealed values in a `diskcache.Cache`, which of them is the policy's to say.

All blocking work is done by threads of the tier's own: some that read, and one that changes the database, in
the order of the calls and many changes to a commit. Everything else happens on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import diskcache

from . import heats
from .changes import FAILURES, Changes
from .folder_lock import FolderLock
from .policies import make_policy
from .policy import Resident
from .raw_disk import RawDisk, UnsafeRow
from .recovery import SPOOLS, recover
from .sealed import Damaged, SealedValue, Sealer, content_bytes, sealed_bytes
from .spool import OpenFile, Spool
from .stats import TierStats

__all__ = ["LARGEST_SHARE", "DiskTier", "DiskValue"]

LARGEST_SHARE: Final = 4
# Sealed values up to this size lie in the database, larger ones in files.
INLINE_BYTES: Final = 16 << 10
# What a row takes, and the block that the end of a file fills.
ROW_BYTES, BLOCK_BYTES = 512, 4096
READERS: Final = 4

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Entry:
    """One stored value; another under the same key is another object."""

    __slots__ = ("is_ready", "size_bytes")

    def __init__(self, size_bytes: int, *, is_ready: bool) -> None:
        self.size_bytes = size_bytes
        self.is_ready = is_ready


class DiskTier:
    """Content by key on disk, checked on every read; at most `capacity_bytes`, with rows and blocks.

    `on_gone` hears of every key that is no longer here, whatever the reason.
    """

    @classmethod
    async def open(
        cls, folder: Path, capacity_bytes: int, policy: str, on_gone: Callable[[str], None] = lambda key: None
    ) -> Self:
        """Open a folder, made if need be, with what an earlier process left in it.

        Raises Conflict if another process has it open.
        """
        self = cls(folder, capacity_bytes, policy, on_gone)
        try:
            await self._run(self._changing, self._start)
            self._changes = Changes(self._cache, self._changing)
        except BaseException:
            self._stop_threads()
            raise
        return self

    def __init__(
        self, folder: Path, capacity_bytes: int, policy: str, on_gone: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.capacity_bytes = capacity_bytes
        self.stats = TierStats()
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._reading = ThreadPoolExecutor(READERS, "cache-read")
        self._changing = ThreadPoolExecutor(1, "cache-write")
        self._entries: dict[str, _Entry] = {}
        self._policy = make_policy(policy, capacity_bytes, capacity_bytes // LARGEST_SHARE)
        self._cache: Any = None
        self._changes: Changes
        self._lock: FolderLock | None = None
        self._is_closed = False

    async def settled(self) -> None:
        """Wait until every change asked for is in the database."""
        await self._changes.settled()

    async def close(self) -> None:
        """Finish what was asked for and let go of the folder; any number of times."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._changes.settled()
        await self._run(self._changing, heats.save, self.folder, self._policy.residents())
        barrier = threading.Barrier(READERS)
        await asyncio.gather(
            self._run(self._changing, self._cache.close),
            *(self._run(self._reading, self._close_connection, barrier) for _ in range(READERS)),
        )
        self._stop_threads()

    async def save_heats(self) -> None:
        """Write down the order of the entries, so that a crash does not lose all of it."""
        await self._run(self._changing, heats.save, self.folder, self._policy.residents())

    # What is here

    @property
    def policy(self) -> str:
        return self._policy.name

    @property
    def used_bytes(self) -> int:
        return self._policy.used_bytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        """Whether the key may be read now."""
        return self.size_of(key) is not None

    def size_of(self, key: object) -> int | None:
        """The size of the content, if it is here and written."""
        entry = self._entries.get(key)  # type: ignore[call-overload]
        return entry.size_bytes if entry is not None and entry.is_ready else None

    def keys(self) -> list[str]:
        return [key for key, entry in self._entries.items() if entry.is_ready]

    def holds(self, size_bytes: int) -> bool:
        """Whether content of this size may enter at all."""
        return _cost(size_bytes) <= self.capacity_bytes // LARGEST_SHARE

    def report(self) -> TierStats:
        """The numbers as of now."""
        return self.stats.as_of(self.used_bytes, len(self), self.capacity_bytes, self._policy)

    # Reading

    async def get(self, key: str) -> DiskValue | None:
        """Content to read, counted as a hit; None, counted as a miss, if it is not here or is damaged."""
        value = await self.peek(key)
        if value is None:
            self.stats.misses += 1
        else:
            self.stats.hits += 1
            self._policy.hit(key)
        return value

    async def peek(self, key: str) -> DiskValue | None:
        """Content to read, not counted as a request; None if it is not here or is damaged."""
        entry = self._entries.get(key)
        if entry is None or not entry.is_ready:
            return None
        try:
            value = await self._run(self._reading, self._fetch, key, entry.size_bytes)
        except (Damaged, UnsafeRow, *FAILURES) as error:
            self._drop_bad(key, entry, error)
            return None
        return DiskValue(self, key, entry, value)

    def _fetch(self, key: str, size_bytes: int) -> SealedValue:
        found = self._cache.get(key, read=True)
        if isinstance(found, OpenFile):
            value = SealedValue(key, found.size_bytes, found.read)
        elif isinstance(found, bytes):
            value = SealedValue(key, len(found), lambda offset, length: found[offset : offset + length])
        else:
            raise Damaged("its row or its file is gone")
        if value.size_bytes != size_bytes:
            raise Damaged(f"it has {value.size_bytes} bytes and not {size_bytes}")
        return value

    def _drop_bad(self, key: str, entry: _Entry, error: Exception) -> None:
        if self._entries.get(key) is entry:  # Otherwise it was evicted under the reader.
            _log.error("the cache's value of %s is damaged and is dropped: %s", key, error)
            self.stats.bad += 1
            self.remove(key)

    # Changing

    async def new_spool(self) -> Spool:
        """A temporary file on this disk, to be closed by who asked for it. Raises OSError."""
        return await self._run(self._reading, Spool, self.folder / SPOOLS)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Blocking work on a spool, in one of the threads that read."""
        return await self._run(self._reading, work, *arguments)

    async def put(self, key: str, value: bytes | Spool) -> bool:
        """Offer content: bytes, or a spool that has all of it and is not sealed.

        False if the policy refuses it or it cannot be written. The spool's file is moved, not copied.
        """
        if key in self._entries:
            return True
        size_bytes = value.size_bytes if isinstance(value, Spool) else len(value)
        gone = self._policy.admit(key, _cost(size_bytes))
        self._evict([name for name in gone if name != key])
        if key in gone:
            self.stats.refused += 1
            return False
        entry = self._entries[key] = _Entry(size_bytes, is_ready=False)
        stored: bytes | Spool | None = None
        try:
            stored = await self._run(self._reading, self._seal, key, value)
            if self._entries.get(key) is entry:  # Nobody took it out meanwhile.
                await self._changes.make(lambda: self._cache.set(key, stored))
        except FAILURES as error:
            _log.error("the cache cannot write %s: %s", key, error)
            self.stats.failed_writes += 1
            self._forget(key, entry)
            if isinstance(stored, Spool):
                stored.discard()
            return False
        except BaseException:
            if self._entries.get(key) is entry:
                self.remove(key)
            raise
        finally:
            if isinstance(stored, Spool) and stored is not value:
                stored.close()
        if self._entries.get(key) is not entry:
            return False
        entry.is_ready = True
        return True

    def remove(self, key: str) -> bool:
        """Drop content; False if there was none."""
        entry = self._entries.get(key)
        if entry is None:
            return False
        self._forget(key, entry)
        self._delete(key)
        return True

    def set_policy(self, name: str) -> None:
        """Go on under another policy, with what is here."""
        policy = make_policy(name, self.capacity_bytes, self.capacity_bytes // LARGEST_SHARE)
        gone = policy.load(self._policy.residents())
        self._policy = policy
        self._evict(gone)

    async def clear(self) -> None:
        """Drop everything."""
        for key in list(self._entries):
            self.remove(key)
        await self._changes.settled()

    def _seal(self, key: str, value: bytes | Spool) -> bytes | Spool:
        if isinstance(value, Spool):
            value.seal(key)
            return value
        if sealed_bytes(len(value)) <= INLINE_BYTES:
            sealer = Sealer()
            sealer.update(value)
            return b"".join((value, sealer.trailer(key)))
        spool = Spool(self.folder / SPOOLS)
        try:
            spool.write(value)
            spool.seal(key)
        except BaseException:
            spool.close()
            raise
        return spool

    def _evict(self, keys: list[str]) -> None:
        for key in keys:
            self.stats.evictions += 1
            if self._entries.pop(key, None) is not None:
                self._delete(key)
                self._on_gone(key)

    def _forget(self, key: str, entry: _Entry) -> None:
        if self._entries.get(key) is entry:
            del self._entries[key]
            self._policy.remove(key)
            self._on_gone(key)

    def _delete(self, key: str) -> None:
        change = self._changes.make(lambda: self._cache.delete(key))
        change.add_done_callback(lambda done: self._not_deleted(key, done.exception()))

    def _not_deleted(self, key: str, error: BaseException | None) -> None:
        if error is not None:
            _log.error("the cache cannot delete %s: %s", key, error)

    # The threads

    def _start(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder)
        (self.folder / SPOOLS).mkdir(mode=0o700, exist_ok=True)
        found = recover(self.folder)
        self.stats.bad = found.bad
        self._cache = diskcache.Cache(
            str(self.folder),
            disk=RawDisk,
            eviction_policy="none",
            cull_limit=0,
            statistics=0,
            tag_index=0,
            disk_min_file_size=INLINE_BYTES,
        )
        sizes = {key: content_bytes(stored_bytes) or 0 for key, stored_bytes in found.sizes.items()}
        self._entries = {key: _Entry(size_bytes, is_ready=True) for key, size_bytes in sizes.items()}
        order = heats.load(self.folder, sizes)
        for key in self._policy.load(Resident(key, _cost(sizes[key]), heat) for key, heat in order):
            del self._entries[key]
            self._cache.delete(key)

    def _close_connection(self, barrier: threading.Barrier) -> None:
        barrier.wait()  # So that each of the threads does this once.
        self._cache.close()

    def _stop_threads(self) -> None:
        self._reading.shutdown()
        self._changing.shutdown()
        if self._lock is not None:
            self._lock.release()

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(threads, work, *arguments)


class DiskValue:
    """Content that is being read; it stays readable when it is evicted meanwhile."""

    def __init__(self, tier: DiskTier, key: str, entry: _Entry, value: SealedValue) -> None:
        self._tier, self._key, self._entry, self._value = tier, key, entry, value

    @property
    def size_bytes(self) -> int:
        return self._entry.size_bytes

    async def read(self, offset: int, length: int) -> bytes | memoryview:
        """A range that lies within the content.

        Raises Damaged, once the entry has been dropped, counted and reported, if it is not what was stored.
        """
        try:
            return await self._tier.run(self._value.read, offset, length)
        except (Damaged, OSError) as error:
            self._tier._drop_bad(self._key, self._entry, error)
            raise Damaged(str(error)) from error


def _cost(size_bytes: int) -> int:
    stored = sealed_bytes(size_bytes)
    if stored > INLINE_BYTES:
        stored = -(-stored // BLOCK_BYTES) * BLOCK_BYTES
    return stored + ROW_BYTES
