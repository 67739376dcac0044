"""A directory and the tree, synced both ways: equal afterwards, all at once, and only for what changed."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.journal import transactions
from cidbus.client import Client, applying
from cidbus.schemas.errors import BadRequest, Conflict, Unavailable
from cidbus.schemas.tree import MAX_OPERATIONS
from cidbus.sync import Options, Report, memory, sync_down, sync_up, upward
from cidbus.sync.report import Silent
from cidbus.sync.scan import DRAFT

from .conftest import files_below, tree_below


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "deep" / "er").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / ".hidden").write_bytes(b"h")
    (top / "one.txt").write_bytes(b"one")
    (top / "deep" / "er" / "two.bin").write_bytes(os.urandom(3_000_000))
    (top / "deep" / "link").symlink_to("../one.txt")
    return top


@pytest.fixture
def up(client: Client, top: Path, tmp_path: Path):
    """Sync the directory to /there."""

    async def up(**options: Any) -> Report:
        return await sync_up(client, top, "/there", memory=tmp_path / "memory", options=Options(**options))

    return up


@pytest.fixture
def exact_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files here are changed no faster than their clock ticks."""
    monkeypatch.setattr(memory, "TICK_NS", 0)


# ---- up -------------------------------------------------------------------------------------------------


async def test_the_tree_becomes_as_the_directory_is(client: Client, top: Path, up):
    report = await up()
    assert await tree_below(client, "/there") == files_below(top)
    assert (report.files, report.directories, report.symlinks) == (3, 3, 1)
    stat = await client.journal.stat(path="/there")
    assert (stat.root, stat.sequence) == (report.root, report.sequence)


@pytest.mark.usefixtures("exact_times")
async def test_only_what_changed_is_read_and_sent(client: Client, top: Path, up):
    await up()
    again = await up()
    assert (again.files, again.read, again.sent, again.sequence) == (0, 0, 0, None)
    (top / "one.txt").write_bytes(b"two")
    changed = await up()
    assert (changed.files, changed.sent, changed.sent_bytes) == (1, 1, 3)
    os.utime(top / "one.txt", (1, 1))
    touched = await up()
    assert (touched.read, touched.sent) == (1, 0)
    assert await tree_below(client, "/there") == files_below(top)


async def test_without_memory_files_are_read_and_nothing_is_sent(
    client: Client, top: Path, tmp_path: Path, up
):
    await up()
    report = await sync_up(client, top, "/there", memory=tmp_path / "another")
    assert (report.read, report.sent, report.sequence) == (3, 0, None)
    checked = await up(checksum=True)
    assert (checked.read, checked.sent) == (3, 0)


async def test_what_only_the_tree_has_goes_when_that_is_asked_for(client: Client, top: Path, up):
    await up()
    await client.journal.write("x", "/there/deep/more/x", parents=True)
    await client.journal.write("k", "/there/deep/more/keep.me")
    await up()
    assert "deep/more/x" in await tree_below(client, "/there")
    await up(delete=True, exclude=("keep.me",))
    assert (await tree_below(client, "/there")).keys() - files_below(top).keys() == {
        "deep/more",
        "deep/more/keep.me",
    }
    await up(delete=True)
    assert await tree_below(client, "/there") == files_below(top)


async def test_a_directory_gives_way_to_a_file_only_with_delete(client: Client, top: Path, up):
    await client.journal.write("x", "/there/one.txt/x", parents=True)
    with pytest.raises(Conflict, match=r"one\.txt"):
        await up()
    with pytest.raises(Conflict, match=r"one\.txt"):
        await up(delete=True, exclude=("x",))
    await up(delete=True)
    assert await tree_below(client, "/there") == files_below(top)


async def test_a_dry_run_tells_all_and_does_nothing(client: Client, up):
    await client.journal.mkdir("/there")
    before = (await client.journal.stat()).root
    report = await up(dry_run=True)
    assert (report.files, report.directories, report.symlinks, report.sent_bytes) == (3, 3, 1, 3_000_004)
    assert (await client.journal.stat()).root == before
    assert [root.name async for root in client.ipfs.root_ls(prefix="fs/sync/")] == []


async def test_what_cannot_be_in_the_tree_is_refused_before_anything_is_written(
    client: Client, top: Path, up
):
    (top / "out").symlink_to("../..")
    before = (await client.journal.stat()).root
    with pytest.raises(BadRequest, match="'out'"):
        await up()
    assert (await client.journal.stat()).root == before
    await up(exclude=("out",))


