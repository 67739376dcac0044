"""Entries that the stream no longer has and the archive still does.

A lost stream begins anew behind what it had; the entries before stay in the archive's segments. One segment
is in memory at a time, and a moment is looked for by what the segments begin with.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path

from ...schemas.errors import InvalidContent, NotFound
from ...schemas.journaling import Record
from .archive.folder import Archive
from .archive.frames import Framed
from .chain import Sealed, unsealed
from .head import Head
from .parts import Log, Trees
from .root_names import commit_root

__all__ = ["Past", "first_that"]


class Past:
    """The entries before the stream's first."""

    def __init__(self, log: Log, trees: Trees, head: Head, archive: Callable[[], Archive | None]) -> None:
        """`archive` gives the one that is in use: it may be moved."""
        self._log = log
        self._trees = trees
        self._head = head
        self._archive = archive
        self._oldest: tuple[tuple[int, int], int] | None = None

    async def stream_first(self) -> int:
        """The oldest entry that the stream has; one more than the newest of all if it has none."""
        state = await self._log.state()
        return self._head.position.sequence + 1 if state is None or not state.messages else state.first

    # ---- entries ----------------------------------------------------------------------------------------

    async def entry(self, sequence: int) -> Sealed:
        """One entry; raises NotFound if the archive does not have it, InvalidContent if it is damaged."""
        framed = await asyncio.to_thread(self._find, sequence)
        if framed is None:
            raise NotFound("journal entry", str(sequence))
        return unsealed(framed.sequence, framed.body)

    def _find(self, sequence: int) -> Framed | None:
        frames = self._segment(lambda first: first.sequence <= sequence)
        number = bisect_left(frames, sequence, key=lambda framed: framed.sequence)
        found = frames[number] if number < len(frames) else None
        return found if found is not None and found.sequence == sequence else None

    async def at_time(self, time_s: float, before: int) -> Sealed | None:
        """The newest entry before a sequence that was written by then."""
        return await asyncio.to_thread(self._at_time, time_s, before)

    def _at_time(self, time_s: float, before: int) -> Sealed | None:
        frames = self._segment(lambda first: first.sequence < before and _at(first) <= time_s)
        number = bisect_right(frames, (False, time_s), key=lambda each: (each.sequence >= before, _at(each)))
        return unsealed(frames[number - 1].sequence, frames[number - 1].body) if number else None

    def _segment(self, reaches: Callable[[Framed], bool]) -> Sequence[Framed]:
        """The entries of the last segment whose first entry is not behind what is looked for."""
        archive = self._archive()
        if archive is None:
            return []
        segments = archive.segments
        files = segments.files()

        def is_behind(path: Path) -> bool:
            first = next(segments.frames(path), None)
            return first is None or not reaches(first)

        number = bisect_left(files, True, key=is_behind)
        return list(segments.frames(files[number - 1])) if number else []

    # ---- many of them -----------------------------------------------------------------------------------

    async def after(self, sequence: int, before: int) -> AsyncIterator[Record]:
        """The entries between two, in order."""
        archive = self._archive()
        if archive is None or sequence + 1 >= before:
            return
        frames = archive.segments.read(sequence)
        while some := await asyncio.to_thread(lambda: list(islice(frames, 100))):
            for framed in some:
                if framed.sequence >= before:
                    return
                yield unsealed(framed.sequence, framed.body).record

    async def backwards(self, before: int) -> AsyncIterator[Record]:
        """The entries before a sequence, the newest first."""
        archive = self._archive()
        files = [] if archive is None or before <= 1 else await asyncio.to_thread(archive.segments.files)
        for path in reversed(files):
            if archive is None or int(path.stem) >= before:
                continue
            for framed in reversed(await asyncio.to_thread(lambda: list(archive.segments.frames(path)))):  # noqa: B023 - awaited at once
                if framed.sequence < before:
                    yield unsealed(framed.sequence, framed.body).record

    # ---- trees ------------------------------------------------------------------------------------------

    async def tree_of(self, sealed: Sealed) -> str:
        """The root of an entry; raises NotFound if nothing keeps it any more."""
        if await self._is_kept(sealed):
            return sealed.record.root
        raise NotFound(
            "state of the tree",
            f"entry {sealed.sequence} is in the archive alone, and its tree was let go",
            sequence=sealed.sequence,
        )

    async def _is_kept(self, sealed: Sealed) -> bool:
        async for root in self._trees.kept(commit_root(sealed.record.id)):
            return root.cid == sealed.record.root
        return False

    async def oldest(self) -> int:
        """The oldest entry whose tree can be read: the stream's first, or one of the archive's.

        Trees are let go from the oldest on, so it is looked for by halves: first the segment, then the entry.
        """
        first, archive = await self.stream_first(), self._archive()
        if archive is None:
            return first
        try:
            begins = await asyncio.to_thread(archive.segments.first)
            if begins is None or begins >= first:
                return first
            if self._oldest is None or self._oldest[0] != (begins, first):
                self._oldest = (begins, first), await self._look_for_oldest(archive, first)
        except InvalidContent:
            return first
        return self._oldest[1]

    async def _look_for_oldest(self, archive: Archive, first: int) -> int:
        segments = archive.segments
        files = [path for path in await asyncio.to_thread(segments.files) if int(path.stem) < first]

        async def begins_kept(number: int) -> bool:
            framed = await asyncio.to_thread(lambda: next(segments.frames(files[number]), None))
            return framed is not None and await self._keeps(framed)

        segment = await first_that(len(files), begins_kept)
        before = files[segment - 1] if segment else None
        frames = [] if before is None else await asyncio.to_thread(lambda: list(segments.frames(before)))
        entry = await first_that(len(frames), lambda number: self._keeps(frames[number]))
        if entry < len(frames):
            return min(first, frames[entry].sequence)
        return int(files[segment].stem) if segment < len(files) else first

    async def _keeps(self, framed: Framed) -> bool:
        return await self._is_kept(unsealed(framed.sequence, framed.body))


async def first_that(count: int, holds: Callable[[int], Awaitable[bool]]) -> int:
    """The first number for which it holds, as it does for all behind it; `count` if for none."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if await holds(middle) else (middle + 1, high)
    return low


def _at(framed: Framed) -> float:
    return unsealed(framed.sequence, framed.body).record.at
