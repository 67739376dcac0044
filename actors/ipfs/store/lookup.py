"""Reads blocks from the packs: at once where the page cache has them, else by waiting for the disk.

Every block is checked against the XXH3-64 in the index. A reader that loses the race with a compaction looks
the index up again.
"""

from __future__ import annotations

import errno
import os

import xxhash

from ....schemas.cid import CID
from ....schemas.errors import CorruptBlock, NotFound
from .index import Entry, Index
from .packs import Packs

# Without RWF_NOWAIT (not Linux, or not on this file system) blocks up to this size are read inline anyway.
INLINE_BYTES = 64 * 1024
NOWAIT = getattr(os, "RWF_NOWAIT", None)
_NOT_CACHED = (errno.EAGAIN, errno.EWOULDBLOCK)
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Lookup:
    """The durable blocks of a store. `now` belongs to one thread (the event loop's), the rest to any.

    `damaged` has the multihashes of blocks that were found damaged; to put such a block again mends it.
    """

    def __init__(self, index: Index, packs: Packs, *, nowait: int | None = NOWAIT) -> None:
        self._find = index.find
        self._packs = packs
        self._nowait = nowait
        self.damaged: set[bytes] = set()
        self._buffer = bytearray(2 << 20)

    def now(self, cid: CID) -> bytes | None:
        """The block if the page cache has all of it; None says nothing about whether it exists.

        Raises CorruptBlock.
        """
        entry = self._find(cid.multihash)
        if entry is None:
            return None
        try:
            data = self._read_cached(entry)
        except FileNotFoundError:
            return None
        if data is None or xxhash.xxh3_64_intdigest(data) == entry.checksum:
            return data
        return self.read(cid)  # moved meanwhile, or damaged: this tells

    def _read_cached(self, entry: Entry) -> bytes | None:
        pack = self._packs.open(entry.pack)
        if self._nowait is None:
            return pack.read(entry.offset, entry.length) if entry.length <= INLINE_BYTES else None
        length = entry.length
        if length > len(self._buffer):
            self._buffer = bytearray(length)
        view = memoryview(self._buffer)[:length]
        try:
            got = os.preadv(pack.fd, (view,), entry.offset, self._nowait)
        except OSError as error:
            if error.errno in _NOT_CACHED:
                return None
            if error.errno not in _NOT_SUPPORTED:
                raise
            self._nowait = None
            return self._read_cached(entry)
        return bytes(view) if got == length else None

    def read(self, cid: CID) -> bytes:
        """The block, waiting for the disk. Raises NotFound(what="block") or CorruptBlock."""
        if cid.is_identity:
            return cid.digest
        entry = self._entry(cid)
        while True:
            data = self.read_entry(entry)
            if data is not None:
                return data
            again = self._entry(cid)
            if (again.pack, again.offset) == (entry.pack, entry.offset):
                self.damaged.add(cid.multihash)
                raise CorruptBlock(str(cid))
            entry = again

    def read_entry(self, entry: Entry) -> bytes | None:
        """What lies where an entry says, or None if it is not what was stored there."""
        try:
            data = self._packs.open(entry.pack).read(entry.offset, entry.length)
        except FileNotFoundError:
            return None
        whole = len(data) == entry.length and xxhash.xxh3_64_intdigest(data) == entry.checksum
        return data if whole else None

    def check(self, cid: CID) -> None:
        """Raises NotFound(what="block") if the block is not here."""
        if not cid.is_identity:
            self._entry(cid)

    def _entry(self, cid: CID) -> Entry:
        entry = self._find(cid.multihash)
        if entry is None:
            raise NotFound("block", str(cid))
        return entry