@pytest.mark.usefixtures("exact_times")
async def test_an_interrupted_sync_goes_on_where_it_was(
    client: Client, top: Path, up, monkeypatch: pytest.MonkeyPatch
):
    async def breaks(*_: Any, **__: Any) -> Any:
        raise Unavailable("gone")

    monkeypatch.setattr(client.journal, "apply", breaks)
    with pytest.raises(Unavailable):
        await up()
    monkeypatch.undo()
    monkeypatch.setattr(memory, "TICK_NS", 0)
    (top / "late.txt").write_bytes(b"late")
    report = await up()
    assert (report.files, report.sent, report.sent_bytes) == (4, 1, 4)
    assert await tree_below(client, "/there") == files_below(top)
    assert [root.name async for root in client.ipfs.root_ls(prefix="fs/sync/")] == []


async def test_a_large_sync_is_one_journal_entry(
    client: Client, top: Path, up, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applying, "PART_OPERATIONS", 40)
    monkeypatch.setattr(upward, "BATCH_FILES", 30)
    for number in range(100):
        (top / f"file {number}").write_bytes(b"%d" % number)
    await client.journal.mkdir("/before")
    sequence = (await client.journal.stat()).sequence
    report = await up()
    assert sequence is not None
    assert report.sequence == sequence + 1
    assert await tree_below(client, "/there") == files_below(top)


async def test_more_than_a_transaction_takes_is_placed_by_several(
    client: Client, top: Path, up, monkeypatch: pytest.MonkeyPatch
):
    for module in (upward, applying, transactions):
        monkeypatch.setattr(module, "MAX_OPERATIONS", 10)
    monkeypatch.setattr(applying, "PART_OPERATIONS", 4)
    await client.journal.write("x", "/there/link 0/x", parents=True)
    for number in range(25):
        (top / f"link {number}").symlink_to("one.txt")
    before = (await client.journal.stat()).sequence
    report = await up(delete=True)
    assert before is not None
    assert report.sequence == before + 4, "33 operations, of which those of one path stay together"
    assert await tree_below(client, "/there") == files_below(top)
    for number in range(25):
        (top / f"link {number}").unlink()
    await up(delete=True)
    assert await tree_below(client, "/there") == files_below(top)


