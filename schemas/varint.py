"""Unsigned varints as multiformats use them: little groups of seven bits, minimal, at most nine bytes."""

from __future__ import annotations

MAX_VARINT_BYTES = 9


class VarintError(ValueError):
    """The bytes are not a varint: cut short, over nine bytes, or longer than they need be."""


def encode_varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(raw: bytes | memoryview, start: int) -> tuple[int, int]:
    """The number that begins at `start`, and where it ends; raises VarintError."""
    number, shift, at = 0, 0, start
    for at in range(start, min(len(raw), start + MAX_VARINT_BYTES)):
        byte = raw[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and at > start:
                raise VarintError("a varint is not minimal")
            return number, at + 1
        shift += 7
    if at - start + 1 >= MAX_VARINT_BYTES:
        raise VarintError(f"a varint is longer than {MAX_VARINT_BYTES} bytes")
    raise VarintError("a varint is cut short")
