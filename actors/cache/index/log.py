"""The log: every change since the files it belongs in were written, in order.

    file:   magic, number of its first record
    record: magic u16, kind u8, zero u8, length u32, number u64, crc32 of payload, crc32 of this header,
    payload

A record is written by one call before the change is acknowledged. The torn end of a write that was never
acknowledged is cut off when the log is read; a damaged record is passed over and reported. The header has a
checksum of its own so that the two can be told apart.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from ...disk import sync_folder
from .damage import Damage, Damages
from .files import step, telling_full, write_all

__all__ = ["Kind", "Log", "Record"]

MAGIC = b"CIDLOGS1"
HEADER = struct.Struct("<HBxIQII")
RECORD_MAGIC = 0xC1D7


class Kind(IntEnum):
    PUT, TOUCH, HOT, DELETE, REPLACE, SCALE = range(1, 7)


class Record(NamedTuple):
    number: int
    kind: Kind
    payload: memoryview


class Log:
    """The log files of one folder: it reads all there are, and writes to a new one."""

    def __init__(self, folder: Path, damages: Damages) -> None:
        self._folder, self._damages = folder, damages
        self._fd: int | None = None
        self._end = 0  # of the last whole record in the open file
        self._file = max(self._numbers(), default=0)
        self.size_bytes = sum(self._path(number).stat().st_size for number in self._numbers())
        self._firsts: dict[int, int] = {}
        self.next = 0  # the number of the next record

    def replay(self, first: int) -> Iterator[Record]:
        """All good records with numbers from `first` on."""
        self.next = first
        for number in self._numbers():
            path = self._path(number)
            data = path.read_bytes()
            if data[:8] != MAGIC or len(data) < 16:
                if len(data) >= 16:
                    self._damages.settle(Damage(path.name, "header", repaired=False))
                self._firsts[number] = self.next
            else:
                self._firsts[number] = int.from_bytes(data[8:16], "little")
                self.next = max(self.next, self._firsts[number])
            for record in self._records(path, data):
                if record.number >= first:
                    yield record
                self.next = max(self.next, record.number + 1)

    def _records(self, path: Path, data: bytes, lost: list[str] | None = None) -> Iterator[Record]:
        """The good records of a file; damage is settled, or added to `lost`."""
        at, view, magic = 16, memoryview(data), RECORD_MAGIC.to_bytes(2, "little")
        lost_at: int | None = None
        while at + HEADER.size <= len(data):
            record, end = _record_at(view, at)
            if record is not None:
                if lost_at is not None:
                    self._lost(path, lost_at, at, lost)
                    lost_at = None
                yield record
                at = end
            elif end > len(data):
                break  # torn: never acknowledged
            else:
                lost_at = at if lost_at is None else lost_at
                at = end if end > at else data.find(magic, at + 1)
                if at < 0:
                    break
        if lost_at is not None:
            self._lost(path, lost_at, len(data), lost)

    def _lost(self, path: Path, start: int, stop: int, lost: list[str] | None) -> None:
        if lost is not None:
            lost.append(path.name)
            return
        part = f"bytes {start} to {stop}"
        self._damages.settle(Damage(path.name, part, repaired=False, note="the changes in it are lost"))

    def damaged(self) -> list[str]:
        """The names of files that have damaged records."""
        found = []
        for number in self._numbers():
            path = self._path(number)
            data = path.read_bytes()
            header = MAGIC + self._firsts[number].to_bytes(8, "little")
            lost: list[str] = [] if data[:16] == header else [path.name]
            for _ in self._records(path, data, lost):
                pass
            found += lost[:1]
        return found

    def append(self, kind: Kind, *parts: bytes | memoryview) -> int:
        """Write one record and say its number; after this the change is acknowledged.

        Raises StorageFull; nothing of the record is left then.
        """
        payload = b"".join(parts)
        with telling_full():
            return self._append(kind, payload)

    def _append(self, kind: Kind, payload: bytes) -> int:
        if self._fd is None:
            self._start()
        number = self.next
        head = HEADER.pack(RECORD_MAGIC, kind, len(payload), number, zlib.crc32(payload), 0)[:-4]
        record = head + zlib.crc32(head).to_bytes(4, "little") + payload
        try:
            write_all(self._fd, record)  # type: ignore[arg-type]
        except OSError:
            self._cut_off()
            raise
        self._end += len(record)
        self.next = number + 1
        self.size_bytes += HEADER.size + len(payload)
        return number

    def _cut_off(self) -> None:
        """Take back what was written of a record."""
        try:
            os.ftruncate(self._fd, self._end)  # type: ignore[arg-type]
        except OSError:
            self.rotate()  # it is the torn end of that file then

    def rotate(self) -> None:
        """Go on in a new file, so that this one can be deleted some day."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def drop_before(self, number: int) -> None:
        """Delete the files all of whose records have smaller numbers."""
        files = self._numbers()
        for file, after in zip_longest(files, files[1:]):
            if after is None:
                done = self._fd is None and self.next <= number
            else:
                done = self._firsts.get(after, number + 1) <= number
            if done:
                step("unlink")
                self._path(file).unlink()
        self.size_bytes = sum(self._path(number).stat().st_size for number in self._numbers())

    def sync(self) -> None:
        if self._fd is not None:
            os.fsync(self._fd)

    def close(self) -> None:
        if self._fd is not None:
            os.fsync(self._fd)
        self.rotate()

    def _start(self) -> None:
        path = self._path(self._file + 1)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            write_all(fd, MAGIC + self.next.to_bytes(8, "little"))
            sync_folder(self._folder)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._file += 1
        self._firsts[self._file], self._fd, self._end = self.next, fd, 16

    def _path(self, number: int) -> Path:
        return self._folder / f"log.{number:08d}"

    def _numbers(self) -> list[int]:
        return sorted(
            int(path.suffix[1:]) for path in self._folder.glob("log.*") if path.suffix[1:].isdigit()
        )


def _record_at(view: memoryview, at: int) -> tuple[Record | None, int]:
    """The record that begins here and where it ends; None with an end beyond the data if it is torn, with its
    true end if its payload is damaged, with `at` if its header is."""
    magic, kind, length, number, payload_crc, head_crc = HEADER.unpack_from(view, at)
    start = at + HEADER.size
    if magic != RECORD_MAGIC or zlib.crc32(view[at : start - 4]) != head_crc:
        return None, at
    payload = view[start : start + length]
    if len(payload) < length or zlib.crc32(payload) != payload_crc:
        return None, start + length
    return Record(number, Kind(kind), payload), start + length
