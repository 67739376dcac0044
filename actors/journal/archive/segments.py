"""Entries as the stream has them, byte for byte, in append-only files of some megabytes each.

journals/<sequence of its first entry>.log
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ....schemas.errors import InvalidContent, StorageFull
from ...disk import sync_folder
from ..chain import GENESIS, Position, Sealed, unsealed
from ..parts import Kept
from .frames import Framed, frame, read_frames

__all__ = ["Segments"]

SEGMENT_BYTES = 8 * 1024 * 1024


class Segments:
    """The files of one folder. One process writes, see `folder.py`; any may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def first(self) -> int | None:
        """The sequence that the oldest file begins with."""
        files = self.files()
        return int(files[0].stem) if files else None

    # ---- reading ----------------------------------------------------------------------------------------

    def read(self, after: int = 0) -> Iterator[Framed]:
        """The entries behind a sequence, in order; raises InvalidContent where a file is damaged."""
        files = self.files()
        for number, path in enumerate(files):
            if number + 1 < len(files) and int(files[number + 1].stem) <= after + 1:
                continue
            yield from (framed for framed in read_frames(path) if framed.sequence > after)

    @staticmethod
    def frames(path: Path) -> Iterator[Framed]:
        """The entries of one file, up to an end that was cut off; raises InvalidContent where it is damaged,
        nothing if it was removed meanwhile."""
        try:
            yield from read_frames(path)
        except FileNotFoundError:
            return
        except InvalidContent as error:
            if not error.details["torn"]:
                raise

    def entries(self, after: Position | None = None) -> Iterator[Sealed]:
        """The entries behind a position, each proven to follow the one before.

        An entry that says that it recovers may begin anew where others are missing. Raises InvalidContent
        where a file is damaged or the chain is broken.
        """
        position = after
        for framed in self.read(after.sequence if after is not None else 0):
            sealed = unsealed(framed.sequence, framed.body)
            begins = position is None or (
                sealed.record.kind == "recover" and framed.sequence > position.sequence + 1
            )
            if not begins:
                assert position is not None
                position.proven(sealed)
            elif framed.sequence == 1 and sealed.record.previous != GENESIS:
                raise InvalidContent("journal entry 1", "the first entry follows another")
            position = sealed.position
            yield sealed

    def tail(self) -> Sealed | None:
        """The newest entry, None if there is none; an end that was cut off does not count.

        Raises InvalidContent if the newest file is damaged before its end.
        """
        for path in reversed(self.files()):
            last: Framed | None = None
            try:
                for framed in read_frames(path):
                    last = framed
            except InvalidContent as error:
                if not error.details["torn"]:
                    raise
            if last is not None:
                return unsealed(last.sequence, last.body)
        return None

    # ---- writing ----------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Kept]) -> None:
        """Write entries behind the newest, all into one file, and wait until they are on the disk.

        Raises StorageFull if there is no room; then none of them is there.
        """
        try:
            path = next(reversed(self.files()), None)
            if path is None or path.stat().st_size > SEGMENT_BYTES:
                path = self._folder / f"{entries[0].sequence:020d}.log"
            _append(path, entries)
        except OSError as error:
            raise StorageFull(f"the journal's archive cannot be written: {error.strerror}") from error

    def cut_torn_end(self) -> int:
        """Take away what a write that was cut off has left; returns its bytes."""
        files = self.files()
        if not files:
            return 0
        try:
            for _ in read_frames(files[-1]):
                pass
        except InvalidContent as error:
            if not error.details["torn"]:
                raise
            lost = files[-1].stat().st_size - int(error.details["offset"])
            os.truncate(files[-1], int(error.details["offset"]))
            return lost
        return 0

    def forget(self, before: int) -> int:
        """Remove the files that hold nothing from a sequence on; returns how many."""
        files = self.files()
        gone = [a for a, b in pairwise(files) if int(b.stem) <= before]
        for path in gone:
            path.unlink()
        return len(gone)


def _append(path: Path, entries: Iterable[Kept]) -> None:
    """All of the entries, or none of them, at the end of a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    begun = os.fstat(descriptor).st_size
    try:
        for kept in entries:
            _write(descriptor, frame(kept.sequence, kept.body))
        os.fsync(descriptor)
        sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, begun)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
