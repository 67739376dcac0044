"""One upload as the store remembers it: how far it has come, what it becomes, and how long it may rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import orjson

from ....schemas.cid import CID
from ....schemas.errors import Conflict, NotFound
from ..store.index import Change

__all__ = ["TABLE", "UploadRecord", "key_of", "replace_record"]

# The kept table of the store that has the records.
TABLE = "uploads"


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """One upload. Times are Unix seconds; each append moves `expires_at` to `rest_s` from then.

    `cid` is the file of the first `offset` bytes, the content itself once `complete`; an upload of unknown
    size has no `size_bytes` until it is told.
    """

    id: str
    created_at: float
    expires_at: float
    rest_s: float
    profile: str
    pin: bool = True
    offset: int = 0
    size_bytes: int | None = None
    cid: CID | None = None
    complete: bool = False
    metadata: str = ""
    filename: str | None = None

    @property
    def key(self) -> bytes:
        return key_of(self.id)

    @property
    def root_name(self) -> str:
        """The named root that keeps its blocks."""
        return f"upload/{self.id}"

    @property
    def is_full(self) -> bool:
        """Whether every byte that was promised is here."""
        return self.offset == self.size_bytes

    def is_live(self, now: float) -> bool:
        return self.expires_at > now

    def changed(self, now: float, **facts: Any) -> Self:
        """The same upload with other facts, and its whole rest before it."""
        return replace(self, expires_at=now + self.rest_s, **facts)

    def to_bytes(self) -> bytes:
        cid = None if self.cid is None else bytes(self.cid).hex()
        fields = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps(fields | {"cid": cid})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        said = orjson.loads(raw)
        cid = None if said["cid"] is None else CID.from_bytes(bytes.fromhex(said["cid"]))
        return cls(**(said | {"cid": cid}))


def key_of(upload_id: str) -> bytes:
    return upload_id.encode()


def replace_record(old: UploadRecord, new: UploadRecord | None, change: Change) -> None:
    """Inside a transaction: put one record in place of another, or none.

    Raises NotFound if the upload was forgotten meanwhile, Conflict if somebody else has moved it on.
    """
    found = change.get(TABLE, old.key)
    if found is None:
        raise NotFound("upload", old.id)
    if found != old.to_bytes():
        raise Conflict("the upload was changed meanwhile", id=old.id, locked=True)
    change.keep(TABLE, old.key, None if new is None else new.to_bytes())
