"""What the cache hands out: content, or a range of it, as pieces that come one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Literal, NamedTuple, Self

from .source import PIECE_BYTES, Chunk

__all__ = ["Found", "Served", "Tier", "pieces_of"]

Tier = Literal["memory", "disk"]


class Found(NamedTuple):
    """Where content is, and its size."""

    tier: Tier
    size_bytes: int


class Served:
    """An asynchronous iterator over pieces of at most 512 KiB, and what is known before the first of them.

    `size_bytes` is the size of the whole content, `tier` what it came from. Who does not read to the end
    calls `aclose`, or uses it as a context manager.
    """

    def __init__(
        self, size_bytes: int, tier: Tier | Literal["source"], pieces: AsyncIterator[Chunk] | Iterator[Chunk]
    ) -> None:
        self.size_bytes = size_bytes
        self.tier = tier
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        if isinstance(self._pieces, Iterator):
            try:
                return next(self._pieces)
            except StopIteration:
                raise StopAsyncIteration from None
        return await anext(self._pieces)

    async def aclose(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def pieces_of(data: Chunk, start: int, end: int) -> Iterator[Chunk]:
    """A range of content in memory, without copies."""
    if (start, end) == (0, len(data)) and 0 < end <= PIECE_BYTES:
        yield data
        return
    view = memoryview(data)
    for at in range(start, end, PIECE_BYTES):
        yield view[at : min(end, at + PIECE_BYTES)]
