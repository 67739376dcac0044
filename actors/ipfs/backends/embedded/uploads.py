"""Uploads in several goes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import subjects, tree
from .....schemas.cid import CID
from ...uploads.news import Moment
from ...uploads.record import UploadRecord
from ...uploads.uploads import Uploads
from .node import Node

__all__ = ["UploadRows"]

ID_BYTES = 24
UPLOADS_PER_TURN = 1000


class UploadRows(Node):
    """`upload.*`."""

    async def open(self) -> None:
        await super().open()
        self._uploads = Uploads(
            self._store, self._folder / "uploads", clock=self.now, executor=self._executor,
            tell=self._tell_upload, new_id=self._new_upload_id,
        )  # fmt: skip
        self._tasks.append(
            asyncio.create_task(self.regularly(self._uploads.expire_due, "no upload could expire"))
        )

    @handles(subjects.UPLOAD_CREATE)
    async def upload_create(self, ask: tree.UploadCreate) -> tree.UploadState:
        return _state(await self._uploads.create(ask))

    @handles(subjects.UPLOAD_APPEND)
    async def upload_append(self, ask: tree.UploadAppend, content: AsyncIterator[bytes]) -> tree.UploadState:
        """Durable when answered, and what came when it broke. Raises as `Uploads.append` does."""
        return _state(await self._uploads.append(ask.id, ask.offset, content, ask.checksum))

    @handles(subjects.UPLOAD_STAT)
    async def upload_stat(self, ask: tree.UploadRequest) -> tree.UploadState:
        return _state(await self._uploads.settled(ask.id))

    @handles(subjects.UPLOAD_FINISH)
    async def upload_finish(self, ask: tree.UploadFinish) -> tree.UploadState:
        return _state(await self._uploads.finish(ask.id, ask.size_bytes))

    @handles(subjects.UPLOAD_CANCEL)
    async def upload_cancel(self, ask: tree.UploadRequest) -> tree.UploadState:
        return _state(await self._uploads.cancel(ask.id))

    @handles(subjects.UPLOADS)
    async def uploads(self, ask: tree.UploadList) -> AsyncIterator[tree.UploadState]:
        for number, record in enumerate(self._uploads.list()):
            yield _state(record)
            if number % UPLOADS_PER_TURN == UPLOADS_PER_TURN - 1:
                await asyncio.sleep(0)

    # ---- told and tended --------------------------------------------------------------------------------

    async def _tell_upload(self, record: UploadRecord, moment: Moment, offset: int, cid: CID | None) -> None:
        progress = tree.UploadProgress(
            id=record.id, state=moment, offset=offset, size_bytes=record.size_bytes,
            cid=None if cid is None else str(cid), at=self.now(),
        )  # fmt: skip
        await self.tell(subjects.UPLOADED, progress)
        if moment == "complete" and cid is not None:
            await self.tell_added(cid, offset, pinned=record.pin, filename=record.filename)

    def _new_upload_id(self) -> str:
        return secrets.token_urlsafe(ID_BYTES)


def _state(record: UploadRecord) -> tree.UploadState:
    return tree.UploadState(
        id=record.id,
        offset=record.offset,
        size_bytes=record.size_bytes,
        cid=None if record.cid is None else str(record.cid),
        complete=record.complete,
        metadata=record.metadata,
        filename=record.filename,
        created_at=record.created_at,
        expires_at=record.expires_at,
    )
