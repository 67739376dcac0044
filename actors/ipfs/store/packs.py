"""Pack files: append-only, and each one a CARv1, so that any CAR tool can read a store.

A pack is a header and then records, each `varint(len(cid) + len(data)) | cid | data`
(https://ipld.io/specs/transport/car/carv1/). A process appends to one segment, a pack that it has locked;
everybody reads any pack.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import xxhash

from ....schemas.cid import CID
from ....schemas.varint import encode_varint
from ...disk import sync_folder
from .disk import FILE_MODE, sync_data, write_all
from .locks import try_alone

# varint 25, then DAG-CBOR {"roots": [the empty identity CID], "version": 1}: a CAR must name a root.
HEADER = bytes.fromhex("19a265726f6f747381d82a450001550000" + "67" + b"version".hex() + "01")
MAX_PACK_BYTES = 1 << 30
# Smaller records are copied into one buffer; larger ones are written from where they lie.
JOIN_BYTES = 32 * 1024
MAX_OPEN_PACKS = 256


class Place(NamedTuple):
    """Where a block was written: the pack, the offset and length of its data, its XXH3-64, the size of what
    comes before the data in its record."""

    pack: int
    offset: int
    length: int
    checksum: int
    head: int


class PackFile:
    """An open pack, for reading. Closed when its last holder lets go, never under a reader."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a range, fewer if the file ends."""
        found = os.pread(self.fd, length, offset)
        while len(found) < length and (more := os.pread(self.fd, length - len(found), offset + len(found))):
            found += more
        return found

    @property
    def is_gone(self) -> bool:
        """Whether the file has been removed, by whichever process."""
        return os.fstat(self.fd).st_nlink == 0


class Packs:
    """The folder of pack files of one store, and those of them that this process has open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[int, PackFile] = {}

    def path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.car"

    def numbers(self) -> list[int]:
        """Every pack on disk, indexed or not."""
        return sorted(int(path.stem) for path in self.folder.glob("*.car"))

    def open(self, number: int) -> PackFile:
        """The pack for reading; raises FileNotFoundError if it has been compacted away."""
        found = self._open.get(number)
        if found is None:
            found = PackFile(self.path(number))
            if len(self._open) >= MAX_OPEN_PACKS:
                with contextlib.suppress(StopIteration, RuntimeError, KeyError):
                    self._open.pop(next(iter(self._open)))
            self._open[number] = found
        return found

    def close_gone(self) -> None:
        """Let go of packs that have been removed, so that their disk space is given back."""
        for number, pack in list(self._open.items()):
            if pack.is_gone:
                self._open.pop(number, None)

    def close(self) -> None:
        self._open.clear()

    def disk_bytes(self) -> int:
        total = 0
        for path in self.folder.glob("*.car"):
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total


class Segment:
    """The pack that this process appends to. `position` is its end, `committed` how much of it is indexed.

    Used in one thread at a time. Closing it gives the lock back; another process may then go on in it.
    """

    def __init__(self, number: int, fd: int, committed: int) -> None:
        self.number = number
        self.fd = fd
        self.committed = self.position = committed
        self._unsynced = False

    @classmethod
    def create(cls, packs: Packs, number: int) -> Segment | None:
        """A new pack, durable with its header; None if another process was faster to make or lock it."""
        path = packs.path(number)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        except FileExistsError:
            return None
        if not try_alone(fd):
            os.close(fd)
            return None
        try:
            write_all(fd, [HEADER], 0)
            os.fsync(fd)
            sync_folder(packs.folder)
        except OSError:
            os.close(fd)
            raise
        return cls(number, fd, len(HEADER))

    @classmethod
    def adopt(cls, packs: Packs, number: int) -> Segment | None:
        """An existing pack that no process is using, locked but not yet `settle`d; None if it is in use."""
        try:
            fd = os.open(packs.path(number), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if not try_alone(fd) or os.fstat(fd).st_nlink == 0:
            os.close(fd)
            return None
        return cls(number, fd, os.fstat(fd).st_size)

    def append(self, blocks: Iterable[tuple[CID, bytes]]) -> list[Place]:
        """Write records at the end, not yet durable; raises OSError, after which `rewind` is due."""
        places: list[Place] = []
        buffers: list[bytes] = []
        joined: list[bytes] = []
        start = end = self.position
        for cid, data in blocks:
            name = bytes(cid)
            head = encode_varint(len(name) + len(data)) + name
            places.append(
                Place(self.number, end + len(head), len(data), xxhash.xxh3_64_intdigest(data), len(head))
            )
            end += len(head) + len(data)
            if len(data) <= JOIN_BYTES:
                joined += (head, data)
            else:
                buffers += (b"".join((*joined, head)), data)
                joined = []
        if joined:
            buffers.append(b"".join(joined))
        self._unsynced = True
        write_all(self.fd, buffers, start)
        self.position = end
        return places

    def sync(self) -> None:
        """Make what was appended durable."""
        if self._unsynced:
            sync_data(self.fd)
            self._unsynced = False

    def rewind(self, committed: int | None = None) -> None:
        """Cut the file back to what is indexed: a failed write, or what a killed process left."""
        if committed is not None:
            self.committed = committed
        self.position = self.committed
        os.ftruncate(self.fd, self.committed)
        if self.committed == len(HEADER):  # its maker may have ended before the header was written
            write_all(self.fd, [HEADER], 0)
            self._unsynced = True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
