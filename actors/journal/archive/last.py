"""The newest entry that this node has seen, beside the archive: what tells that a stream has lost its end.

It is written with each commit, in one of two places by turns, without waiting for the disk: it survives any
process, and after a power cut the other place, or none, is sound.
"""

from __future__ import annotations

import os
from pathlib import Path

from ....schemas.errors import InvalidContent
from ..chain import Sealed, unsealed
from .frames import frame, read_frames

__all__ = ["LastSeen"]


class LastSeen:
    """Two small files in the actor's folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._paths = [folder / f"last-{number}" for number in (0, 1)]
        self._descriptors = [os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in self._paths]

    def note(self, sealed: Sealed) -> None:
        """Write the entry down. What is left of a longer one behind it is not read."""
        os.pwrite(self._descriptors[sealed.sequence % 2], frame(sealed.sequence, sealed.body), 0)

    def read(self) -> Sealed | None:
        """The newest entry that was noted and can be read."""
        found = [sealed for path in self._paths if (sealed := _first(path)) is not None]
        return max(found, key=lambda sealed: sealed.sequence, default=None)

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)


def _first(path: Path) -> Sealed | None:
    try:
        framed = next(read_frames(path), None)
        return None if framed is None else unsealed(framed.sequence, framed.body)
    except InvalidContent:
        return None
