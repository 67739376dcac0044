"""Loss drills on real parts: stream, archive and blocks lost or damaged; recovered, or refused clearly."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import until

from cidbus.bus import server
from cidbus.schemas import ipfs, journal, journaling, subjects
from cidbus.schemas.errors import StorageFull, Unavailable

from .conftest import System, system_in

Damage = Callable[[Path], None]


def lose_stream(folder: Path) -> None:
    shutil.rmtree(folder / "server" / "nats" / "jetstream")


def lose_archive(folder: Path) -> None:
    shutil.rmtree(folder / "journal" / "archive")


def lose_note(folder: Path) -> None:
    for path in (folder / "journal").glob("last-*"):
        path.unlink()


def lose_blocks(folder: Path) -> None:
    shutil.rmtree(folder / "ipfs")


def flip_stream(sequence: int) -> Damage:
    """A byte of an entry in the stream's file."""

    def flip(folder: Path) -> None:
        [block] = (folder / "server" / "nats" / "jetstream").rglob("CIDBUS_JOURNAL/msgs/*.blk")
        flip_byte(block, block.read_bytes().index(b'{"sequence":%d,' % sequence) + 5)

    return flip


def flip_segment(part: float) -> Damage:
    def flip(folder: Path) -> None:
        [segment] = (folder / "journal" / "archive" / "journals").glob("*.log")
        flip_byte(segment, int(segment.stat().st_size * part))

    return flip


def flip_checkpoint(folder: Path) -> None:
    newest = max(
        (folder / "journal" / "archive" / "checkpoints").glob("*.car"), key=lambda path: int(path.stem)
    )
    flip_byte(newest, newest.stat().st_size // 2)


def flip_byte(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


async def build(folder: Path) -> str:
    """Twelve entries, a checkpoint after the sixth; all are archived. Returns the root at the end."""
    async with system_in(folder) as fs:
        for number in range(12):
            root = (await fs.write(f"/{number % 3}", str(number))).root
            if number in (5, 11):
                await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
    return root


async def verify(fs: System) -> list[str]:
    return (await fs.bus.request(subjects.JOURNAL_VERIFY, journaling.VerifyJournal())).problems


DRILLS = {
    "the stream": [lose_stream],
    "the stream and the note": [lose_stream, lose_note],
    "the archive": [lose_archive],
    "the archive and the note": [lose_archive, lose_note],
    "a byte at the start of the stream": [flip_stream(1)],
    "a byte in the middle of the stream": [flip_stream(7)],
    "entries in the middle of the stream": [flip_stream(3), flip_stream(4), flip_stream(5), flip_stream(7)],
    "a byte at the end of the stream": [flip_stream(12)],
    "a byte at the end of the stream, and the note": [flip_stream(12), lose_note],
    "a byte at the end of the stream, and the archive": [flip_stream(12), lose_archive],
    "a byte in the archive": [flip_segment(0.5)],
    "a byte of a checkpoint": [flip_checkpoint],
    "the blocks": [lose_blocks],
    "the stream, the note and the blocks": [lose_stream, lose_note, lose_blocks],
}


# What recovering does not look at, or cannot bring back, and verifying tells.
TOLD = {
    "a byte at the start of the stream": ["stream: entry 1 is missing or damaged"],
    "a byte in the middle of the stream": ["stream: entry 7 is missing or damaged"],
    "entries in the middle of the stream": [
        "stream: entries 3 to 5 are missing or damaged",
        "stream: entry 7 is missing or damaged",
    ],
    "a byte of a checkpoint": ["SHA-256"],
    "the blocks": ["is not here"] * 10,
}


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.replace(" ", "_"))
async def test_after_losing_one_thing_the_tree_is_what_was_acknowledged(tmp_path: Path, drill: str):
    root = await build(tmp_path)
    for damage in DRILLS[drill]:
        damage(tmp_path)
    async with system_in(tmp_path) as fs:
        status = await fs.status()
        assert (status.root, status.total_entries) == (root, 12)
        assert [await fs.read(f"/{number}") for number in range(3)] == [b"9", b"10", b"11"]
        await fs.write("/more", "goes on")
        told, problems = TOLD.get(drill, []), await verify(fs)
        assert len(problems) == len(told), problems
        assert all(part in problem for part, problem in zip(told, problems, strict=True))
        if told and told[0].startswith("stream"):
            await fs.bus.request(subjects.JOURNAL_RECOVER, journaling.Recover())
            assert await verify(fs) == []
            assert (await fs.stat("/more")).sequence == 13
        made = await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest(whole=True))
        assert (made.base, made.sequence) == (None, (await fs.stat("/")).sequence)


