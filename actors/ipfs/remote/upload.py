"""Trees as multipart/form-data, written as they are sent: the mirror of what `unixfs/multipart.py` reads.

Each part is a file, a directory or a symbolic link; its filename is its percent-encoded path, and a mode or
time goes into the field's name, `file?mode=0644&mtime=1700000000` (boxo, `files/multifilereader.go`).
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Literal, NamedTuple
from urllib.parse import quote

__all__ = ["FilePart", "FormBody", "Parts"]

PartKind = Literal["file", "directory", "symlink"]
TYPES: dict[PartKind, str] = {
    "file": "application/octet-stream",
    "directory": "application/x-directory",
    "symlink": "application/symlink",
}


class FilePart(NamedTuple):
    """One entry of an upload. `content` is a link's target for a symbolic link and empty for a directory;
    `mtime` is in Unix seconds."""

    path: str
    content: bytes | AsyncIterable[bytes] = b""
    kind: PartKind = "file"
    mode: int | None = None
    mtime: int | None = None


Parts = Iterable[FilePart] | AsyncIterable[FilePart]


class FormBody:
    """An async iterator over a form's bytes; it holds one piece of content at a time.

    `error` is what the content itself raised, which a client would bury in an error of its own.
    """

    def __init__(self, parts: Parts) -> None:
        self._boundary = secrets.token_hex(16)
        self._parts = parts
        self.error: Exception | None = None

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in _each(self._parts):
                yield self._head(part)
                async for piece in _pieces(part.content):
                    yield piece
                yield b"\r\n"
            yield f"--{self._boundary}--\r\n".encode()
        except Exception as error:
            self.error = error
            raise

    def _head(self, part: FilePart) -> bytes:
        facts = [] if part.mode is None else [f"mode=0{part.mode:o}"]
        facts += [] if part.mtime is None else [f"mtime={part.mtime}"]
        name = "file" + ("?" + "&".join(facts) if facts else "")
        filename = quote(part.path.encode("utf-8", "surrogateescape"), safe="")
        return (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            f"Content-Type: {TYPES[part.kind]}\r\n\r\n"
        ).encode()


async def _each(parts: Parts) -> AsyncIterator[FilePart]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for part in parts:
            yield part


async def _pieces(content: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        yield content
    else:
        async for piece in content:
            if piece:
                yield piece
