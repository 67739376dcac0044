"""Files read piece by piece, without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

__all__ = ["PIECE_BYTES", "read_file"]

PIECE_BYTES = 1024 * 1024


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """A file's bytes in pieces of at most `PIECE_BYTES`; raises OSError if it cannot be read."""
    with await asyncio.to_thread(path.open, "rb", buffering=0) as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
