"""Ranges of a file that are wanted together: near ones are fetched as one, and taken apart again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Span", "clamped", "spans_of"]

# Reading so many bytes for nothing takes less time than asking once more.
MAX_GAP_BYTES = 64 * 1024
# Ranges are joined up to this size, so that there are several to be fetched at once.
MAX_SPAN_BYTES = 8 << 20


class Span(NamedTuple):
    """Bytes that are fetched at once, from `start` up to `end`, and the wanted ranges that lie in them."""

    start: int
    end: int
    wanted: list[int]


def clamped(start: int | None, end: int | None, size: int) -> tuple[int, int]:
    """The range of a file of `size` bytes that a slice means: negative numbers count from the end."""
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)


def spans_of(
    ranges: list[tuple[int, int]], max_gap: int = MAX_GAP_BYTES, max_span: int = MAX_SPAN_BYTES
) -> Iterable[Span]:
    """What to fetch for these ranges of one file, each named in one span by its place in the list."""
    span: Span | None = None
    for index in sorted(range(len(ranges)), key=lambda index: ranges[index]):
        start, end = ranges[index]
        if span is not None and start - span.end <= max_gap and max(end, span.end) - span.start <= max_span:
            span = Span(span.start, max(end, span.end), [*span.wanted, index])
            continue
        if span is not None:
            yield span
        span = Span(start, end, [index])
    if span is not None:
        yield span
