"""How bytes get into the tree: small ones inside the change, large ones past the journal.

    [small body] -> journal.write {data}
    [large body] -> ipfs.file.write (kept under a name that expires) -> journal.put {cid, release}

So that the journal actor, which puts all changes in order, never carries what they are about.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from ...bus import Bus
from ...schemas.errors import Conflict, NotAFile, NotFound
from ...schemas.ipfs import ProfileName
from ...schemas.journal import Changed, PathStat, PutContent, StatPath, Sync, WriteFile
from ...schemas.keeping import KEPT_S, new_keep
from ...schemas.subjects import FILE_WRITE, FS_PUT, FS_STAT, FS_WRITE
from ...schemas.tree import FileWrite, FileWritten

__all__ = ["Writing", "write_stream"]

# What still travels inside the request for a change: in base64 it grows by a third.
INLINE_BYTES = 128 * 1024


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What is to be done with some bytes: the fields of `WriteFile` but for the bytes, and how they are cut.

    By default they are the whole new content of the file.
    """

    path: str
    offset: int = 0
    append: bool = False
    truncate: bool = True
    create: bool = True
    parents: bool = False
    overwrite: bool = True
    mode: int | None = None
    mtime: float | None = None
    if_cid: str | None = None
    if_root: str | None = None
    transaction: str | None = None
    sync: Sync = "now"
    profile: ProfileName = "unixfs-v1-2025"
    raw_leaves: bool | None = None
    cid_version: int | None = None
    hash: str | None = None

    @property
    def replaces(self) -> bool:
        """Whether nothing of the file that may be there stays."""
        return self.truncate and not self.offset and not self.append

    @property
    def is_plain(self) -> bool:
        """Whether the journal's own write can say all of it."""
        as_usual = self.raw_leaves is None and self.cid_version is None and self.hash is None
        return as_usual and self.overwrite and self.profile == "unixfs-v1-2025"


async def write_stream(bus: Bus, asked: Writing, pieces: AsyncIterable[bytes]) -> Changed:
    """Write the bytes as they come and say what that has made of the tree; nothing is seen of it before.

    Raises what `journal.put` and `ipfs.file.write` raise, and Conflict if the file was changed meanwhile.
    """
    async with aclosing(_Peeked(pieces)) as body:
        first = await body.up_to(INLINE_BYTES)
        if body.ended and asked.is_plain:
            return await _write_inline(bus, asked, first)
        return await _write_past(bus, asked, body)


async def _write_inline(bus: Bus, asked: Writing, data: bytes) -> Changed:
    ask = WriteFile(
        path=asked.path, data=data, offset=asked.offset, append=asked.append, truncate=asked.truncate,
        create=asked.create, parents=asked.parents, mode=asked.mode, mtime=asked.mtime, if_cid=asked.if_cid,
        if_root=asked.if_root, transaction=asked.transaction, sync=asked.sync,
    )  # fmt: skip
    return await bus.upload(FS_WRITE, ask)


async def _write_past(bus: Bus, asked: Writing, body: _Peeked) -> Changed:
    before = await _before(bus, asked)
    keep = new_keep()
    ask = FileWrite.model_validate(
        {
            "cid": None if before is None else before.cid,
            "offset": None if asked.append else asked.offset,
            "truncate": asked.truncate,
            "keep": keep,
            "keep_s": KEPT_S,
            "profile": asked.profile,
            "raw_leaves": asked.raw_leaves,
            "cid_version": asked.cid_version,
            "hash": asked.hash,
        }
    )
    written = await bus.upload(FILE_WRITE, ask, body)
    return await _place(bus, asked, written, keep, before)


async def _place(
    bus: Bus, asked: Writing, written: FileWritten, keep: str, before: PathStat | None
) -> Changed:
    """Put what was written where it belongs, if what it was made of still stands there."""
    expected = asked.if_cid or (None if before is None else before.cid)
    put = PutContent(
        path=asked.path, cid=written.cid, parents=asked.parents, overwrite=asked.overwrite, mode=asked.mode,
        mtime=asked.mtime, if_cid=expected, if_root=asked.if_root, transaction=asked.transaction,
        sync=asked.sync, release=keep,
    )  # fmt: skip
    return await bus.request(FS_PUT, put)


async def _before(bus: Bus, asked: Writing) -> PathStat | None:
    """The file that the bytes are written into, or None where they are all there will be."""
    if asked.replaces and asked.create:
        return None
    try:
        found = await bus.request(FS_STAT, StatPath(path=asked.path, transaction=asked.transaction))
    except NotFound:
        if asked.create:
            return None
        raise
    if found.type != "file":
        raise NotAFile(found.cid, found.type)
    if asked.if_cid is not None and asked.if_cid != found.cid:
        raise Conflict(
            "the file is not the expected one", path=asked.path, expected=asked.if_cid, cid=found.cid
        )
    return None if asked.replaces else found


class _Peeked(AsyncIterator[bytes]):
    """Pieces of which the first ones may be looked at before they are taken."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = aiter(pieces)
        self._held: list[bytes] = []
        self.ended = False

    async def up_to(self, size: int) -> bytes:
        """What comes until there is more than `size` of it, or the end."""
        held = 0
        while held <= size and not self.ended:
            piece = await anext(self._pieces, None)
            if piece is None:
                self.ended = True
            else:
                self._held.append(piece)
                held += len(piece)
        return b"".join(self._held) if self.ended else b""

    async def __anext__(self) -> bytes:
        if self._held:
            return self._held.pop(0)
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """End the source, where it can be ended."""
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()
