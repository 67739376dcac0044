"""Entries that the archive alone has: found by sequence and by time, over several segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from cidbus.actors.journal.archive.folder import Archive
from cidbus.actors.journal.past import Past
from cidbus.actors.journal.root_names import commit_root
from cidbus.schemas.errors import NotFound

from .engine import process, write
from .memory import MemoryLog, MemoryTrees

ENTRIES = 20


@pytest.mark.parametrize("segment_bytes", [1, 1500, 1 << 20])
async def test_the_oldest_tree_that_is_kept_is_found_wherever_letting_go_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment_bytes: int
):
    monkeypatch.setattr("cidbus.actors.journal.archive.segments.SEGMENT_BYTES", segment_bytes)
    archive, log, trees = Archive.open(tmp_path / "archive"), MemoryLog(), MemoryTrees()
    async with process(log, trees) as one:
        for number in range(ENTRIES):
            await one.do(write("/a", str(number)))
        written = [await one.head.entry(sequence) for sequence in range(1, ENTRIES + 1)]
        for sealed in written:
            archive.segments.append([sealed])
        await log.purge(16)
        for sealed in written[:15]:
            past = Past(log, trees, one.head, lambda: archive)
            assert await past.oldest() == sealed.sequence
            assert await past.entry(sealed.sequence) == sealed
            assert await past.at_time(sealed.record.at, before=16) == sealed
            assert await past.tree_of(sealed) == sealed.record.root
            await trees.release([commit_root(sealed.record.id)])
            with pytest.raises(NotFound, match=f"entry {sealed.sequence} is in the archive alone"):
                await past.tree_of(sealed)
        assert await Past(log, trees, one.head, lambda: archive).oldest() == 16
        assert await past.at_time(written[0].record.at - 1, before=16) is None
        assert await past.at_time(written[-1].record.at, before=16) == written[14]
        assert [r.sequence async for r in past.backwards(16)] == [*range(15, 0, -1)]
        assert [r.sequence async for r in past.after(3, 16)] == [*range(4, 16)]
        with pytest.raises(NotFound):
            await past.entry(ENTRIES + 1)
    assert await Past(log, trees, one.head, lambda: None).oldest() == 16
