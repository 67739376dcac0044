"""Which bytes a range of content means, wherever the content is."""

from __future__ import annotations

from .errors import UnsatisfiableRange

__all__ = ["span_of"]


def span_of(size_bytes: int, offset: int = 0, length: int | None = None) -> tuple[int, int]:
    """Where a range starts and how many bytes it has, cut to content of this size.

    A negative offset counts from the end and stops at the start. Raises UnsatisfiableRange if the range
    begins at the end of the content or past it, unless that is the start of empty content.
    """
    start = max(0, size_bytes + offset) if offset < 0 else offset
    if start >= size_bytes and start > 0:
        raise UnsatisfiableRange(size_bytes)
    rest = size_bytes - start
    return start, rest if length is None else min(length, rest)
