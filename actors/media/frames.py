"""What an actor and its worker say to each other, over the worker's standard input and output.

A frame is one letter, four bytes of length, and a body. A task begins what belongs to it:

    actor  -> Task                     what is to be done, as JSON
    worker -> Read                     bytes of the source: offset and length
    actor  -> Data, or Error           those bytes; the error ends the task
    worker -> Open, Data …, Close      one file of the result, under its name
    worker -> Progress                 a fraction, as JSON
    worker -> Result, or Error         the end of it
"""

from __future__ import annotations

import struct
from asyncio import IncompleteReadError, StreamReader
from typing import BinaryIO, Final

from ...schemas.errors import Unavailable

__all__ = [
    "TASK", "READ", "DATA", "OPEN", "CLOSE", "PROGRESS", "RESULT", "ERROR",
    "CONTENT", "MASTER", "PLAYLIST", "MAX_FRAME_BYTES",
    "frame", "next_frame", "read_frame", "read_span", "span",
]  # fmt: skip

TASK: Final = b"T"
READ: Final = b"R"
DATA: Final = b"D"
OPEN: Final = b"O"
CLOSE: Final = b"C"
PROGRESS: Final = b"P"
RESULT: Final = b"S"
ERROR: Final = b"E"

# What the worker calls the file of a result that is a file, and the playlists of one that is a directory.
CONTENT: Final = "content"
MASTER: Final = "master.m3u8"
PLAYLIST: Final = "index.m3u8"

MAX_FRAME_BYTES = 8 * 2**20
_HEAD = struct.Struct(">cI")
_SPAN = struct.Struct(">QI")


def frame(kind: bytes, body: bytes | memoryview = b"") -> bytes:
    return _HEAD.pack(kind, len(body)) + body


def span(offset: int, length: int) -> bytes:
    """The body of `Read`."""
    return _SPAN.pack(offset, length)


def read_span(body: bytes) -> tuple[int, int]:
    offset, length = _SPAN.unpack(body)
    return offset, length


def read_frame(file: BinaryIO) -> tuple[bytes, bytes]:
    """The next frame; raises EOFError if the other side is gone."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    kind, size = _HEAD.unpack(head)
    body = file.read(size)
    if len(body) < size:
        raise EOFError
    return kind, body


async def next_frame(reader: StreamReader) -> tuple[bytes, bytes]:
    """The worker's next frame; raises EOFError if it has died, Unavailable if it sends anything else."""
    try:
        kind, size = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if size > MAX_FRAME_BYTES:
            raise Unavailable("the media worker sent what is no frame")
        return kind, await reader.readexactly(size)
    except IncompleteReadError:
        raise EOFError from None
