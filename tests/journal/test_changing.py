"""Rows that change the tree, against the real ipfs actor."""

from __future__ import annotations

import asyncio
import os

import orjson
import pytest

from cidbus.bus.envelope import raise_if_error
from cidbus.schemas import ipfs, journal, subjects, tree
from cidbus.schemas.errors import BadRequest, BusError, Conflict, NotFound

from .conftest import System


async def test_a_small_tree_is_built_changed_and_taken_down(fs: System):
    bus = fs.bus
    await bus.request(subjects.FS_MKDIR, journal.MakeDirectory(path="/a/b", parents=True))
    await fs.write("/a/b/c.txt", "hello")
    await bus.request(subjects.FS_CP, journal.CopyEntry(source="/a/b/c.txt", destination="/d.txt"))
    await bus.request(subjects.FS_MV, journal.MoveEntry(source="/a/b/c.txt", destination="/a/e.txt"))
    await bus.request(subjects.FS_SYMLINK, journal.MakeLink(path="/link", target="a/e.txt"))
    await bus.request(subjects.FS_TRUNCATE, journal.TruncateFile(path="/d.txt", size_bytes=4))
    await bus.request(subjects.FS_CHMOD, journal.Chmod(path="/d.txt", mode=0o600))
    await bus.request(subjects.FS_METADATA, journal.SetMetadata(path="/a", mtime=5.0))
    await bus.request(subjects.FS_TOUCH, journal.Touch(path="/new", mtime=7.0))
    assert await fs.names() == ["a", "d.txt", "link", "new"]
    assert await fs.read("/d.txt") == b"hell"
    assert await fs.read("/link") == b"hello"
    assert (await fs.stat("/d.txt")).mode == 0o600
    assert ((await fs.stat("/a")).mtime, (await fs.stat("/new")).mtime) == (5.0, 7.0)
    await bus.request(subjects.FS_RM, journal.RemoveEntry(path="/a", recursive=True))
    assert await fs.names() == ["d.txt", "link", "new"]
    status = await fs.status()
    assert status.operations_by_type == {
        "create": 5, "rename": 1, "truncate": 1, "metadata": 2, "delete": 1,
    }  # fmt: skip
    assert (status.completed_entries, status.pending_entries) == (10, 0)


async def test_content_is_placed_mounted_and_taken_out_by_its_cid(fs: System):
    cid = (await fs.bus.upload(subjects.ADD, ipfs.AddRequest(content="content", pin=False))).cid
    await fs.bus.request(subjects.FS_PUT, journal.PutContent(path="/put", cid=cid))
    changed = await fs.bus.request(subjects.FS_MOUNT, journal.Mount(path="/deep/down/here", cid=cid))
    assert changed.outcome.cid == cid
    assert await fs.read("/deep/down/here") == b"content"
    await fs.bus.request(subjects.FS_UNMOUNT, journal.Unmount(path="/deep/down/here"))
    assert await fs.names("/deep/down") == []
    assert (await fs.status()).operations_by_type == {"create": 1, "mount": 1, "unmount": 1}


async def test_several_operations_are_one_entry_or_none(fs: System):
    operations = [
        tree.Mkdir(path="/d"),
        tree.Write(path="/d/a", content="1"),
        tree.Write(path="/d/b", content="2"),
    ]
    changed = await fs.bus.request(subjects.FS_APPLY, journal.Apply(operations=operations))
    assert (changed.sequence, len(changed.outcomes)) == (1, 3)
    bad = [tree.Write(path="/d/c", content="3"), tree.Remove(path="/d/none")]
    with pytest.raises(NotFound):
        await fs.bus.request(subjects.FS_APPLY, journal.Apply(operations=bad))
    assert await fs.names("/d") == ["a", "b"]


async def test_operations_in_the_documented_words(fs: System):
    steps = [
        ("create", "/dir", {"directory": True}, ["dir"]),
        ("create", "/old", {"content": "old"}, ["dir", "old"]),
        ("rename", "/old", {"destination": "/young"}, ["dir", "young"]),
        ("write", "/young", {"content": "text", "offset": 2}, ["dir", "young"]),
        ("truncate", "/young", {"size": 4}, ["dir", "young"]),
        ("metadata", "/young", {"mode": 0o400}, ["dir", "young"]),
        ("unmount", "/dir", {}, ["young"]),
    ]
    for number, (kind, path, data, names) in enumerate(steps, 1):
        ask = journal.Recorded(operation_type=kind, path=path, data=data)
        assert (await fs.bus.request(subjects.FS_RECORD, ask)).sequence == number
        assert await fs.names() == names
    assert (await fs.read("/young"), (await fs.stat("/young")).mode) == (b"olte", 0o400)
    await fs.bus.request(subjects.FS_RECORD, journal.Recorded(operation_type="delete", path="/young"))
    assert (await fs.status()).operations_by_type == {
        "create": 2, "rename": 1, "write": 1, "truncate": 1, "metadata": 1, "unmount": 1, "delete": 1,
    }  # fmt: skip


