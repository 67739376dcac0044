"""Checking everything: the chain in the stream and in the archive, checkpoints' files, trees' blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from ...schemas.errors import InvalidContent, NotFound
from ...schemas.journaling import JournalVerified
from .archive.folder import Archive
from .chain import Position, Sealed, unsealed
from .head import Head
from .parts import Kept, Log, Trees

__all__ = ["verified"]

MAX_PROBLEMS = 100
AT_ONCE = 32
STEP = 1000


@dataclass
class _Report:
    """What was looked at, and what is wrong with it."""

    entries: int = 0
    archived: int = 0
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


@dataclass
class _Hole:
    """Entries that follow each other and cannot be read."""

    first: int
    last: int = 0

    def told(self) -> str:
        if self.first == self.last:
            return f"stream: entry {self.first} is missing or damaged"
        return f"stream: entries {self.first} to {self.last} are missing or damaged"


async def verified(
    log: Log, trees: Trees, head: Head, archive: Archive | None, *, roots: bool
) -> JournalVerified:
    """Read all there is; problems are told and do not end it, at most 100 of them."""
    began = time.monotonic()
    report = _Report()
    await _stream(log, trees, report, roots=roots)
    if archive is not None:
        tail = await _archive(archive, report)
        if tail is not None:
            await _compare(head, tail, report)
        await asyncio.to_thread(_checkpoints, archive, report)
    return JournalVerified(
        ok=not report.problems,
        entries=report.entries,
        archived_entries=report.archived,
        checkpoints=report.checkpoints,
        problems=report.problems,
        duration_ms=(time.monotonic() - began) * 1000,
    )


async def _stream(log: Log, trees: Trees, report: _Report, *, roots: bool) -> None:
    position: Position | None = None
    looking: dict[str, int] = {}
    hole: _Hole | None = None
    async for sequence, body in _numbered(log):
        if body is None:
            hole, position = hole or _Hole(sequence), None
            hole.last = sequence
            continue
        if hole is not None:
            report.add(hole.told())
            hole = None
        try:
            sealed = unsealed(sequence, body)
            if position is not None:
                position.proven(sealed)
            position = sealed.position
        except InvalidContent as error:
            report.add(f"stream: {error.message}")
            continue
        report.entries += 1
        if roots:
            looking[sealed.record.root] = sealed.sequence
            if len(looking) >= AT_ONCE:
                await _look(trees, looking, report)
    if hole is not None:
        report.add(hole.told())
    await _look(trees, looking, report)


async def _numbered(log: Log) -> AsyncIterator[tuple[int, bytes | None]]:
    """Every sequence that the stream should have, with its bytes if they can be read.

    Those that are read many at a time come without their numbers: a hole among them shifts the ones before
    it. What does not say its own number is therefore read again, by that number.
    """
    state = await log.state()
    if state is None or not state.messages:
        return
    expected = state.first
    async for kept in log.read(expected - 1, to=state.last):
        while expected < kept.sequence:
            yield expected, await _one(log, expected)
            expected += 1
        yield expected, kept.body if _says(kept) else await _one(log, expected)
        expected += 1
    while expected <= state.last:
        yield expected, await _one(log, expected)
        expected += 1


def _says(kept: Kept) -> bool:
    try:
        unsealed(kept.sequence, kept.body)
    except InvalidContent:
        return False
    return True


async def _one(log: Log, sequence: int) -> bytes | None:
    try:
        return (await log.get(sequence)).body
    except NotFound:
        return None


async def _look(trees: Trees, roots: dict[str, int], report: _Report) -> None:
    """Whether these roots are at hand; forgets them."""
    found = await asyncio.gather(*(trees.has(root) for root in roots))
    for (root, sequence), is_here in zip(roots.items(), found, strict=True):
        if not is_here:
            report.add(f"stream: the block of {root}, the tree of entry {sequence}, is not here")
    roots.clear()


async def _archive(archive: Archive, report: _Report) -> Sealed | None:
    """The newest sound entry of the archive."""
    entries = archive.segments.entries()
    tail: Sealed | None = None
    while True:
        try:
            some = await asyncio.to_thread(_some, entries)
        except InvalidContent as error:
            if not error.details.get("torn"):
                report.add(f"archive: {error.message}")
            return tail
        if not some:
            return tail
        report.archived += len(some)
        tail = some[-1]


def _some(entries: Iterator[Sealed]) -> list[Sealed]:
    return [sealed for sealed, _ in zip(entries, range(STEP), strict=False)]


async def _compare(head: Head, tail: Sealed, report: _Report) -> None:
    """The newest entry of the archive is the stream's; by the chain all before it are then too."""
    try:
        same = (await head.entry(tail.sequence)).digest == tail.digest
    except (NotFound, InvalidContent):
        return  # forgotten, or told already
    if not same:
        report.add(f"archive: entry {tail.sequence} is not the one of the stream")


def _checkpoints(archive: Archive, report: _Report) -> None:
    checkpoints = archive.checkpoints
    for name in checkpoints.unreadable():
        report.add(f"archive: checkpoints/{name} cannot be read")
    for manifest in checkpoints.all():
        report.checkpoints += 1
        try:
            checkpoints.check(manifest)
            checkpoints.chain(manifest)
        except InvalidContent as error:
            report.add(f"archive: {error.message}")
        except NotFound as error:
            report.add(f"archive: checkpoint {manifest.id} builds on one that is gone: {error.message}")
