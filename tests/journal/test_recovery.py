"""Recovery: whatever is lost or damaged, the newest state that something proves, or a clear refusal."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cidbus.actors.journal.archive.archiver import Archiver, Retention
from cidbus.actors.journal.archive.folder import Archive
from cidbus.actors.journal.archive.last import LastSeen
from cidbus.actors.journal.chain import Who
from cidbus.actors.journal.head import Head
from cidbus.actors.journal.recovery import Recovery
from cidbus.actors.journal.verifying import verified
from cidbus.schemas.errors import Unavailable
from cidbus.schemas.journaling import Recovered

from .engine import process, write
from .memory import Kept, MemoryLog, MemoryTrees
from .test_archive import FOREVER

ENTRIES = 10


@dataclass
class Node:
    """What a node has on its disks: stream, blocks, archive, and the note of its newest entry."""

    log: MemoryLog
    trees: MemoryTrees
    folder: Path
    roots: dict[int, str]

    async def recover(self, **options: bool) -> Recovered:
        """As a process that starts does."""
        self.head = Head(self.log)
        archive = Archive.open(self.folder / "archive")
        seen = LastSeen(self.folder)
        recovery = Recovery(self.log, self.trees, self.head, lambda: archive, seen, Who("n" * 16))
        try:
            return await recovery.run(**options)
        finally:
            seen.close()

    async def verify(self) -> list[str]:
        archive = Archive.open(self.folder / "archive")
        return (await verified(self.log, self.trees, self.head, archive, roots=True)).problems

    def flip_in_stream(self, sequence: int) -> None:
        body = self.log.entries[sequence].body
        self.log.entries[sequence] = Kept(sequence, body.replace(b'"at":', b'"aT":'))

    def lose_stream(self) -> None:
        self.log.entries.clear()
        self.log.exists = False

    def lose_blocks(self) -> None:
        self.trees.trees.clear()

    def lose_note(self) -> None:
        for path in self.folder.glob("last-*"):
            path.unlink()

    def flip_in_file(self, path: Path, at: int = 30) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """Ten entries; a checkpoint after the fourth and the eighth; all of them in the archive."""
    log, trees, roots = MemoryLog(), MemoryTrees(), {}
    archive, seen = Archive.open(tmp_path / "archive"), LastSeen(tmp_path)
    async with process(log, trees) as one:
        archiver = Archiver(log, trees, one.head, archive, FOREVER, Retention(100, 16), "me", _quiet)
        for number in range(1, ENTRIES + 1):
            await one.do(write("/a", str(number)))
            roots[number] = one.head.position.root
            seen.note(one.told[-1])
            if number in (4, 8):
                await archiver.checkpoint(whole=False)
        await archiver.tend()
    archive.close()
    seen.close()
    return Node(log, trees, tmp_path, roots)


async def _quiet(_: object) -> None:
    pass


async def test_a_whole_journal_is_checked_from_its_last_checkpoint_on(node: Node):
    recovered = await node.recover()
    assert (recovered.source, recovered.sequence, recovered.root) == ("journal", 10, node.roots[10])
    assert (recovered.replayed, recovered.lost_entries) == (2, 0)
    assert await node.verify() == []


async def test_nothing_at_all_is_a_new_tree(tmp_path: Path):
    node = Node(MemoryLog(), MemoryTrees(), tmp_path, {})
    recovered = await node.recover()
    assert (recovered.source, recovered.sequence) == ("nothing", 0)


async def test_a_lost_stream_is_made_anew_behind_the_newest_entry_that_was_seen(node: Node):
    node.lose_stream()
    recovered = await node.recover()
    assert (recovered.source, recovered.sequence, recovered.root) == ("archive", 11, node.roots[10])
    assert recovered.lost_entries == 0
    assert (await node.log.state()).first == 11
    assert node.head.position.totals.statuses == {"completed": 10}
    again = await node.recover()
    assert (again.source, again.sequence) == ("journal", 11)
    assert await node.verify() == []


async def test_without_leave_a_lost_stream_is_said_and_not_replaced(node: Node):
    node.lose_stream()
    with pytest.raises(Unavailable, match="there were 10"):
        await node.recover(auto=False)
    assert not node.log.exists
    assert (await node.recover(lossy=True)).sequence == 11


async def test_an_emptied_stream_is_a_lost_one(node: Node):
    node.log.entries.clear()
    node.log.newest = 0
    assert (await node.recover()).root == node.roots[10]


async def test_a_stream_that_has_lost_its_end_is_made_anew(node: Node):
    del node.log.entries[10]
    node.log.newest = 9
    recovered = await node.recover()
    assert (recovered.source, recovered.root, recovered.sequence) == ("archive", node.roots[10], 11)


async def test_a_lost_archive_leaves_the_stream_as_it_is(node: Node):
    for path in sorted((node.folder / "archive").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    recovered = await node.recover()
    assert (recovered.source, recovered.sequence, recovered.replayed) == ("journal", 10, 10)


@pytest.mark.parametrize("sequence", range(1, ENTRIES + 1))
async def test_a_damaged_entry_in_the_stream_never_changes_what_is_served(node: Node, sequence: int):
    node.flip_in_stream(sequence)
    recovered = await node.recover()
    assert recovered.root == node.roots[10]
    assert recovered.lost_entries == 0
    if sequence >= 8:  # the last checkpoint, or behind it: it was looked at
        assert recovered.message.startswith("the journal's stream is damaged")
        assert await node.verify() == []
    else:
        assert any(f"entry {sequence}" in problem for problem in await node.verify())


@pytest.mark.parametrize("sequence", range(9, ENTRIES + 1))
async def test_a_damaged_entry_that_nothing_else_has_is_refused(node: Node, sequence: int):
    node.lose_note()
    for path in (node.folder / "archive" / "journals").iterdir():
        path.unlink()
    node.flip_in_stream(sequence)
    with pytest.raises(Unavailable, match=f"stream is damaged.*{sequence}"):
        await node.recover()


async def test_stream_and_note_lost_the_archive_proves_what_it_has(node: Node):
    node.lose_stream()
    node.lose_note()
    recovered = await node.recover()
    assert (recovered.root, recovered.sequence) == (node.roots[10], 11)


async def test_a_flipped_byte_in_the_archive_ends_what_it_proves(node: Node):
    node.lose_stream()
    node.lose_note()
    [segment] = (node.folder / "archive" / "journals").iterdir()
    node.flip_in_file(segment, at=segment.stat().st_size - 10)
    recovered = await node.recover()
    assert recovered.root == node.roots[9]
    assert "9" in recovered.message


async def test_blocks_that_are_gone_come_back_from_checkpoints(node: Node):
    del node.log.entries[10], node.log.entries[9]
    node.log.newest = 8
    node.lose_note()
    for path in (node.folder / "archive" / "journals").iterdir():
        path.unlink()
    node.lose_blocks()
    recovered = await node.recover()
    assert (recovered.root, recovered.restored_blocks) == (node.roots[8], 2)
    assert node.trees.trees[recovered.root] == {"/a": "8"}


async def test_blocks_in_no_checkpoint_are_refused_and_given_up_only_when_asked(node: Node):
    node.lose_blocks()
    with pytest.raises(Unavailable, match=node.roots[10]):
        await node.recover()
    recovered = await node.recover(lossy=True)
    assert (recovered.source, recovered.root, recovered.lost_entries) == ("checkpoint", node.roots[8], 2)
    assert node.trees.trees[node.head.position.root] == {"/a": "8"}
    assert (await node.recover()).root == node.roots[8]


async def test_a_damaged_checkpoint_file_is_never_read(node: Node):
    node.lose_blocks()
    node.flip_in_file(node.folder / "archive" / "checkpoints" / "8.car", at=20)
    recovered = await node.recover(lossy=True)
    assert recovered.root == node.roots[4]
    assert any("8.car" in problem for problem in await node.verify())


async def test_a_tree_that_went_back_on_purpose_is_not_brought_forward_again(node: Node):
    """Another node, whose archive had less, has recovered; what this one has noted beyond that is past."""
    node.lose_stream()
    other = Node(node.log, node.trees, node.folder / "other", node.roots)
    shutil.copytree(node.folder / "archive", other.folder / "archive")
    for path in (other.folder / "archive" / "journals").iterdir():
        path.unlink()
    assert (await other.recover()).root == node.roots[8]
    recovered = await node.recover()
    assert (recovered.source, recovered.sequence, recovered.root) == ("journal", 9, node.roots[8])


async def test_a_process_that_lives_mends_a_stream_that_was_emptied_under_it(node: Node):
    async with process(node.log, node.trees) as one:
        await one.head.fresh()
        archive, seen = Archive.open(node.folder / "archive"), LastSeen(node.folder)
        recovery = Recovery(node.log, node.trees, one.head, lambda: archive, seen, Who("n" * 16))

        async def mend(_: str) -> None:
            await recovery.run()

        one.head.mend = mend
        last = await one.do(write("/a", "acknowledged, and nowhere else"))
        node.lose_stream()
        position = await one.head.fresh()
        assert (position.root, position.sequence) == (last.root, 12)
        assert (await one.do(write("/a", "12"))).sequence == 13
        seen.close()


async def test_a_process_that_is_behind_what_the_stream_still_has_does_not_take_itself_for_up_to_date(
    node: Node,
):
    """The entries that it has not seen are forgotten, or the stream was made anew behind them by another."""
    async with process(node.log, node.trees) as one:
        position = one.head.position
        while position.sequence < 5:
            kept = await node.log.get(position.sequence + 1)
            position = position.next(kept.sequence, kept.body).position
        one.head.reset(position)
        await node.log.purge(8)
        archive, seen = Archive.open(node.folder / "archive"), LastSeen(node.folder)
        recovery = Recovery(node.log, node.trees, one.head, lambda: archive, seen, Who("n" * 16))

        async def mend(_: str) -> None:
            await recovery.run()

        one.head.mend = mend
        assert (await one.head.fresh()).root == node.roots[10]
        seen.close()


async def test_a_process_that_cannot_mend_serves_nothing(node: Node):
    async with process(node.log, node.trees) as one:
        await one.head.fresh()
        node.flip_in_stream(10)
        with pytest.raises(Unavailable, match="entry 10"):
            await one.head.look_again()
        with pytest.raises(Unavailable):
            await one.do(write("/a", "x"))


async def test_a_process_that_lives_notices_an_emptied_stream_when_it_writes(node: Node):
    async with process(node.log, node.trees) as one:
        await one.head.fresh()
        archive, seen = Archive.open(node.folder / "archive"), LastSeen(node.folder)
        recovery = Recovery(node.log, node.trees, one.head, lambda: archive, seen, Who("n" * 16))

        async def mend(_: str) -> None:
            await recovery.run()

        one.head.mend = mend
        node.log.entries.clear()
        node.log.newest = 0
        changed = await one.do(write("/b", "1"))
        assert changed.sequence == 12
        assert node.trees.trees[changed.root] == {"/a": "10", "/b": "1"}
        seen.close()
