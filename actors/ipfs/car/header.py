"""The first bytes of a CAR: the version 1 header with its roots, the version 2 pragma and what follows it.

A version 1 header is one DAG-CBOR map of exactly two keys, so it is taken apart here by its only canonical
form; a general decoder would turn 32 MiB of hostile CBOR into gigabytes of objects.
Sources: https://ipld.io/specs/transport/car/carv1/ and https://ipld.io/specs/transport/car/carv2/.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, InvalidContent
from ....schemas.varint import encode_varint

__all__ = ["PRAGMA", "V2_HEADER_BYTES", "Layout", "decode_roots", "encode_header", "read_layout"]

MAX_ROOTS = 10_000

# varint 10, then DAG-CBOR {"version": 2}.
PRAGMA = bytes.fromhex("0aa1") + b"\x67version\x02"
V2_HEADER_BYTES = 40

_ROOTS_KEY, _VERSION_KEY = b"\xa2\x65roots", b"\x67version"
_TAG_42 = b"\xd8\x2a"
_ARRAY, _BYTES, _UINT = 4, 2, 0
# How many bytes of a number follow a head that has none in itself.
_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}


class Layout(NamedTuple):
    """Where the parts of a version 2 file lie, in bytes from its start; an index offset of 0 is no index."""

    data_offset: int
    data_bytes: int
    index_offset: int

    @property
    def data_end(self) -> int:
        return self.data_offset + self.data_bytes


def encode_header(roots: Sequence[CID]) -> bytes:
    """The version 1 header of these roots, with its length before it."""
    body = b"".join(
        (_ROOTS_KEY, _head(_ARRAY, len(roots)), *map(_encode_link, roots), _VERSION_KEY, _head(_UINT, 1))
    )
    return encode_varint(len(body)) + body


def decode_roots(raw: bytes) -> list[CID]:
    """The roots that a version 1 header names, given without its length; there may be none.

    Raises InvalidContent(field="car") if it is anything else than the DAG-CBOR map {roots, version: 1}, or
    names over 10,000 roots.
    """
    if not raw.startswith(_ROOTS_KEY):
        raise _bad("is not the DAG-CBOR map of roots and version")
    try:
        count, at = _read_head(raw, len(_ROOTS_KEY), _ARRAY)
        if count > MAX_ROOTS:
            raise InvalidContent("car", f"the header names {count} roots", limit=MAX_ROOTS)
        roots = []
        for _ in range(count):
            root, at = _decode_link(raw, at)
            roots.append(root)
        if raw[at : at + len(_VERSION_KEY)] != _VERSION_KEY:
            raise _bad("has no version after its roots")
        version, at = _read_head(raw, at + len(_VERSION_KEY), _UINT)
    except IndexError:
        raise _bad("is cut short") from None
    if version != 1:
        raise _bad(f"is of version {version}, which has another form or none")
    if at != len(raw):
        raise _bad(f"is followed by {len(raw) - at} bytes inside its length")
    return roots


def read_layout(raw: bytes) -> Layout:
    """What the 40 bytes after the pragma say; the characteristics, which change nothing here, are ignored.

    Raises InvalidContent(field="car") if the parts overlap or cannot be.
    """
    found = Layout(*struct.unpack("<16xQQQ", raw))
    first = len(PRAGMA) + V2_HEADER_BYTES
    if found.data_offset < first:
        raise InvalidContent("car", f"the data begin at byte {found.data_offset}, inside the header")
    if found.data_end > 1 << 63:
        raise InvalidContent("car", f"the data are said to be {found.data_bytes} bytes", limit=1 << 63)
    if found.index_offset and found.index_offset < found.data_end:
        raise InvalidContent("car", f"the index begins at byte {found.index_offset}, inside the data")
    return found


def _encode_link(cid: CID) -> bytes:
    raw = b"\0" + bytes(cid)
    return _TAG_42 + _head(_BYTES, len(raw)) + raw


def _decode_link(raw: bytes, at: int) -> tuple[CID, int]:
    if raw[at : at + 2] != _TAG_42:
        raise _bad(f"has a root that is no link, at its byte {at}")
    size, at = _read_head(raw, at + 2, _BYTES)
    end = at + size
    if raw[at] != 0:
        raise _bad(f"has a link without its zero byte, at its byte {at}")
    try:
        return CID.from_bytes(raw[at + 1 : end]), end
    except BadRequest as error:
        raise _bad(f"has a root that is no CID: {error.problem}") from None


def _head(major: int, number: int) -> bytes:
    """The shortest CBOR head of a major type with its number."""
    if number < 24:
        return bytes((major << 5 | number,))
    info, size = next((info, size) for info, size in _SIZES.items() if number < 1 << 8 * size)
    return bytes((major << 5 | info,)) + number.to_bytes(size, "big")


def _read_head(raw: bytes, at: int, major: int) -> tuple[int, int]:
    """The number in a CBOR head of this major type, and where the head ends; raises IndexError."""
    first = raw[at]
    kind, info = first >> 5, first & 31
    size = _SIZES.get(info, 0)
    number = int.from_bytes(raw[at + 1 : at + 1 + size], "big") if size else info
    end = at + 1 + size
    if end > len(raw):
        raise IndexError
    if kind != major or _head(major, number) != raw[at:end]:
        raise _bad(f"is not canonical DAG-CBOR of roots and version, at its byte {at}")
    return number, end


def _bad(problem: str) -> InvalidContent:
    return InvalidContent("car", f"the header {problem}")
