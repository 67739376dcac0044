"""What the world is told of uploads: each turn of one, and at most twice a second that bytes have come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from cachetools import TTLCache

from ....schemas.cid import CID
from .record import UploadRecord

__all__ = ["Moment", "News", "Tell"]

TELL_EVERY_S = 0.5
# Uploads that are told of within that time; of more, some are told of too often.
REMEMBERED = 10_000

Moment = Literal["created", "receiving", "complete", "cancelled", "expired"]
# (upload, what has happened, how many bytes have come, the file of exactly these if there is one)
Tell = Callable[[UploadRecord, Moment, int, CID | None], Awaitable[None]]


class News:
    """Passes on to `tell` what is worth telling."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lately: TTLCache[str, None] = TTLCache(REMEMBERED, TELL_EVERY_S)

    async def turn(self, record: UploadRecord, moment: Moment) -> None:
        """The upload has begun or come to an end."""
        self._lately[record.id] = None
        await self._tell(record, moment, record.offset, record.cid)

    async def progress(self, record: UploadRecord, offset: int, cid: CID | None = None) -> None:
        """More bytes have come, unless something of this upload was told a moment ago."""
        if record.id not in self._lately:
            self._lately[record.id] = None
            await self._tell(record, "receiving", offset, cid)
