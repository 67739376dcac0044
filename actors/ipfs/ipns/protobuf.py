"""The little of protobuf that keys and records need: fields in, fields out, nothing trusted.

Read strictly: varints in their shortest form and at most 64 bits, lengths inside the message, no groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ....schemas.errors import InvalidContent
from ....schemas.varint import encode_varint

__all__ = ["Field", "fields", "put_bytes", "put_number"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10


class Field(NamedTuple):
    """One field of a message: a `number`, `data`, or neither for a field of fixed width."""

    id: int
    number: int | None = None
    data: bytes | None = None


def fields(message: bytes, what: str) -> Iterator[Field]:
    """The fields of a message in their order; raises InvalidContent(field=`what`)."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at, what)
        field_id, wire = tag >> 3, tag & 7
        if not 0 < field_id < 1 << 29:
            raise InvalidContent(what, f"no field has the number {field_id}")
        if wire == _VARINT:
            number, at = _varint(message, at, what)
            yield Field(field_id, number=number)
        elif wire == _BYTES:
            size, at = _varint(message, at, what)
            data, at = message[at : at + size], at + size
            yield Field(field_id, data=data)
        elif wire in _FIXED_BYTES:
            at += _FIXED_BYTES[wire]
            yield Field(field_id)
        else:
            raise InvalidContent(what, f"field {field_id} has the unknown wire type {wire}")
        if at > len(message):
            raise InvalidContent(what, f"field {field_id} is cut short")


def put_number(field_id: int, number: int) -> bytes:
    return encode_varint(field_id << 3 | _VARINT) + encode_varint(number)


def put_bytes(field_id: int, data: bytes) -> bytes:
    return encode_varint(field_id << 3 | _BYTES) + encode_varint(len(data)) + data


def _varint(message: bytes, start: int, what: str) -> tuple[int, int]:
    # Unlike the varints of multiformats, those of protobuf may have all 64 bits.
    number = 0
    for at in range(start, min(len(message), start + _MAX_VARINT_BYTES)):
        byte = message[at]
        number |= (byte & 0x7F) << 7 * (at - start)
        if byte < 0x80:
            if (byte == 0 and at > start) or number >> 64:
                break
            return number, at + 1
    raise InvalidContent(what, f"no minimal varint of 64 bits at byte {start}")
