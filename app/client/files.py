"""Files read piece by piece, without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

__all__ = ["PIECE_BYTES", "gathered", "pieces_of", "pulled"]

PIECE_BYTES = 1024 * 1024


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file's bytes in pieces of at most `PIECE_BYTES`; raises OSError if it cannot be read."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, each of at most twice `PIECE_BYTES`."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


async def pulled(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, each made in a thread; raises what making one raises."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
