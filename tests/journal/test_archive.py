"""The archive on disk: entries framed in segments, checkpoints, and which process writes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from cidbus.actors.journal.archive.archiver import Archiver, Retention
from cidbus.actors.journal.archive.checkpoints import SectionCounter
from cidbus.actors.journal.archive.folder import Archive
from cidbus.actors.journal.archive.frames import frame, read_frames
from cidbus.actors.journal.archive.last import LastSeen
from cidbus.actors.journal.chain import GENESIS, Position, seal
from cidbus.schemas.errors import BadRequest, InvalidContent, StorageFull
from cidbus.schemas.journaling import EnableJournaling, Record

from .engine import process, write
from .memory import MemoryLog, MemoryTrees

FOREVER = EnableJournaling(sync_interval=3600, checkpoint_interval=86_400, max_journal_size=10_000_000)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    opened = Archive.open(tmp_path / "archive")
    assert opened.claim("me")
    yield opened
    opened.close()


def entries(number: int):
    """A chain of entries."""
    position, found = Position(0, "root0"), []
    for n in range(1, number + 1):
        record = Record(
            sequence=n, id=f"id{n}", previous=position.digest, before=position.root, root=f"root{n}", at=n
        )
        found.append(seal(record))
        position = found[-1].position
    return found


# ---- segments -------------------------------------------------------------------------------------------


def test_entries_come_back_byte_for_byte_over_several_files(archive, monkeypatch):
    monkeypatch.setattr("cidbus.actors.journal.archive.segments.SEGMENT_BYTES", 2000)
    chain = entries(100)
    for start in range(0, 100, 7):
        archive.segments.append(chain[start : start + 7])
    assert len(archive.segments.files()) > 5
    assert [(f.sequence, f.body) for f in archive.segments.read()] == [(e.sequence, e.body) for e in chain]
    assert [f.sequence for f in archive.segments.read(93)] == [94, 95, 96, 97, 98, 99, 100]
    assert archive.segments.tail().digest == chain[-1].digest
    archive.segments.forget(50)
    assert 30 < archive.segments.first() <= 50


def test_a_torn_end_is_cut_and_written_anew(archive):
    chain = entries(3)
    archive.segments.append(chain)
    path = archive.segments.files()[0]
    for lost in range(1, len(frame(3, chain[2].body))):
        whole = path.read_bytes()
        path.write_bytes(whole[:-lost])
        assert archive.segments.tail().sequence == 2
        assert archive.segments.cut_torn_end() > 0
        archive.segments.append(chain[2:])
        assert path.read_bytes() == whole


def test_a_flipped_byte_anywhere_is_seen(archive):
    chain = entries(3)
    archive.segments.append(chain)
    path = archive.segments.files()[0]
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(InvalidContent):
            list(archive.segments.entries())


def test_an_entry_that_does_not_follow_is_seen(archive):
    chain = entries(5)
    archive.segments.append([chain[0], chain[1], chain[3], chain[4]])
    with pytest.raises(InvalidContent, match="missing"):
        list(archive.segments.entries())


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs /dev/full")
def test_without_room_nothing_half_written_stays(archive, monkeypatch):
    chain = entries(10)
    archive.segments.append(chain[:5])
    before = archive.segments.files()[0].read_bytes()
    real, left = os.write, [700]

    def write_some(descriptor: int, content) -> int:
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        written = real(descriptor, content[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr("os.write", write_some)
    with pytest.raises(StorageFull, match="No space left"):
        archive.segments.append(chain[5:])
    monkeypatch.undo()
    assert archive.segments.files()[0].read_bytes() == before
    archive.segments.append(chain[5:])
    assert [sealed.sequence for sealed in archive.segments.entries()] == list(range(1, 11))


def test_the_newest_entry_noted_is_found_again_also_when_one_place_is_damaged(tmp_path):
    chain = entries(5)
    seen = LastSeen(tmp_path)
    assert seen.read() is None
    for sealed in chain:
        seen.note(sealed)
    assert seen.read().digest == chain[4].digest
    path = tmp_path / "last-1"
    path.write_bytes(path.read_bytes()[:-3] + b"???")
    assert LastSeen(tmp_path).read().digest == chain[3].digest
    seen.close()


def test_frames_longer_than_any_entry_are_damage_and_not_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(InvalidContent):
        list(read_frames(path))


# ---- the folder -----------------------------------------------------------------------------------------


def test_one_process_writes_and_the_next_takes_over_when_it_ends(tmp_path, archive):
    second = Archive.open(tmp_path / "archive")
    assert not second.claim("other")
    assert second.writer() == "me"
    archive.close()
    (tmp_path / "archive" / "temp" / "half.car").write_bytes(b"left by a crash")
    assert second.claim("other")
    assert second.writer() == "other"
    assert not list((tmp_path / "archive" / "temp").iterdir())
    second.close()


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    with pytest.raises(BadRequest, match="neither empty nor an archive"):
        Archive.open(tmp_path / "letters")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadRequest, match="journal_base_path"):
        Archive.open(tmp_path / "file")
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["dear.txt"]


# ---- the archiver ---------------------------------------------------------------------------------------


def archiver_of(one, log, trees, archive, retention=None, policy=FOREVER):
    made = []

    async def tell(manifest):
        made.append(manifest)

    archiver = Archiver(
        log, trees, one.head, archive, policy, retention or Retention(100_000, 16), "me", tell
    )
    archiver.made = made
    return archiver


@pytest.fixture
async def running(archive):
    log, trees = MemoryLog(), MemoryTrees()
    async with process(log, trees) as one:
        yield one, log, trees, archive


async def test_entries_are_archived_and_a_checkpoint_builds_on_the_one_before(running):
    one, log, trees, archive = running
    archiver = archiver_of(one, log, trees, archive)
    await one.do(write("/a", "x" * 10_000))
    first = await archiver.checkpoint(whole=False)
    assert (first.base, first.sequence, first.blocks) == (None, 1, 1)
    assert (await archiver.checkpoint(whole=False)).id == first.id
    await one.do(write("/b", "1"))
    second = await archiver.checkpoint(whole=False)
    assert (second.base, second.entries, second.root) == (first.id, 1, one.head.position.root)
    assert [m.id for m in archive.checkpoints.chain(second)] == ["1", "2"]
    assert [e.sequence for e in archive.segments.entries()] == [1, 2]
    whole = await archiver.checkpoint(whole=True)
    assert whole.base is None
    assert [m.id for m in archiver.made] == ["1", "2", "2"]
    assert trees.names["fs-checkpoint/2"] == second.root


async def test_a_checkpoint_is_due_after_so_many_entries(running):
    one, log, trees, archive = running
    archiver = archiver_of(
        one, log, trees, archive, policy=FOREVER.model_copy(update={"max_journal_size": 3})
    )
    for n in range(7):
        await one.do(write("/a", str(n)))
        await archiver.tend()
    assert [m.sequence for m in archive.checkpoints.all()] == [3, 6]


async def test_old_checkpoints_segments_and_entries_go_but_never_what_a_kept_one_builds_on(
    running, monkeypatch
):
    monkeypatch.setattr("cidbus.actors.journal.archive.segments.SEGMENT_BYTES", 1)
    one, log, trees, archive = running
    archiver = archiver_of(one, log, trees, archive, Retention(entries=3, checkpoints=2))
    for n in range(10):
        await one.do(write("/a", str(n)))
        await archiver.checkpoint(whole=n in (0, 4, 8))
    assert [m.sequence for m in archive.checkpoints.all()][-2:] == [9, 10]
    for manifest in archive.checkpoints.all()[-2:]:
        archive.checkpoints.chain(manifest)
    state = await log.state()
    assert (state.first, state.last) == (7, 10)
    kept = {name for name in trees.names if name.startswith("fs/")}
    assert len(kept) == 4
    checkpoints = {int(name.rpartition("/")[2]) for name in trees.names if name.startswith("fs-checkpoint/")}
    assert checkpoints == {m.sequence for m in archive.checkpoints.all()}


async def test_without_room_no_checkpoint_and_nothing_half_made_is_left(running, monkeypatch):
    one, log, trees, archive = running
    archiver = archiver_of(one, log, trees, archive)
    await one.do(write("/a", "1"))

    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    await archiver.tend()
    monkeypatch.setattr("cidbus.actors.journal.archive.checkpoints.os.fsync", no_room)
    with pytest.raises(StorageFull):
        await archiver.checkpoint(whole=False)
    monkeypatch.undo()
    assert archive.checkpoints.all() == []
    assert not list((archive.path / "temp").iterdir())
    assert (await archiver.checkpoint(whole=False)).sequence == 1


async def test_a_damaged_log_is_set_aside_and_written_anew_and_sound_checkpoints_stay(running):
    """The first is whole, the second damaged, the third builds on that, the fourth is whole again."""
    one, log, trees, archive = running
    archiver = archiver_of(one, log, trees, archive)
    for n in range(4):
        await one.do(write("/a", str(n)))
        await archiver.checkpoint(whole=n in (0, 3))
    first, second, third, last = archive.checkpoints.all()
    assert (second.base, third.base) == ("1", "2")
    flip(archive.segments.files()[0])
    flip(archive.checkpoints.path_of(second))
    await one.do(write("/b", "1"))
    again = archiver_of(one, log, trees, archive)
    await again.tend()
    assert archive.checkpoints.all() == [first, last] == archive.checkpoints.intact()
    assert [e.sequence for e in archive.segments.entries()] == [1, 2, 3, 4, 5]
    [aside] = archive.path.glob("damaged-*")
    assert {path.stem for path in (aside / "checkpoints").iterdir()} == {"2", "3"}
    assert (await again.checkpoint(whole=False)).base == "4"


async def test_checkpoints_stay_where_the_stream_begins_behind_entries_of_the_damaged_log(running):
    one, log, trees, archive = running
    archiver = archiver_of(one, log, trees, archive)
    for n in range(6):
        await one.do(write("/a", str(n)))
        if n in (1, 3):
            await archiver.checkpoint(whole=False)
    await archiver.tend()
    flip(archive.segments.files()[0])
    await log.purge(4)
    one.head.forget(4)
    await archiver_of(one, log, trees, archive).tend()
    assert [m.sequence for m in archive.checkpoints.all()] == [2, 4]
    assert [e.sequence for e in archive.segments.entries()] == [4, 5, 6]


def flip(path: Path, at: int = 40) -> None:
    content = bytearray(path.read_bytes())
    content[min(at, len(content) - 1)] ^= 1
    path.write_bytes(content)


async def test_an_archive_that_was_away_while_the_stream_was_shortened_goes_on_from_a_checkpoint(running):
    one, log, trees, archive = running
    for n in range(6):
        await one.do(write("/a", str(n)))
    await log.purge(5)
    one.head.reset(one.head.position)
    archiver = archiver_of(one, log, trees, archive)
    await archiver.tend()
    assert [m.sequence for m in archive.checkpoints.all()] == [6]
    await one.do(write("/a", "6"))
    await archiver.tend()
    assert [e.sequence for e in archive.segments.entries(archive.checkpoints.all()[-1].position)] == [7]


async def test_trees_of_commits_that_no_entry_knows_are_let_go_when_they_are_old(running):
    one, log, trees, archive = running
    await one.do(write("/a", "1"))
    root = one.head.position.root
    old, new = "fs/000000000001-aaaaaaaa-00000000", "fs/ffffffffffff-aaaaaaaa-00000000"
    for name in (old, new, "fs/tx/a-1-b", "other"):
        await trees.keep(name, root)
    assert await archiver_of(one, log, trees, archive).reconcile() == 1
    assert old not in trees.names
    assert {new, "fs/tx/a-1-b", "other"} < set(trees.names)


async def test_trees_of_entries_that_the_archive_alone_has_are_not_let_go(running, monkeypatch):
    one, log, trees, archive = running
    for n in range(3):
        await one.do(write("/a", str(n)))
    archiver = archiver_of(one, log, trees, archive)
    await archiver.tend()
    kept = dict(trees.names)
    await log.purge(3)  # as a lost stream that was made anew
    monkeypatch.setattr("cidbus.actors.journal.archive.archiver.STALE_S", -60.0)
    assert (await archiver.reconcile(), trees.names) == (0, kept)
    archive.set_aside()
    assert await archiver.reconcile() == 2


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_blocks_of_a_car_are_counted_however_it_is_cut(step):
    sections = [b"h" * 60, b"a", b"b" * 200, b"c" * 40_000, b""]
    car = b"".join(_varint(len(s)) + s for s in sections[:4])
    counter = SectionCounter()
    for start in range(0, len(car), step):
        counter.feed(car[start : start + step])
    assert counter.blocks == 3


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_the_first_entry_follows_nothing():
    assert entries(1)[0].record.previous == GENESIS


async def test_upkeep_goes_on_after_a_failure(running):
    one, log, trees, archive = running
    archiver = archiver_of(one, log, trees, archive, policy=FOREVER.model_copy(update={"sync_interval": 0}))
    fails = [True]

    def refuse() -> bool:
        if fails[0]:
            raise StorageFull("no room for it")
        return True

    real = archive.claim
    archive.claim = lambda instance: refuse() and real(instance)
    task = asyncio.create_task(archiver.run())
    await one.do(write("/a", "1"))
    async with asyncio.timeout(5):
        while archiver.problem is None:
            await asyncio.sleep(0)
        fails[0] = False
        while archiver.archived_sequence != 1:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert archiver.problem is None
