"""Rows that read the tree, of now and of the past."""

from __future__ import annotations

import time

import pytest

from cidbus.schemas import ipfs, journal, journaling, subjects
from cidbus.schemas.errors import BadRequest, NotAFile, NotFound

from .conftest import System


async def test_listing_finding_and_measuring(fs: System):
    for path in ("/a/x.jpg", "/a/b/y.jpg", "/a/b/z.txt"):
        await fs.write(path, path)
    assert await fs.names("/a") == ["b", "x.jpg"]
    assert await fs.names("/a", recursive=True) == ["b", "y.jpg", "z.txt", "x.jpg"]
    found = journal.FindPath(path="/", glob="*.jpg")
    assert [e.path async for e in fs.bus.items(subjects.FS_FIND, found)] == ["/a/b/y.jpg", "/a/x.jpg"]
    usage = await fs.bus.request(subjects.FS_DU, journal.UsePath(path="/a"))
    assert (usage.files, usage.directories) == (3, 2)
    async with await fs.bus.open(subjects.FS_LS, journal.ListPath(path="/a")) as stream:
        head = stream.head
    assert (head.sequence, head.root) == (3, (await fs.stat("/")).root)
    with pytest.raises(NotAFile):
        await fs.read("/a")
    with pytest.raises(NotFound):
        await fs.read("/none")


async def test_a_read_sees_what_was_acknowledged_whichever_process_answers(three: System):
    for number in range(60):
        changed = await three.write("/counter", str(number))
        found = await three.stat("/counter")
        assert (found.sequence, found.root) == (changed.sequence, changed.root)
        assert await three.read("/counter") == str(number).encode()


async def test_every_state_can_be_read_again(fs: System):
    before = time.time()
    first = await fs.write("/a", "1")
    between = time.time()
    second = await fs.write("/a", "2")
    for moment, content in (
        ("1", b"1"), ("2", b"2"), (f"@{between}", b"1"), (f"@{time.time()}", b"2"), (first.root, b"1"),
    ):  # fmt: skip
        assert await fs.read("/a", at=moment) == content
    assert (await fs.stat("/", at=f"@{before}")).sequence == 0
    assert await fs.names(at="0") == []
    for moment in ("3", "99999999999999999"):
        with pytest.raises(NotFound):
            await fs.stat("/a", at=moment)
    for moment in ("@", "@nan", "yesterday", "-1"):
        with pytest.raises(BadRequest):
            await fs.stat("/a", at=moment)
    diff = journal.DiffStates(before=first.root)
    [difference] = [d async for d in fs.bus.items(subjects.FS_DIFF, diff)]
    assert (difference.path, difference.change, difference.after) == ("/a", "changed", second.outcome.cid)
    diff = journal.DiffStates(before="0", after="2")
    assert [d.change async for d in fs.bus.items(subjects.FS_DIFF, diff)] == ["added"]


async def test_a_path_is_exported_as_a_cid_and_pinned_when_asked(fs: System):
    await fs.write("/d/a", "content")
    exported = await fs.bus.request(subjects.FS_EXPORT, journal.ExportPath(path="/d", pin=True))
    assert exported.cid == (await fs.stat("/d")).cid
    assert exported.cid in [pin.cid async for pin in fs.bus.items(subjects.PINS, ipfs.PinList())]


async def test_states_that_are_forgotten_are_said_to_be(tmp_path):
    from .conftest import system_in

    async with system_in(tmp_path, keep_entries=0) as fs:
        for number in range(5):
            await fs.write("/a", str(number))
        ask = journaling.LogRequest(after=0)
        written = [entry async for entry in fs.bus.items(subjects.JOURNAL_LOG, ask)]
        await fs.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
        for moment in ("2", f"@{written[1].at}"):
            with pytest.raises(NotFound, match="entry 2 is in the archive alone"):
                await fs.stat("/a", at=moment)
        assert await fs.read("/a", at="4") == b"3"  # what the oldest entry began with
        with pytest.raises(NotFound):
            await fs.stat("/a", at="@5.0")
        # What happened is told further back than what can be read.
        told = [entry async for entry in fs.bus.items(subjects.JOURNAL_LOG, journaling.LogRequest())]
        assert told == written[::-1]
        assert (await fs.status()).first_sequence == 5