@pytest.mark.usefixtures("exact_times")
async def test_what_the_first_transactions_have_placed_stays_when_a_later_one_fails(
    client: Client, top: Path, up, monkeypatch: pytest.MonkeyPatch
):
    for module in (upward, applying, transactions):
        monkeypatch.setattr(module, "MAX_OPERATIONS", 3)
    applied = client.journal.apply
    calls = itertools.count()

    async def breaks(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 2:
            raise Unavailable("gone")
        return await applied(*args, **kwargs)

    monkeypatch.setattr(client.journal, "apply", breaks)
    with pytest.raises(Unavailable):
        await up()
    assert len(await tree_below(client, "/there")) == 5
    report = await up()
    assert report.sent == 0
    assert await tree_below(client, "/there") == files_below(top)


async def test_a_file_that_changes_while_it_is_read_waits_for_the_next_run(
    client: Client, top: Path, tmp_path: Path
):
    class Meddler(Silent):
        def phase(self, name: str, total_bytes: int | None) -> None:
            self.sending = name == "sending"

        def advance(self, size_bytes: int) -> None:
            if self.sending:
                self.sending = False
                with (top / "deep" / "er" / "two.bin").open("ab") as file:
                    file.write(b" more")

    report = await sync_up(client, top, "/there", memory=tmp_path / "m", watch=Meddler())
    assert report.unsettled == ["deep/er/two.bin"]
    assert (await tree_below(client, "/there")).keys() == files_below(top).keys() - {"deep/er/two.bin"}
    await sync_up(client, top, "/there", memory=tmp_path / "m")
    assert await tree_below(client, "/there") == files_below(top)


def test_a_part_is_no_more_than_the_journal_takes():
    assert applying.PART_OPERATIONS <= MAX_OPERATIONS


# ---- down -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exact_times")
async def test_a_directory_becomes_as_the_tree_is(client: Client, top: Path, tmp_path: Path, up):
    await up()
    copy = tmp_path / "copy"
    await sync_down(client, "/there", copy, memory=tmp_path / "m")
    assert files_below(copy) == files_below(top)
    again = await sync_down(client, "/there", copy, memory=tmp_path / "m")
    assert (again.read, again.sent) == (0, 0)


async def test_local_entries_go_only_with_delete_and_never_what_is_excluded(
    client: Client, top: Path, tmp_path: Path, up
):
    await up()
    copy = tmp_path / "copy"
    (copy / "old" / "sub").mkdir(parents=True)
    (copy / "old" / "sub" / "x").touch()
    (copy / "old" / "keep.me").touch()
    await sync_down(client, "/there", copy, memory=tmp_path / "m")
    assert (copy / "old" / "sub" / "x").exists()
    options = Options(delete=True, exclude=("keep.me",))
    await sync_down(client, "/there", copy, memory=tmp_path / "m", options=options)
    assert files_below(copy).keys() - files_below(top).keys() == {"old", "old/keep.me"}


async def test_what_a_killed_sync_has_left_is_removed_by_the_next_and_never_sent(
    client: Client, top: Path, tmp_path: Path, up, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    await up()
    copy = tmp_path / "copy"
    with monkeypatch.context() as patch:
        for method in ("replace", "unlink"):
            patch.setattr(Path, method, killed)
        with pytest.raises(Killed):
            await sync_down(client, "/there", copy, memory=tmp_path / "m")
    left = [path for path in files_below(copy) if DRAFT.fullmatch(Path(path).name)]
    assert left

    of_another = f".cidbus-sync-{'0' * 16}-{'1' * 8}"
    (copy / of_another).write_bytes(b"on its way")
    await sync_up(client, copy, "/back", memory=tmp_path / "m")
    assert not [path for path in await tree_below(client, "/back") if "cidbus-sync" in path]
    await sync_down(client, "/there", copy, memory=tmp_path / "m", options=Options(delete=True))
    assert files_below(copy) == files_below(top) | {of_another: b"on its way"}


async def test_links_of_the_tree_that_lead_out_of_the_directory_are_refused(client: Client, tmp_path: Path):
    await client.journal.write("x", "/secret")
    await client.journal.symlink("/part/link", "../secret", parents=True)
    with pytest.raises(BadRequest, match="link"):
        await sync_down(client, "/part", tmp_path / "copy", memory=tmp_path / "m")
    assert files_below(tmp_path / "copy") == {}


# ---- any edits ------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "a-b", "é", ".h", "x y"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
EDITS = st.one_of(
    st.tuples(st.just("write"), PATHS, st.sampled_from([b"", b"1", b"22", bytes(70_000)])),
    st.tuples(st.just("mkdir"), PATHS, st.none()),
    st.tuples(st.just("link"), PATHS, NAMES),
    st.tuples(st.just("remove"), PATHS, st.none()),
    st.tuples(st.just("drift"), PATHS, st.none()),
)
numbers = itertools.count()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(EDITS, max_size=8), min_size=1, max_size=4))
async def test_after_any_edits_both_sides_are_equal(client: Client, tmp_path: Path, rounds):
    number = next(numbers)
    top, copy, path = tmp_path / f"top{number}", tmp_path / f"copy{number}", f"/any/{number}"
    top.mkdir()
    delete = Options(delete=True)
    for edits in rounds:
        for how, where, what in edits:
            await edit(client, top, path, how, where, what)
        await sync_up(client, top, path, memory=tmp_path / "up", options=delete)
        assert await tree_below(client, path) == files_below(top)
        await sync_down(client, path, copy, memory=tmp_path / "down", options=delete)
        assert files_below(copy) == files_below(top)


async def edit(client: Client, top: Path, path: str, how: str, where: str, what: Any) -> None:
    """One change of the directory, or (`drift`) of the tree; what cannot be done here is not done."""
    at = top / where
    if how == "drift":
        try:
            await client.journal.write("drifted", f"{path}/{where}", parents=True)
        except (BadRequest, Conflict):
            return
        return
    try:
        if how == "remove":
            remove(at)
        elif how == "mkdir":
            at.mkdir(parents=True)
        else:
            at.parent.mkdir(parents=True, exist_ok=True)
            if at.is_symlink():
                at.unlink()
            at.write_bytes(what) if how == "write" else at.symlink_to(what)
    except OSError:
        return


def remove(at: Path) -> None:
    if at.is_symlink() or at.is_file():
        at.unlink()
        return
    for below in at.iterdir():
        remove(below)
    at.rmdir()
