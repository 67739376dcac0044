"""A stream of chunks read by length: what a parser of lengths and payloads needs, and no more in memory."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from io import BytesIO

from ....schemas.errors import InvalidContent

__all__ = ["ByteStream"]


class ByteStream:
    """Chunks of any size as one sequence of bytes. `offset` is where the next byte to be read stands.

    In memory is one chunk, and what is being taken.
    """

    def __init__(self, chunks: AsyncIterable[bytes | memoryview], *, offset: int = 0) -> None:
        self._chunks = aiter(chunks)
        self._view = memoryview(b"")
        self._before = offset
        self._at = 0

    @property
    def offset(self) -> int:
        return self._before + self._at

    async def peek(self, size: int) -> memoryview:
        """The unread bytes at hand: at least `size` of them, unless the stream ends before."""
        while len(self._view) - self._at < size and (chunk := await anext(self._chunks, None)) is not None:
            # At most once for each chunk, and usually for a few bytes of the one before.
            self._before += self._at
            rest = self._view[self._at :]
            self._view, self._at = memoryview(b"".join((rest, chunk)) if rest else chunk), 0
        return self._view[self._at :]

    def pass_over(self, size: int) -> None:
        """Read past `size` bytes that were peeked at."""
        self._at += size

    async def take(self, size: int, what: object) -> bytes:
        """The next `size` bytes, in one copy. Raises InvalidContent, naming `what` and where it began, if the
        stream ends before."""
        end = self._at + size
        if end <= len(self._view):
            found = bytes(self._view[self._at : end])
            self._at = end
            return found
        start, out = self.offset, BytesIO()
        async for piece in self.pass_on(size):
            out.write(piece)
        if out.tell() < size:
            raise InvalidContent(
                "car", f"cut short at byte {self.offset}: {what}, at byte {start}, has {size} bytes"
            )
        return out.getvalue()

    async def pass_on(self, size: int) -> AsyncIterator[memoryview]:
        """The next `size` bytes in pieces as they come, fewer if the stream ends before."""
        while size:
            piece = self._view[self._at : self._at + size]
            if piece:
                self._at += len(piece)
                size -= len(piece)
                yield piece
            elif not await self._next():
                return

    async def skip(self, size: int) -> bool:
        """Read past `size` bytes; False if the stream ends before."""
        end = self.offset + size
        async for _ in self.pass_on(size):
            pass
        return self.offset == end

    async def skip_all(self) -> None:
        """Read to the end."""
        self._at = len(self._view)
        while await self._next():
            self._at = len(self._view)

    async def _next(self) -> bool:
        """Go on to the next chunk, once the present one has been read."""
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        self._before += self._at
        self._view, self._at = memoryview(chunk), 0
        return True
