"""Readers of content that is being fetched: iterators of pieces of at most 512 KiB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Self

from ....schemas.errors import Unavailable
from ....schemas.spans import span_of
from .fetch import Fetch
from .source import PIECE_BYTES, Chunk, Source

__all__ = ["FetchReader", "PassingReader", "span"]


def span(offset: int, length: int | None, size_bytes: int) -> tuple[int, int]:
    """Where a range begins and ends; raises UnsatisfiableRange as `span_of` does."""
    start, count = span_of(size_bytes, offset, length)
    return start, start + count


class FetchReader:
    """Reads a range of a shared fetch while it arrives; `leave` is called once, when it stops."""

    def __init__(self, fetch: Fetch, span: tuple[int, int], leave: Callable[[], None]) -> None:
        assert fetch.arriving is not None
        self._fetch, self._arriving = fetch, fetch.arriving
        self._at, self._end = span
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._is_reading = True

    @property
    def size_bytes(self) -> int:
        """The size of the whole content."""
        return self._arriving.size_bytes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        if not self._is_reading:
            raise StopAsyncIteration
        try:
            return await self._next()
        except BaseException:
            await self.aclose()
            raise

    async def _next(self) -> Chunk:
        while True:
            ready = min(self._arriving.written, self._end) - self._at
            if ready > 0:
                piece = await self._arriving.read(self._at, min(ready, PIECE_BYTES))
                self._at += len(piece)
                return piece
            # Who reads to the end of the content waits for the source's end too: it may yet be a wrong one.
            if self._at == self._end and (self._fetch.is_whole or self._end < self.size_bytes):
                raise StopAsyncIteration
            await self._fetch.more()

    async def aclose(self) -> None:
        """Stop reading; the fetch goes on for the others."""
        if self._is_reading:
            self._is_reading = False
            self._leave()

    def __del__(self) -> None:
        if self._is_reading and not self._loop.is_closed():  # It was dropped before its end.
            self._loop.call_soon_threadsafe(self._leave)


class PassingReader:
    """Reads a range of a source of its own, for content that has room nowhere."""

    @classmethod
    async def of(cls, source: Source, offset: int, length: int | None) -> Self:
        """Takes the source over; raises UnsatisfiableRange, with the source closed."""
        try:
            return cls(source, span(offset, length, source.size_bytes))
        except BaseException:
            await source.aclose()
            raise

    def __init__(self, source: Source, span: tuple[int, int]) -> None:
        self._source = source
        self._pieces = self._read(*span)

    @property
    def size_bytes(self) -> int:
        """The size of the whole content."""
        return self._source.size_bytes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Stop reading, and the source with it."""
        await self._pieces.aclose()
        await self._source.aclose()

    async def _read(self, start: int, end: int) -> AsyncGenerator[Chunk, None]:
        at, size_bytes = 0, self._source.size_bytes
        try:
            async for chunk in self._source.chunks:
                view = memoryview(chunk)[max(0, start - at) : max(0, end - at)]
                at += len(chunk)
                if at > size_bytes:
                    raise Unavailable(f"more than the announced {size_bytes} bytes came")
                for first in range(0, len(view), PIECE_BYTES):
                    yield view[first : first + PIECE_BYTES]
                if at >= end and end < size_bytes:
                    return
            if at < size_bytes:
                raise Unavailable(f"{at} of {size_bytes} bytes came")
        finally:
            await self._source.aclose()
