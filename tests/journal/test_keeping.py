"""Rows about the journal itself: entries, numbers, the archive, checkpoints and going back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cidbus.actors.journal.settings import JournalSettings
from cidbus.schemas import ipfs, journal, journaling, subjects
from cidbus.schemas.errors import BadRequest, Conflict, NotFound

from .conftest import System, system_in


async def log(fs: System, **fields) -> list[journaling.Entry]:
    return [entry async for entry in fs.bus.items(subjects.JOURNAL_LOG, journaling.LogRequest(**fields))]


async def checkpoint(fs: System, **fields) -> journaling.Checkpoint:
    return await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest(**fields))


async def enable(fs: System, path, **fields) -> journaling.JournalingEnabled:
    ask = journaling.EnableJournaling(journal_base_path=str(path), **fields)
    return await fs.bus.request(subjects.JOURNAL_ENABLE, ask)


async def test_entries_are_told_newest_first_or_in_order_and_by_path(fs: System):
    for path in ("/a", "/b/c", "/b/d"):
        await fs.write(path, "x")
    assert [entry.sequence for entry in await log(fs)] == [3, 2, 1]
    assert [entry.sequence for entry in await log(fs, after=1)] == [2, 3]
    assert [entry.sequence for entry in await log(fs, limit=1)] == [3]
    assert [entry.sequence for entry in await log(fs, path="/b")] == [3, 2]
    assert [entry.sequence for entry in await log(fs, path="/b/d")] == [3]
    [first] = await log(fs, limit=1, path="/a")
    assert (first.status, first.operations, first.paths) == ("completed", {"create": 1}, ["/a"])


async def test_an_event_tells_of_each_commit(fs: System):
    async with await fs.bus.subscribe(subjects.CHANGED, subjects.CHECKPOINTED) as events:
        changed = await fs.write("/a", "x")
        name, body = await anext(aiter(events))
        told = journal.TreeChanged.from_wire(body)
        assert (name, told.sequence, told.root, told.paths) == ("journal.changed", 1, changed.root, ["/a"])
        made = await checkpoint(fs)
        name, body = await anext(aiter(events))
        assert (name, journaling.CheckpointMade.from_wire(body).id) == ("journal.checkpointed", made.id)


async def test_checkpoints_are_made_listed_and_gone_back_to(three: System):
    await three.write("/a", "1")
    first = await checkpoint(three)
    await three.write("/a", "2")
    second = await checkpoint(three)
    assert (second.base, second.entries) == (first.id, 1)
    assert 0 < second.blocks < 4
    listed = [c async for c in three.bus.items(subjects.JOURNAL_CHECKPOINTS, journaling.CheckpointList())]
    assert [c.id for c in listed] == [second.id, first.id]
    async with await three.bus.subscribe(subjects.RECOVERED) as events:
        back = await three.bus.request(subjects.JOURNAL_RECOVER, journaling.Recover(checkpoint_id=first.id))
        assert (await anext(aiter(events)))[0] == "journal.recovered"
    assert (back.root, back.sequence, back.source) == (first.root, 3, "checkpoint")
    for _ in range(4):
        assert await three.read("/a") == b"1"
    assert await three.read("/a", at="2") == b"2"
    with pytest.raises(NotFound):
        await three.bus.request(subjects.JOURNAL_RECOVER, journaling.Recover(checkpoint_id="99"))
    record = journal.Recorded(operation_type="checkpoint", path="/")
    assert (await three.bus.request(subjects.FS_RECORD, record)).sequence == 3


async def test_a_tree_that_nobody_has_changed_yet_has_a_checkpoint_too(tmp_path: Path):
    async with system_in(tmp_path) as fs:
        empty = await checkpoint(fs)
        assert (empty.sequence, empty.entries, empty.root) == (0, 0, (await fs.stat("/")).cid)
        assert (await checkpoint(fs)).id == empty.id
        await fs.write("/a", "1")
        back = await fs.bus.request(subjects.JOURNAL_RECOVER, journaling.Recover(checkpoint_id=empty.id))
        assert (back.root, back.sequence, await fs.names()) == (empty.root, 2, [])
        await fs.write("/b", "2")
    async with system_in(tmp_path) as fs:
        assert (await fs.names(), (await fs.status()).sequence) == (["b"], 3)


async def test_status_has_true_numbers(fs: System):
    await fs.write("/a", "1")
    with pytest.raises(NotFound):
        await fs.bus.request(subjects.FS_RM, journal.RemoveEntry(path="/none"))
    made = await checkpoint(fs)
    status = await fs.status()
    assert (status.total_entries, status.completed_entries, status.failed_entries) == (1, 1, 0)
    assert (status.last_checkpoint, status.last_checkpoint_id) == (made.at, made.id)
    assert (status.sequence, status.first_sequence, status.archived_sequence) == (1, 1, 1)
    assert status.journal_size_bytes > 100
    assert (status.journal_enabled, status.message) == (True, None)


async def test_the_archive_moves_where_it_is_told_and_stays_there(tmp_path):
    async with system_in(tmp_path, journals=2) as fs:
        await fs.write("/a", "1")
        enabled = await enable(fs, tmp_path / "elsewhere", checkpoint_interval=7)
        assert enabled.journal_base_path == str(tmp_path / "elsewhere")
        made = await checkpoint(fs)
        assert (tmp_path / "elsewhere" / made.file).stat().st_size == made.size_bytes
    async with system_in(tmp_path) as fs:
        status = await fs.status()
        assert (status.journal_base_path, status.checkpoint_interval) == (str(tmp_path / "elsewhere"), 7)
        assert status.checkpoints == 1


async def test_folders_that_are_something_else_are_refused_and_the_archive_stays(fs: System, tmp_path):
    await fs.write("/a", "1")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    with pytest.raises(BadRequest, match="neither empty nor an archive"):
        await enable(fs, tmp_path / "letters")
    async with system_in(tmp_path / "other") as other:
        for number in range(3):
            await other.write("/b", str(number))
        await checkpoint(other)
    with pytest.raises(Conflict, match="another tree"):
        await enable(fs, tmp_path / "other" / "journal" / "archive")
    assert (await checkpoint(fs)).sequence == 1
    assert (await fs.status()).journal_base_path == str(tmp_path / "journal" / "archive")


async def test_a_new_system_takes_over_the_tree_of_an_archive(fs: System, tmp_path):
    async with system_in(tmp_path / "old") as old:
        await old.write("/kept", "content")
        await checkpoint(old)
    await enable(fs, tmp_path / "old" / "journal" / "archive")
    assert await fs.read("/kept") == b"content"
    assert (await fs.status()).completed_entries == 1


async def test_old_entries_are_forgotten_up_to_the_last_checkpoint(fs: System):
    for number in range(5):
        await fs.write("/a", str(number))
    nothing = await fs.bus.request(subjects.JOURNAL_TRUNCATE, journaling.Truncation(before=4))
    assert (nothing.removed, nothing.first_sequence) == (0, 1)
    await checkpoint(fs)
    forgotten = await fs.bus.request(subjects.JOURNAL_TRUNCATE, journaling.Truncation(before=4))
    assert (forgotten.removed, forgotten.first_sequence) == (3, 4)
    assert (await fs.status()).total_entries == 5
    verified = await fs.bus.request(subjects.JOURNAL_VERIFY, journaling.VerifyJournal())
    assert (verified.ok, verified.entries, verified.archived_entries) == (True, 2, 5)


async def test_an_archive_that_is_made_anew_has_what_the_stream_still_has(fs: System):
    for number in range(6):
        await fs.write("/a", str(number))
    await checkpoint(fs)
    await fs.write("/a", "after")
    await fs.bus.request(subjects.JOURNAL_TRUNCATE, journaling.Truncation(before=4))
    shutil.rmtree(fs.folder / "journal" / "archive")
    made = await checkpoint(fs)
    verified = await fs.bus.request(subjects.JOURNAL_VERIFY, journaling.VerifyJournal())
    assert (made.sequence, made.base, verified.ok) == (7, None, True)
    assert verified.archived_entries == verified.entries > 0


async def test_without_an_archive_the_journal_works_and_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    async with system_in(tmp_path, base_path=tmp_path / "file") as fs:
        await fs.write("/a", "1")
        status = await fs.status()
        assert (status.journal_enabled, status.sequence) == (False, 1)
        assert "journal_base_path" in status.message
        await enable(fs, tmp_path / "better")
        assert (await checkpoint(fs)).sequence == 1
        assert (await fs.status()).message is None


async def test_a_collection_leaves_every_state_that_can_be_told_of_and_takes_the_others(fs: System):
    for number in range(4):
        await fs.write("/a", f"content {number}")
    name = (await fs.bus.request(subjects.FS_BEGIN, journal.Begin())).transaction
    await fs.write("/in", "open", transaction=name)
    await fs.bus.request(subjects.REPO_GC, ipfs.RepoGc())
    assert [await fs.read("/a", at=str(n)) for n in range(1, 5)] == [
        f"content {n}".encode() for n in range(4)
    ]
    await fs.commit(name)
    first = (await fs.stat("/a", at="1")).cid
    await checkpoint(fs)
    await fs.bus.request(subjects.JOURNAL_TRUNCATE, journaling.Truncation(before=4))
    await fs.bus.request(subjects.REPO_GC, ipfs.RepoGc())
    assert (await fs.read("/in"), await fs.read("/a")) == (b"open", b"content 3")
    with pytest.raises(NotFound):
        await fs.bus.request(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=first))


def test_callers_do_not_choose_any_folder_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = JournalSettings.of({})
    for given in (
        "relative/path",
        "0",
        "/etc/journal",
        "~/../../etc",
        f"{tmp_path}/../../../../../../../etc",
    ):
        with pytest.raises(BadRequest, match="journal_base_path"):
            settings.archive_path(given, tmp_path)
    assert settings.archive_path("~/.ipfs_kit/journal", tmp_path) == Path.home() / ".ipfs_kit/journal"
    monkeypatch.setenv("CIDBUS_JOURNAL_ARCHIVE_FOLDERS", "/backup:/mnt/other")
    assert JournalSettings.read().archive_path("/mnt/other/j", tmp_path) == Path("/mnt/other/j")
