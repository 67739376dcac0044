"""The bytes of one append as they come in: counted, bounded, and whole up to where they broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from ....schemas.errors import Conflict, TooLarge
from .checksum import Checksum

__all__ = ["Arrival", "Piece"]

Piece = bytes | memoryview


class Arrival:
    """One append's stream, taken in parts. A stream that breaks ends its part in order; `broken` says why.

    At most `room` bytes may come, if that is not None.
    """

    def __init__(self, content: AsyncIterator[bytes], room: int | None, checksum: Checksum | None) -> None:
        self._content = content
        self._room = room
        self._checksum = checksum
        self._rest: Piece = b""
        self._patience: asyncio.Timeout | None = None
        self._waits_since = 0.0
        self._size = 0
        self.over = False
        self.broken: BaseException | None = None

    async def part(self, limit: int) -> AsyncGenerator[Piece, None]:
        """The next bytes, up to `limit` of them; raises TooLarge once there is no room for what comes."""
        left = limit
        while left and (piece := self._rest or await self._next()):
            piece, self._rest = (piece, b"") if len(piece) <= left else _split(piece, left)
            left -= len(piece)
            yield piece

    async def _next(self) -> bytes:
        """The next piece of the stream, empty once it is over."""
        while not self.over:
            try:
                piece = await self._receive()
            except (Exception, asyncio.CancelledError) as error:  # raised again once what came is safe
                self.over, self.broken = True, error
                break
            if piece is None:
                self.over = True
            elif piece:
                self._take(piece)
                return piece
        return b""

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._room is not None and self._size > self._room:
            raise TooLarge("content", limit=self._room)
        if self._checksum is not None:
            self._checksum.update(piece)

    async def _receive(self) -> bytes | None:
        self._waits_since = asyncio.get_running_loop().time()
        patience = self._patience = asyncio.timeout(None)
        try:
            async with patience:
                return await anext(self._content, None)
        except TimeoutError:
            if not patience.expired():
                raise
            raise Conflict("another append has taken over", locked=True) from None
        finally:
            self._patience = None

    def require_whole(self) -> None:
        """Raise what broke the stream, if anything did."""
        if self.broken is not None:
            raise self.broken

    def give_way(self, silent_s: float) -> bool:
        """End the stream here if it has been silent for so long; whether it was."""
        if self._patience is None:
            return False
        now = asyncio.get_running_loop().time()
        if now - self._waits_since < silent_s:
            return False
        self._patience.reschedule(now)
        return True


def _split(piece: Piece, at: int) -> tuple[Piece, Piece]:
    view = memoryview(piece)
    return view[:at], view[at:]
