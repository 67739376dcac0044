"""A tree of files as `multipart/form-data`, the form in which Kubo's clients send one, made as it is sent.

Each part is one entry: its filename is the percent-encoded path, its type says what it is.

    application/x-directory     a directory; no body
    application/symlink         a symbolic link; the body is its target
    application/octet-stream    a file; the body is its content
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cidbus.schemas.errors import BadRequest

from .files import gathered, pieces_of, pulled

__all__ = ["Tree"]

DIRECTORY = "application/x-directory"
SYMLINK = "application/symlink"
FILE = "application/octet-stream"


@dataclass(frozen=True)
class Entry:
    """One part: the path it gets, what it is, and where it is on disk."""

    path: str
    kind: str
    source: Path
    size_bytes: int


class Tree:
    """Files and directories, each under its own name, as one stream.

    Entries come parents first, sorted by name, so the same tree is the same bytes but for the boundary.
    Symbolic links below the given paths are sent as links and never followed; a given path that is a link to
    a directory is followed, as every tool does. Hidden entries are left out unless `hidden` is set; what is
    neither file, directory nor link is an error.
    """

    def __init__(self, paths: Sequence[Path], *, hidden: bool = False) -> None:
        self._paths = list(paths)
        self._hidden = hidden
        self._boundary = secrets.token_hex(24)
        names = [_name_of(path) for path in self._paths]
        for name in names:
            if names.count(name) > 1:
                raise BadRequest("source", f"two of the paths are called {name!r}")

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def entries(self) -> Iterator[Entry]:
        """Every part in order; raises BadRequest for what cannot be sent, OSError for what cannot be read."""
        for path in self._paths:
            target = path.resolve(strict=True) if path.is_symlink() else path
            yield from self._walk(_name_of(path), target)

    def _walk(self, name: str, source: Path) -> Iterator[Entry]:
        found = source.lstat()
        if stat.S_ISDIR(found.st_mode):
            yield Entry(name, DIRECTORY, source, 0)
            for child in sorted(source.iterdir(), key=os.fsencode):
                if self._hidden or not child.name.startswith("."):
                    yield from self._walk(f"{name}/{child.name}", child)
        elif stat.S_ISLNK(found.st_mode):
            yield Entry(name, SYMLINK, source, found.st_size)
        elif stat.S_ISREG(found.st_mode):
            yield Entry(name, FILE, source, found.st_size)
        else:
            raise BadRequest("source", f"{source} is neither a file, a directory nor a symbolic link")

    def size_bytes(self) -> int:
        """The bytes of all files and links, for a progress bar; the stream is a little longer."""
        return sum(entry.size_bytes for entry in self.entries())

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The stream, in pieces of a MiB or two."""
        return pulled(gathered(self._parts()))

    def _parts(self) -> Iterator[bytes]:
        for entry in self.entries():
            yield self._header(entry)
            if entry.kind == FILE:
                yield from pieces_of(entry.source)
            elif entry.kind == SYMLINK:
                yield os.fsencode(entry.source.readlink())
            yield b"\r\n"
        yield f"--{self._boundary}--\r\n".encode()

    def _header(self, entry: Entry) -> bytes:
        filename = quote(os.fsencode(entry.path), safe="")
        return (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n'
            f"Content-Type: {entry.kind}\r\n\r\n"
        ).encode()


def _name_of(path: Path) -> str:
    """The name that a path goes under: its last part, also for `.` and `..`."""
    name = path.name if path.name not in ("", "..") else path.resolve().name
    if not name:
        raise BadRequest("source", f"{path} has no name to be stored under")
    return name
