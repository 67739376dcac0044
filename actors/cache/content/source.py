"""Where content comes from that the cache has not: its size, and its bytes in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["PIECE_BYTES", "Chunk", "OpenSource", "Source"]

# What the cache hands out at once, at most.
PIECE_BYTES: Final = 512 << 10

Chunk = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Source:
    """Content on its way. Another length than `size_bytes` is an error for whoever reads it."""

    size_bytes: int
    chunks: AsyncIterator[Chunk]

    async def aclose(self) -> None:
        """Stop the iterator, if it can be stopped."""
        close = getattr(self.chunks, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):  # It is at work for somebody else.
                await close()


OpenSource = Callable[[], Awaitable[Source]]