async def test_a_documented_operation_without_what_it_needs_is_named(fs: System):
    for kind, data in (
        ("rename", {}),
        ("truncate", {"size": -1}),
        ("write", {"content": "x", "nonsense": 1}),
    ):
        with pytest.raises(BadRequest) as caught:
            await fs.bus.request(
                subjects.FS_RECORD, journal.Recorded(operation_type=kind, path="/x", data=data)
            )
        assert caught.value.field.startswith("data.")


async def test_a_streamed_file_is_the_one_that_adding_gives(fs: System):
    for size in (0, 1, 100_000, 3_000_000):
        content = os.urandom(size)

        async def pieces(content=content):
            yield content

        added = await fs.bus.upload(subjects.ADD, ipfs.AddRequest(pin=False), pieces())
        changed = await fs.write_stream("/file", content)
        assert changed.outcome.cid == added.cid
        assert await fs.read("/file") == content
        assert await fs.read("/file", offset=size // 2, length=10) == content[size // 2 : size // 2 + 10]


async def test_streams_are_appended_and_written_over(fs: System):
    await fs.write_stream("/file", b"a" * 300_000)
    await fs.write_stream("/file", b"b" * 300_000, append=True)
    await fs.write_stream("/file", b"c" * 10, offset=299_995)
    expected = b"a" * 299_995 + b"c" * 10 + b"b" * 299_995
    assert await fs.read("/file") == expected
    await fs.write_stream("/file", b"short", truncate=True)
    assert await fs.read("/file") == b"short"


async def test_streams_appended_at_once_are_all_there_whole(three: System):
    pieces = [bytes([65 + n]) * 150_000 for n in range(4)]
    await asyncio.gather(*(three.write_stream("/log", piece, append=True) for piece in pieces))
    content = await three.read("/log")
    assert sorted(content[start : start + 150_000] for start in range(0, 600_000, 150_000)) == pieces


async def test_no_upload_stays_kept_once_it_is_placed(fs: System):
    await fs.write_stream("/file", b"x" * 1000)
    await fs.write("/next", "the next commit lets it go")
    roots = [root.name async for root in fs.bus.items(subjects.ROOTS, tree.RootList(prefix="fs/up/"))]
    assert roots == []


async def test_a_path_and_the_whole_tree_are_brought_back_as_they_were(fs: System):
    first = await fs.write("/d/a", "1")
    await fs.write("/d/a", "2")
    await fs.write("/d/b", "3")
    await fs.bus.request(subjects.FS_RESTORE, journal.Restore(path="/d/a", at=str(first.sequence)))
    assert (await fs.read("/d/a"), await fs.names("/d")) == (b"1", ["a", "b"])
    back = await fs.bus.request(subjects.FS_RESTORE, journal.Restore(at=first.root))
    assert back.root == first.root
    with pytest.raises(NotFound):
        await fs.bus.request(subjects.FS_RESTORE, journal.Restore(path="/d/b", at=first.root))


async def test_a_change_that_needs_another_tree_is_a_conflict_with_both_roots(fs: System):
    first = await fs.write("/a", "1")
    second = await fs.write("/a", "2")
    with pytest.raises(Conflict) as caught:
        await fs.write("/a", "3", if_root=first.root)
    assert caught.value.details == {"expected": first.root, "root": second.root}
    with pytest.raises(Conflict):
        await fs.write("/a", "3", if_cid=first.outcome.cid)


BAD = [
    (subjects.FS_MKDIR, {"path": "/a/../../etc"}),
    (subjects.FS_MKDIR, {"path": "relative"}),
    (subjects.FS_MKDIR, {"path": "/" + "x" * 10_000}),
    (subjects.FS_MKDIR, {"path": "/nul\0"}),
    (subjects.FS_SYMLINK, {"path": "/l", "target": "/etc/passwd"}),
    (subjects.FS_SYMLINK, {"path": "/l", "target": "../../etc/passwd"}),
    (subjects.FS_CP, {"source": "/d", "destination": "/d/e/d"}),
    (subjects.FS_MV, {"source": "/d", "destination": "/d/e/d"}),
    (subjects.FS_PUT, {"path": "/x", "cid": "no cid"}),
    (subjects.FS_RM, {"path": "/"}),
    (subjects.FS_RM, {"path": "/none"}),
    (subjects.FS_RESTORE, {"path": "/d", "at": "@never"}),
    (subjects.FS_COMMIT, {"transaction": "never-begun"}),
]


async def test_bad_input_is_refused_and_the_tree_is_unchanged(fs: System):
    before = await fs.write("/d/e/f", "content")
    for row, body in BAD:
        with pytest.raises(BusError) as caught:
            raise_if_error(await fs.bus.link.inbox.request(row.subject, orjson.dumps(body), 10))
        assert 400 <= caught.value.code < 500, (row, body)
        assert (await fs.stat("/")).root == before.root


async def test_too_many_operations_in_one_request_are_refused():
    operations = [{"op": "mkdir", "path": f"/{n}"} for n in range(10_001)]
    with pytest.raises(BadRequest, match="operations"):
        journal.Apply.from_wire(orjson.dumps({"operations": operations}))
