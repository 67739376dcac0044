"""What a CBOR block claims to hold, checked before any of it is built.

The decoder makes room for a list as soon as it has read its length and nests without a bound, so that a small
block can ask for terabytes. Most blocks cannot: they have too few bytes that could open a list or map, which
is counted at the speed of memory. The others are scanned token by token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .model import MAX_CONTAINERS, MAX_DEPTH

__all__ = ["ClaimError", "check_claims"]

# A list's slot takes eight bytes; a list whose length has 8 bits or less is small beside any limit.
_SLOT_BYTES = 8
_HARMLESS_BYTES = 8 << 20


def _all_but(wanted: Iterable[int]) -> bytes:
    return bytes(set(range(256)).difference(wanted))


# Bytes that may open a list or map that is not empty; of those the lists of 16-bit and longer lengths; and
# empty lists and maps. Such bytes stand inside strings too: counting them gives upper bounds.
_NOT_OPENING = _all_but((*range(0x81, 0x9C), *range(0xA1, 0xBC)))
_NOT_LONG_LIST = _all_but((0x99, 0x9A, 0x9B))
_NOT_EMPTY = _all_but((0x80, 0xA0))

# Integers below 24, empty strings, false, true and null.
_ONE_BYTE_ITEMS = re.compile(rb"[\x00-\x17\x20-\x37\x40\x60\xf4-\xf6]+")
_LENGTH_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_BYTES, _TEXT, _LIST, _MAP, _TAG, _OTHER = range(2, 8)


class ClaimError(ValueError):
    """The block nests too deep or claims more than it can hold; `limit` is the bound that it broke."""

    def __init__(self, problem: str, limit: int) -> None:
        super().__init__(problem)
        self.limit = limit


def check_claims(block: bytes) -> None:
    """Raises ClaimError for more than MAX_DEPTH levels, more than MAX_CONTAINERS lists and maps, or lists
    and maps that claim more items than the block has bytes. What else is wrong is left to the decoder.
    """
    if not _is_harmless(block):
        _scan(block)


def _is_harmless(block: bytes) -> bool:
    size = len(block)
    if size <= MAX_DEPTH:
        return True
    opening = len(block.translate(None, _NOT_OPENING))
    if opening > MAX_DEPTH:
        return False
    if size > MAX_CONTAINERS and opening + len(block.translate(None, _NOT_EMPTY)) > MAX_CONTAINERS:
        return False
    room = size * _SLOT_BYTES
    return opening * room <= _HARMLESS_BYTES or (
        len(block.translate(None, _NOT_LONG_LIST)) * room <= _HARMLESS_BYTES
    )


def _scan(block: bytes) -> None:
    """Reads the block's tokens to its end, or to where the decoder will stop too."""
    at, size = 0, len(block)
    items = 1  # still to come in this list or map
    outer: list[int] = []  # and in each one around it
    containers = claimed = 0
    while at < size:
        while items == 0:
            if not outer:
                return
            items = outer.pop()
        run = _ONE_BYTE_ITEMS.match(block, at, min(at + items, size))
        if run is not None:
            items -= run.end() - at
            at = run.end()
            continue
        major, length = block[at] >> 5, block[at] & 0x1F
        at += 1
        if length >= 24:
            if length > 27:
                return  # no length that DAG-CBOR knows
            wide = _LENGTH_BYTES[length]
            length = int.from_bytes(block[at : at + wide], "big")
            at += wide
        items -= 1
        if major in (_BYTES, _TEXT):
            at += length
        elif major in (_LIST, _MAP):
            containers += 1
            inside = length if major == _LIST else 2 * length
            claimed += inside
            if containers > MAX_CONTAINERS:
                raise ClaimError(f"more than {MAX_CONTAINERS} lists and maps", MAX_CONTAINERS)
            if claimed > size:
                raise ClaimError("lists and maps claim more items than the block has bytes", size)
            if inside:
                outer.append(items)
                items = inside
                if len(outer) > MAX_DEPTH:
                    raise ClaimError(f"nested deeper than {MAX_DEPTH} levels", MAX_DEPTH)
        elif major == _TAG:
            items += 1  # what is tagged stands for the tag
