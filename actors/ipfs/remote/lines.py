"""Lines out of a stream of bytes, none longer than a limit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from ....schemas.errors import TooLarge

__all__ = ["lines_of"]


async def lines_of(pieces: AsyncIterable[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    """The lines that are not blank, without their ends; raises TooLarge("line") before one is over the limit.

    The last line needs no end: whether it was cut off is for its parser to see.
    """
    begun = bytearray()
    async for piece in pieces:
        begun += piece
        if b"\n" in piece:
            *whole, rest = begun.split(b"\n")
            for line in whole:
                if len(line) > limit_bytes:
                    raise TooLarge("line", limit=limit_bytes)
                if line.strip():
                    yield bytes(line)
            begun = rest
        if len(begun) > limit_bytes:
            raise TooLarge("line", limit=limit_bytes)
    if begun.strip():
        yield bytes(begun)
