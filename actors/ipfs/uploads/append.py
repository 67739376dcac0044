"""One append: its bytes become a longer file, checkpoint by checkpoint.

stream ──part──> write_file on the file so far ──commit──> blocks + named root + record
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from ....schemas.errors import NotFound
from ..store.pins import PinRecord
from ..store.roots import RootRecord
from ..store.session import Session
from ..store.store import BlockStore
from ..tree.files import write_file
from ..unixfs.profiles import profile_named
from .arrival import Arrival, Piece
from .checksum import Checksum
from .news import News
from .one_behind import OneBehind
from .record import UploadRecord, replace_record

__all__ = ["Append"]

# What a killed process or a refused stream can lose at most. A multiple of every profile's chunk, so that no
# leaf is written twice.
CHECKPOINT_BYTES = 32 << 20


class Append:
    """One append under way, or about to be. Use it once; `ended` is set by whoever runs it."""

    def __init__(
        self, store: BlockStore, *, clock: Callable[[], float], executor: Executor, news: News
    ) -> None:
        self.ended = asyncio.Event()
        self._store = store
        self._clock = clock
        self._executor = executor
        self._news = news
        self._arrival: Arrival | None = None

    @property
    def is_ending(self) -> bool:
        """Whether nothing more comes and what came is being stored."""
        return self._arrival is not None and self._arrival.over

    def give_way(self, silent_s: float) -> bool:
        """End it if its stream has been silent for so long, what came being kept; whether it ends."""
        return self.is_ending or (self._arrival is not None and self._arrival.give_way(silent_s))

    async def run(
        self, record: UploadRecord, content: AsyncIterator[bytes], checksum: Checksum | None = None
    ) -> UploadRecord:
        """Store what comes; returns the record as it is then. Raises as `Uploads.append` does."""
        room = None if record.size_bytes is None else record.size_bytes - record.offset
        arrival = self._arrival = Arrival(content, room, checksum)
        if record.complete:
            return await _nothing_more(record, arrival)
        async with self._store.session() as session, OneBehind() as saving:
            longer = await self._write_part(record, arrival, session)
            while not arrival.over:
                # The last byte is no checkpoint: whether more comes than was promised is not known yet.
                if checksum is None and not longer.is_full:
                    await saving.start(_checkpoint, record, longer, session)
                    record = longer
                longer = await self._write_part(longer, arrival, session)
            if checksum is not None:
                arrival.require_whole()
                checksum.require()
            await saving.wait()
            record = await self._settle(record, longer, session)
        if record.complete:
            await self._news.turn(record, "complete")
        else:
            await self._news.progress(record, record.offset, record.cid)
        arrival.require_whole()
        return record

    async def _write_part(self, record: UploadRecord, arrival: Arrival, session: Session) -> UploadRecord:
        """The record with the bytes up to the next checkpoint, or to the end of the stream."""
        size = CHECKPOINT_BYTES - record.offset % CHECKPOINT_BYTES
        async with aclosing(self._told(record, arrival, size)) as pieces:
            try:
                file = await write_file(
                    self._store, session, record.cid, pieces,
                    offset=record.offset, profile=profile_named(record.profile), executor=self._executor,
                )  # fmt: skip
            except NotFound:
                session.check()  # a block of the part before may not have found room
                raise
        return record.changed(self._clock(), offset=file.size_bytes, cid=file.cid)

    async def _told(self, record: UploadRecord, arrival: Arrival, size: int) -> AsyncGenerator[Piece, None]:
        """A part of the stream, with news of how far it is."""
        came = record.offset
        async with aclosing(arrival.part(size)) as pieces:
            async for piece in pieces:
                yield piece
                came += len(piece)
                await self._news.progress(record, came)

    async def _settle(self, old: UploadRecord, new: UploadRecord, session: Session) -> UploadRecord:
        """Make what came the upload's, and the upload complete if that was all."""
        if new.is_full:
            new = replace(new, complete=True)
        assert new.cid is not None
        pinned = new.complete and new.pin
        await session.commit(
            [PinRecord(new.cid)] if pinned else [],
            roots=[] if pinned else [RootRecord(new.root_name, new.cid)],
            release=[new.root_name] if pinned else [],
            also=partial(replace_record, old, new),
        )
        return new


async def _checkpoint(old: UploadRecord, new: UploadRecord, session: Session) -> None:
    assert new.cid is not None
    await session.checkpoint([RootRecord(new.root_name, new.cid)], also=partial(replace_record, old, new))


async def _nothing_more(record: UploadRecord, arrival: Arrival) -> UploadRecord:
    """A complete upload, to which nothing was to be added."""
    async for _ in arrival.part(1):
        pass
    arrival.require_whole()
    return record
