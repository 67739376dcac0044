"""Spools: temporary files that content is written to while it arrives, and read from behind the writer."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from .sealed import Sealer

__all__ = ["OpenFile", "Spool"]


class OpenFile:
    """An open file that is closed when its last holder lets go, never under one that reads or writes."""

    __slots__ = ("fd",)

    def __init__(self, path: Path, flags: int) -> None:
        self.fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a range, fewer if the file ends."""
        found = os.pread(self.fd, length, offset)
        while len(found) < length and (more := os.pread(self.fd, length - len(found), offset + len(found))):
            found += more
        return found

    def append(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]


class Spool:
    """One temporary file. Written by one thread at a time, in order; what is written may be read by any.

    Once sealed it may be moved to where it stays: whoever reads it goes on reading.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(8)}.part"
        self._open_file: OpenFile | None = OpenFile(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self._sealer = Sealer()
        self._is_moved = False

    @property
    def size_bytes(self) -> int:
        """How much content is written."""
        return self._sealer.size_bytes

    def write(self, data: bytes | memoryview) -> None:
        """Append content."""
        self._file.append(data)
        self._sealer.update(data)

    def seal(self, key: str) -> None:
        """Append the checksums, under a key."""
        self._file.append(self._sealer.trailer(key))

    def read(self, offset: int, length: int) -> bytes:
        """Content that has been written."""
        return self._file.read(offset, length)

    def move(self, path: Path) -> None:
        """Give the file its lasting name; `close` no longer removes it."""
        self.path.rename(path)
        self.path = path
        self._is_moved = True

    def discard(self) -> None:
        """Remove the file, wherever it is now; whoever reads it goes on reading."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, and remove it unless it was moved; any number of times."""
        self._open_file = None
        if not self._is_moved:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    @property
    def _file(self) -> OpenFile:
        if self._open_file is None:
            raise OSError(errno.EBADF, "the spool is closed", str(self.path))
        return self._open_file
