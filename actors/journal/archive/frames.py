"""Entries in a file: sequence, length and CRC before each, so that a flipped byte or a torn end shows.

<sequence: u64> <length: u32> <crc32 of both and the body: u32> <body>        little-endian
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

from ....schemas.errors import InvalidContent

__all__ = ["Framed", "frame", "read_frames"]

HEADER = struct.Struct("<QII")
# The longest body that a log takes, and so the longest that a sound frame announces.
MAX_BODY = 1 << 20


class Framed(NamedTuple):
    sequence: int
    body: bytes
    end: int  # where the next frame begins


def frame(sequence: int, body: bytes) -> bytes:
    return HEADER.pack(sequence, len(body), _crc(sequence, body)) + body


def _crc(sequence: int, body: bytes) -> int:
    return crc32(body, crc32(struct.pack("<QI", sequence, len(body))))


def read_frames(path: Path) -> Iterator[Framed]:
    """The frames of a file in order; raises InvalidContent at the first that is not sound.

    Its details say `offset`, where the sound part ends, and `torn`: whether nothing sound follows, as where
    a write was cut off.
    """
    with path.open("rb") as file:
        at = 0
        while header := file.read(HEADER.size):
            found = _read_one(file, header, at)
            if found is None:
                raise _unsound(path, at)
            yield found
            at = found.end


def _read_one(file: BinaryIO, header: bytes, at: int) -> Framed | None:
    if len(header) < HEADER.size:
        return None
    sequence, length, crc = HEADER.unpack(header)
    if length > MAX_BODY:
        return None
    body = file.read(length)
    if len(body) < length or _crc(sequence, body) != crc:
        return None
    return Framed(sequence, body, at + HEADER.size + length)


def _unsound(path: Path, offset: int) -> InvalidContent:
    error = InvalidContent(str(path), f"damaged at byte {offset}")
    error.details |= {"file": str(path), "offset": offset, "torn": _is_torn(path, offset)}
    return error


def _is_torn(path: Path, offset: int) -> bool:
    """Whether what is at an offset announces more bytes than there are, or ends there."""
    with path.open("rb") as file:
        file.seek(offset)
        header = file.read(HEADER.size)
        rest = path.stat().st_size - offset - len(header)
    return len(header) < HEADER.size or HEADER.unpack(header)[1] >= rest
