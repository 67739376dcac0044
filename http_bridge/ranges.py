"""Conditional and range requests (RFC 9110, sections 13 and 14), read from their headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from ..schemas.errors import BadRequest, BusError

__all__ = ["ByteRange", "BadRanges", "read_range", "matches_any", "MAX_RANGES"]

MAX_RANGES = 16
# Longer than any content; a number above it says the same, and fits where positions are kept in 64 bits.
MAX_POSITION = 10**18
_SPEC = re.compile(r"[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII)
_ETAG = re.compile(r'[ \t]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)')


class BadRanges(BusError):
    """Ranges that are too many or overlap: answering them would cost more than the content itself."""

    code, kind = 416, "bad_ranges"

    def __init__(self, what: str) -> None:
        super().__init__(f"Range: {what}", field="Range", limit=MAX_RANGES)


@dataclass(frozen=True)
class ByteRange:
    """`length` bytes from `offset`, or all from there if None; a negative offset counts from the end."""

    offset: int
    length: int | None


def read_range(value: str) -> ByteRange | None:
    """The one range that a Range header asks for.

    None if the header is to be ignored: another unit than bytes, or several disjoint ranges, which a server
    may answer by the whole. Raises BadRequest if it cannot be read, BadRanges if ranges overlap or are more
    than `MAX_RANGES`.
    """
    unit, equals, specs = value.partition("=")
    if not equals:
        raise BadRequest("Range", "not of the form bytes=<first>-<last>")
    if unit.strip().lower() != "bytes":
        return None
    ranges = [_one(spec) for spec in specs.split(",") if spec.strip()] if len(specs) < 1024 else []
    if not ranges:
        raise BadRequest("Range", "no range of the form <first>-<last>", limit=MAX_RANGES)
    if len(ranges) == 1:
        return ranges[0]
    if len(ranges) > MAX_RANGES:
        raise BadRanges(f"more than {MAX_RANGES} ranges")
    if _overlap(ranges):
        raise BadRanges("the ranges overlap")
    return None


def _one(spec: str) -> ByteRange:
    found = _SPEC.fullmatch(spec)
    first, last = (_position(text) for text in (found.groups() if found else ("", "")))
    if first is not None and last is not None:
        if last < first:
            raise BadRequest("Range", f"the last byte {last} is before the first {first}")
        return ByteRange(first, last - first + 1)
    if first is not None:
        return ByteRange(first, None)
    if last is not None:
        return ByteRange(-last, None) if last else ByteRange(0, 0)
    raise BadRequest("Range", f"not of the form <first>-<last>: {spec.strip()[:50]}")


def _position(digits: str) -> int | None:
    if not digits:
        return None
    return MAX_POSITION if len(digits) > len(str(MAX_POSITION)) else min(int(digits), MAX_POSITION)


def _overlap(ranges: list[ByteRange]) -> bool:
    """Whether ranges surely overlap; one from the end may do so too, but only the content's size tells."""
    suffixes = sum(r.offset < 0 for r in ranges)
    ordered = sorted((r for r in ranges if r.offset >= 0), key=lambda r: r.offset)
    if suffixes > 1 or (suffixes and any(r.length is None for r in ordered)):
        return True
    return any(a.length is None or a.offset + a.length > b.offset for a, b in pairwise(ordered))


def matches_any(header: str, etag: str) -> bool:
    """Whether an If-None-Match list names this entity tag; the comparison is weak, as the standard says."""
    return any(found.group(1) == etag for found in _ETAG.finditer(header))
