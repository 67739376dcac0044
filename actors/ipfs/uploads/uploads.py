"""Uploads that may stop and go on: what is acknowledged is a file of the store, and a record says how far.

    create ──> record ──append──> blocks + named root + record ──…──> complete: blocks + pin + record

Blocks, the root that keeps them and the record change in one transaction, so an acknowledged offset survives
whatever happens. One append runs at a time for each upload, over all processes of the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from ....schemas.errors import Busy, Conflict, NotFound
from ....schemas.tree import UploadCreate
from ..store.store import BlockStore
from ..unixfs.profiles import profile_named
from .append import Append
from .checksum import Checksum
from .locks import UploadLocks
from .news import News, Tell
from .record import UploadRecord, key_of, replace_record

__all__ = ["Uploads"]

# A running append whose stream has been silent for so long ends when another one comes.
SILENT_S = 3.0
MAX_UPLOADS = 100_000
EXPIRE_BATCH = 500
# The event loop gets a turn after so many are looked at.
RECORDS_PER_TURN = 1000


class Uploads:
    """The uploads of one store, those of all its processes."""

    def __init__(
        self, store: BlockStore, locks: Path, *, clock: Callable[[], float], executor: Executor, tell: Tell,
        new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        """`locks` is a folder for lock files; `executor` hashes; `new_id` makes ids that nobody guesses."""
        self._store = store
        self._records = store.uploads
        self._locks = UploadLocks(locks)
        self._clock = clock
        self._executor = executor
        self._new_id = new_id
        self._news = News(tell)
        self._running: dict[str, Append] = {}

    # ---- records ----------------------------------------------------------------------------------------

    async def create(self, ask: UploadCreate) -> UploadRecord:
        """Begin an upload; one of no bytes is complete at once. Raises Busy past `MAX_UPLOADS`."""
        profile_named(ask.profile)
        if self._records.count() >= MAX_UPLOADS:
            raise Busy("the register of uploads", limit=MAX_UPLOADS, retry_after_s=60.0)
        now = self._clock()
        record = UploadRecord(
            self._new_id(), now, now + ask.expires_in_s, ask.expires_in_s, ask.profile, ask.pin,
            size_bytes=ask.size_bytes, metadata=ask.metadata, filename=ask.filename,
        )  # fmt: skip
        await self._records.put(record.key, record.to_bytes())
        await self._news.turn(record, "created")
        return await self.append(record.id, 0, _nothing()) if ask.size_bytes == 0 else record

    def get(self, upload_id: str) -> UploadRecord:
        """Raises NotFound("upload") for one that there is not, or no longer."""
        raw = self._records.get(key_of(upload_id))
        record = raw and UploadRecord.from_bytes(raw)
        if not record or not record.is_live(self._clock()):
            raise NotFound("upload", upload_id)
        return record

    async def settled(self, upload_id: str) -> UploadRecord:
        """As `get`; what an append has brought that is about to end counts already."""
        running = self._running.get(upload_id)
        if running is not None and running.is_ending:
            await running.ended.wait()
        return self.get(upload_id)

    def list(self) -> Iterator[UploadRecord]:
        """Those that have not expired, in the order of their ids."""
        now = self._clock()
        records = (UploadRecord.from_bytes(raw) for _, raw in self._records.items())
        return (record for record in records if record.is_live(now))

    # ---- changes ----------------------------------------------------------------------------------------

    async def append(
        self, upload_id: str, offset: int, content: AsyncIterator[bytes], checksum: str | None = None
    ) -> UploadRecord:
        """Store the bytes that follow the first `offset` ones; returns how far the upload is then.

        What came before `content` broke is kept, and its error raised; with a checksum all or nothing is.
        Raises Conflict with the right `offset`, or with `locked` while another append runs; TooLarge for more
        than the upload was to have, and then keeps nothing since the last checkpoint; NotFound; StorageFull;
        InvalidContent(field="checksum").
        """
        expected = None if checksum is None else Checksum.parse(checksum)
        async with self._alone(upload_id) as append:
            record = self.get(upload_id)
            if offset != record.offset:
                raise Conflict(
                    f"the upload is at {record.offset}, not at {offset}", offset=record.offset, id=upload_id
                )
            return await append.run(record, content, expected)

    async def finish(self, upload_id: str, size_bytes: int | None = None) -> UploadRecord:
        """Say how many bytes an upload has, by default those that are here; complete once they are.

        Raises Conflict if it has another size already, and with no size given if bytes are missing; NotFound.
        """
        async with self._alone(upload_id) as append:
            record = self.get(upload_id)
            size = _size_told(record, size_bytes)
            if record.size_bytes != size:
                sized = record.changed(self._clock(), size_bytes=size)
                await self._replace(record, sized)
                record = sized
            if record.complete or not record.is_full:
                return record
            return await append.run(record, _nothing())

    async def cancel(self, upload_id: str) -> UploadRecord:
        """Give an upload up, and its blocks free; the content of a complete one keeps its pin.

        Raises NotFound.
        """
        while not await self._forget(record := self.get(upload_id)):
            pass  # an append has moved it on meanwhile
        running = self._running.get(upload_id)
        if running is not None:
            running.give_way(0.0)
        await self._news.turn(record, "cancelled")
        return record

    async def expire_due(self) -> int:
        """Forget uploads whose time has come and that nobody is appending to; returns how many."""
        forgotten = 0
        for record in await self._due():
            if await self._forget(record):
                forgotten += 1
                await self._news.turn(record, "expired")
        return forgotten

    async def _due(self) -> Sequence[UploadRecord]:
        """Some of those; all records are looked at for them, which may be many."""
        now, due = self._clock(), []
        for number, (_, raw) in enumerate(self._records.items(), 1):
            record = UploadRecord.from_bytes(raw)
            if not record.is_live(now) and record.id not in self._running:
                due.append(record)
            if len(due) == EXPIRE_BATCH:
                break
            if number % RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)
        return due

    # ---- one after the other ----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _alone(self, upload_id: str) -> AsyncIterator[Append]:
        """An append that may run now. Raises NotFound, and Conflict(locked=True) while another one runs."""
        self.get(upload_id)  # before a lock file is made for whatever was asked
        await self._end_silent(upload_id)
        with self._locks.alone(upload_id):
            append = self._running[upload_id] = Append(
                self._store, clock=self._clock, executor=self._executor, news=self._news
            )
            try:
                yield append
            finally:
                del self._running[upload_id]
                append.ended.set()

    async def _end_silent(self, upload_id: str) -> None:
        """A client that has come back need not wait until its broken connection is noticed here."""
        running = self._running.get(upload_id)
        if running is not None and running.give_way(SILENT_S):
            await running.ended.wait()

    async def _replace(self, old: UploadRecord, new: UploadRecord) -> None:
        async with self._store.session() as session:
            await session.commit(also=partial(replace_record, old, new))

    async def _forget(self, record: UploadRecord) -> bool:
        """Remove a record and its root; False if it was changed meanwhile. Raises NotFound."""
        async with self._store.session() as session:
            try:
                await session.commit(release=[record.root_name], also=partial(replace_record, record, None))
            except Conflict:
                return False
        return True


def _size_told(record: UploadRecord, size_bytes: int | None) -> int:
    """The size of an upload as it is known once this was said; raises Conflict if that cannot be."""
    known = record.size_bytes
    size = record.offset if size_bytes is None else size_bytes
    facts = {"id": record.id, "offset": record.offset, "size_bytes": known}
    if known is not None and size < known and size_bytes is None:
        raise Conflict(f"{known - size} bytes are missing", **facts)
    if known not in (None, size) or size < record.offset:
        raise Conflict(f"the upload has {record.offset if known is None else known} bytes", **facts)
    return size


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece
