"""What a scan of the packs cannot tell: the kept tables again, in one log from which a lost index is rebuilt.

A line is `<CRC-32 of the rest, 8 hex digits> {"t": table, "k": key, "v": value or null}`, keys and values in
hex; a null removes. The log is only written inside the index's write transaction, so lines of several
processes never mix, and is read only by a rebuild.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import orjson

from ...disk import sync_folder
from .disk import FILE_MODE, sync_data

# No line is longer.
TAIL_BYTES = 1 << 16


class Fact(NamedTuple):
    """One entry of a kept table: its value now, or None once it is removed."""

    table: str
    key: bytes
    value: bytes | None


class Ledger:
    """The log of one store. Opened for each use, since another process may have rewritten it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, facts: Iterable[Fact], *, sync: bool = True) -> None:
        """Write facts, or nothing: raises OSError and leaves the log as it was.

        They are durable when this returns; without `sync`, when the system next writes to disk by itself.
        """
        before = self._whole_bytes()
        try:
            self.cut(before)  # a line that a killed process left unfinished
            with _create(self.path, "ab") as file:
                file.writelines(map(_line, facts))
                if sync:
                    _sync(file)
        except OSError:
            self.cut(before)
            raise
        if before == 0:
            sync_folder(self.path.parent)

    def _whole_bytes(self) -> int:
        """The length up to the end of the last whole line."""
        size = self.size_bytes()
        if size == 0:
            return 0
        with self.path.open("rb") as file:
            file.seek(max(0, size - TAIL_BYTES))
            return size - len(file.read().rpartition(b"\n")[2])

    def cut(self, length: int) -> None:
        """Take back what was appended for a transaction that failed."""
        if self.size_bytes() > length:
            os.truncate(self.path, length)

    def rewrite(self, facts: Iterable[Fact]) -> None:
        """Replace the log by one that says only this, all or nothing."""
        fresh = self.path.with_suffix(".new")
        with _create(fresh, "wb") as file:
            file.writelines(map(_line, facts))
            _sync(file)
        fresh.rename(self.path)
        sync_folder(self.path.parent)

    def read(self) -> Iterator[Fact | None]:
        """Every fact in order; None stands for a line that is damaged (a last line cut short is not told)."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield _parse(line)


def _create(path: Path, mode: str) -> IO[bytes]:
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, FILE_MODE))


def _sync(file: IO[bytes]) -> None:
    file.flush()
    sync_data(file.fileno())


def _line(fact: Fact) -> bytes:
    value = None if fact.value is None else fact.value.hex()
    body = orjson.dumps({"t": fact.table, "k": fact.key.hex(), "v": value})
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> Fact | None:
    checksum, _, body = line[:-1].partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    said = orjson.loads(body)
    value = said["v"]
    return Fact(said["t"], bytes.fromhex(said["k"]), None if value is None else bytes.fromhex(value))
