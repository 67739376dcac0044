"""Rows of the index: read, written, changed, forgotten, one or many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ....bus import handles
from ....schemas import cache, subjects
from ....schemas.cid import CID
from ....schemas.errors import BadRequest, NotFound
from ..described import described
from .feed import FeedRows

__all__ = ["CidRows", "canonical"]


class CidRows(FeedRows):
    """`cache.cid.*` and `cache.touch`."""

    @handles(subjects.CID_GET)
    async def cid_get(self, ask: cache.CidGet) -> cache.CidRow:
        """Raises NotFound(what="CID") if nothing is known about it."""
        index = self.index
        self.settle()
        cid = _canonical(ask.cid)
        for name in ask.select or ():
            if name not in index.columns:
                raise BadRequest(f"select.{name}", "no such column")
        self.observed.note_points(at_s=self.now(), columns=ask.select)
        row = index.get(cid, ask.select)
        if row is None:
            raise NotFound("CID", cid)
        return _row(row)

    @handles(subjects.CID_PUT)
    async def cid_put(self, ask: cache.CidPut) -> cache.CidRow:
        """Raises BadRequest naming the column that is unknown or has a value that it cannot have."""
        index = self.index
        self.settle()
        row = self._whole(ask)
        index.put(row)
        self.observed.note_write(1, at_s=self.now())
        return _row(index.get(str(row["cid"])) or {})

    @handles(subjects.CID_UPDATE)
    async def cid_update(self, ask: cache.CidUpdate) -> cache.CidRow:
        """Raises NotFound(what="CID") if there is no row, BadRequest as `cid_put` does."""
        index = self.index
        self.settle()
        return _row(index.update(_canonical(ask.cid), _changes(ask)))

    @handles(subjects.CID_DELETE)
    async def cid_delete(self, ask: cache.CidDelete) -> cache.CidDeleted:
        index = self.index
        self.settle()
        return cache.CidDeleted(deleted=index.delete(canonical(ask.cids)))

    @handles(subjects.CID_BATCH)
    async def cid_batch(self, ask: cache.CidBatch) -> cache.CidBatched:
        """Nothing is written if any row to put is wrong; an update that is wrong ends the batch there."""
        self.settle()
        self.observed.note_write(len(ask.put or ()) + len(ask.update or ()), at_s=self.now())
        return await asyncio.to_thread(self._batch, ask)

    def _batch(self, ask: cache.CidBatch) -> cache.CidBatched:
        index = self.index
        put = index.put_many([self._whole(row) for row in ask.put or ()])
        updated, missing = 0, []
        for change in ask.update or ():
            cid = _canonical(change.cid)
            try:
                index.update(cid, _changes(change))
            except NotFound:
                missing.append(cid)
            else:
                updated += 1
        deleted = index.delete(canonical(ask.delete or (), "delete"))
        rows = []
        for cid in canonical(ask.get or (), "get"):
            found = index.get(cid)
            if found is None:
                missing.append(cid)
            else:
                rows.append(_row(found))
        return cache.CidBatched(put=put, updated=updated, deleted=deleted, rows=rows, missing=missing)

    @handles(subjects.CACHE_TOUCH)
    async def touch(self, ask: cache.CacheTouch) -> cache.CacheTouched:
        """What is read and not known yet is known from now on."""
        self.observed.note_touches(len(ask.accesses), at_s=self.now())
        self.settle()
        self.note_reads(ask.accesses)
        return cache.CacheTouched(touched=len(ask.accesses))

    def note_reads(self, accesses: list[cache.Access]) -> None:
        """Count reads, and policies hear of them too."""
        raise NotImplementedError

    def _whole(self, ask: cache.CidPut) -> dict[str, object]:
        """A row to put, with what its CID says by itself."""
        row = described(CID.parse(ask.cid)) | _changes(ask)
        if "added_timestamp" not in row:
            known = self.index.get(str(row["cid"]), ["added_timestamp"])
            row["added_timestamp"] = self.now() if known is None else known["added_timestamp"]
        return row


def _changes(ask: cache.CidPut) -> dict[str, object]:
    if "cid" in ask.metadata:
        raise BadRequest("metadata.cid", "a row's CID stands beside its metadata and does not change")
    said = described(CID.parse(ask.cid))
    for name, value in ask.metadata.items():
        if name in said and value != said[name]:
            raise BadRequest(f"metadata.{name}", f"the CID itself says {said[name]!r}")
    return ask.metadata


def _canonical(text: str) -> str:
    return str(CID.parse(text))


def canonical(texts: Iterable[str], field: str = "cids") -> list[str]:
    """CIDs in their canonical form; raises BadRequest that says which of them is none."""
    found = []
    for number, text in enumerate(texts):
        try:
            found.append(_canonical(text))
        except BadRequest as error:
            raise BadRequest(f"{field}.{number}", error.problem) from None
    return found


def _row(values: dict[str, object]) -> cache.CidRow:
    return cache.CidRow.model_construct(**values)  # type: ignore[arg-type]