async def test_after_losing_the_stream_every_earlier_state_can_still_be_told_of_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cidbus.actors.journal.archive.segments.SEGMENT_BYTES", 1500)
    await build(tmp_path)
    async with system_in(tmp_path) as fs:
        written = await log(fs, after=0)
    lose_stream(tmp_path)
    async with system_in(tmp_path) as fs:
        assert [entry.sequence for entry in await log(fs)] == [*range(13, 0, -1)]
        assert (await log(fs, after=0))[:12] == (await log(fs))[:0:-1] == written
        assert [entry.sequence for entry in await log(fs, after=4, limit=3)] == [5, 6, 7]
        assert [entry.sequence for entry in await log(fs, path="/1", limit=2)] == [11, 8]
        assert (await fs.status()).first_sequence == 1
        await fs.bus.request(subjects.REPO_GC, ipfs.RepoGc())
        for entry in written:
            for moment in (str(entry.sequence), f"@{entry.at!r}"):
                seen = await fs.stat("/", at=moment)
                assert (seen.root, seen.sequence) == (entry.root, entry.sequence)
            assert await fs.read(entry.paths[0], at=str(entry.sequence)) == b"%d" % (entry.sequence - 1)
        assert await fs.names(at="0") == []
        diff = journal.DiffStates(before="3", after="5")
        assert [d.path async for d in fs.bus.items(subjects.FS_DIFF, diff)] == ["/0", "/1"]


async def log(fs: System, **fields: object) -> list[journaling.Entry]:
    return [entry async for entry in fs.bus.items(subjects.JOURNAL_LOG, journaling.LogRequest(**fields))]


async def test_what_nothing_proves_is_refused_clearly_and_given_up_only_when_asked(tmp_path: Path):
    """The blocks of the newest trees are gone, and no checkpoint has them."""
    await build(tmp_path)
    async with system_in(tmp_path) as fs:
        await fs.write("/late", "behind the last checkpoint")
    lose_blocks(tmp_path)
    async with system_in(tmp_path) as fs:
        for _ in range(2):
            with pytest.raises(Unavailable, match="neither here nor in a checkpoint"):
                await fs.names()
        with pytest.raises(Unavailable):
            await fs.write("/x", "x")
        assert "neither here nor in a checkpoint" in (await fs.status()).message
        recovered = await fs.bus.request(subjects.JOURNAL_RECOVER, journaling.Recover())
        assert (recovered.source, recovered.lost_entries) == ("checkpoint", 1)
        assert await fs.names() == ["0", "1", "2"]
        assert (await fs.status()).message is None


async def test_without_leave_to_recover_a_lost_stream_is_refused_until_asked(tmp_path: Path):
    root = await build(tmp_path)
    lose_stream(tmp_path)
    async with system_in(tmp_path, auto_recovery=False) as fs:
        with pytest.raises(Unavailable, match=r"ask for journal\.recover"):
            await fs.names()
        recovered = await fs.bus.request(subjects.JOURNAL_RECOVER, journaling.Recover())
        assert (recovered.source, recovered.root) == ("archive", root)
        assert len(await fs.names()) == 3


async def test_a_stream_lost_under_a_running_system_loses_nothing(tmp_path: Path):
    """Three processes live on while the server comes back without what it had."""
    async with system_in(tmp_path, journals=3) as fs:
        for number in range(5):
            last = await fs.write("/a", str(number))
        fs.server.kill()
        await fs.server.wait()
        lose_stream(tmp_path)
        await fs.server.start()
        await until(lambda: _answers(fs))
        for _ in range(6):
            assert await fs.read("/a") == b"4"
        assert (await fs.stat("/")).root == last.root
        assert (await fs.write("/a", "5")).sequence == 7
        assert (await fs.status()).completed_entries == 6


async def test_a_stream_without_room_refuses_changes_and_leaves_the_tree(tmp_path: Path, monkeypatch):
    whole = server.render_config
    monkeypatch.setattr(
        server, "render_config", lambda *a, **k: whole(*a, **k).replace("max_file: 10GB", "max_file: 64KB")
    )
    async with system_in(tmp_path) as fs:
        with pytest.raises(StorageFull):
            for number in range(1000):
                last = await fs.write(f"/{number}", "x")
        assert last.sequence > 10
        assert (await fs.stat("/")).root == last.root
        with pytest.raises(StorageFull):
            await fs.write("/more", "x")
        assert (await fs.stat("/")).root == last.root
        assert await verify(fs) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
async def test_an_archive_without_room_says_so_and_has_nothing_half_written(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        async with system_in(tmp_path) as fs:
            ask = journaling.EnableJournaling(journal_base_path=str(small / "archive"), sync_interval=3600)
            await fs.bus.request(subjects.JOURNAL_ENABLE, ask)
            await fs.write("/a", "fits")
            await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
            last = await fs.write_stream("/large", os.urandom(300_000))
            with pytest.raises(StorageFull):
                await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
            assert (await fs.stat("/")).root == last.root
            assert await verify(fs) == []
            assert not list((small / "archive" / "temp").iterdir())
            await fs.bus.request(subjects.FS_RM, journal.RemoveEntry(path="/large"))
            made = await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
            assert made.sequence == 3
    finally:
        subprocess.run(["umount", small], check=True)


async def _answers(fs: System) -> bool:
    """Whether client and actors have found the server again."""
    try:
        return bool(await fs.stat("/"))
    except Unavailable:
        return False


async def test_an_archive_deleted_under_a_running_system_is_written_anew(tmp_path: Path):
    async with system_in(tmp_path) as fs:
        await fs.write("/a", "1")
        await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
        lose_archive(tmp_path)
        await fs.write("/a", "2")
        made = await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
        assert (made.base, made.sequence) == (None, 2)
        verified = await fs.bus.request(subjects.JOURNAL_VERIFY, journaling.VerifyJournal())
        assert (verified.problems, verified.archived_entries, verified.checkpoints) == ([], 2, 1)
