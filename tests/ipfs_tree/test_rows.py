"""The rows of trees, files and named roots on a real bus, answered from a real store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cidbus.actors import make_actor
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.schemas import dag, ipfs, subjects, tree
from cidbus.schemas.errors import BadRequest, Conflict, InvalidContent, NotFound
from cidbus.schemas.tree import Copy, Metadata, Mkdir, Remove, Symlink, Write

from .conftest import stream


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with (
        nats_server() as server,
        hosted(server, make_actor("ipfs", tmp_path / "ipfs")),
        await connect(server) as connected,
    ):
        yield connected


async def patch(bus: Bus, *operations: Any, root: str | None = None, **fields: Any) -> tree.TreePatched:
    return await bus.request(
        subjects.TREE_PATCH, tree.TreePatch(root=root, groups=[list(operations)], **fields)
    )


async def items(bus: Bus, row: Any, ask: Any) -> list[Any]:
    return [item async for item in bus.items(row, ask)]


async def read(bus: Bus, cid: str) -> bytes:
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid=cid)) as content:
        return b"".join([piece async for piece in content])


async def test_a_tree_is_made_looked_up_listed_and_measured(bus):
    made = await patch(
        bus,
        Write(path="/docs/a.txt", content="hello", parents=True, mode=0o640, mtime=1.5),
        Write(path="/docs/b.txt", content="hi"),
        Symlink(path="/latest", target="docs/b.txt"),
        Mkdir(path="/empty"),
    )
    assert made.results[0].error is None
    stat = await bus.request(subjects.TREE_STAT, tree.TreeLookup(root=made.root, path="/docs/a.txt"))
    assert (stat.type, stat.size_bytes, stat.mode, stat.mtime) == ("file", 5, 0o640, 1.5)
    assert (stat.path, stat.name) == ("/docs/a.txt", "a.txt")
    followed = await bus.request(
        subjects.TREE_STAT, tree.TreeLookup(root=made.root, path="/latest", follow=True)
    )
    assert (followed.path, await read(bus, followed.cid)) == ("/docs/b.txt", b"hi")
    top = await bus.request(subjects.TREE_STAT, tree.TreeLookup(root=made.root))
    assert (top.path, top.name, top.cid, top.blocks) == ("/", "", made.root, 3)
    assert top.dag_size_bytes == made.dag_size_bytes
    listing = await bus.open(subjects.TREE_LS, tree.TreeFind(root=made.root, glob="*.txt", limit=1))
    async with listing as found:
        assert found.head.path == "/"
    paths = [entry.path for entry in await items(bus, subjects.TREE_LS, tree.TreeFind(root=made.root))]
    assert paths == ["/docs", "/docs/a.txt", "/docs/b.txt", "/empty", "/latest"]
    limited = tree.TreeFind(root=made.root, glob="*.txt", limit=1, details=False)
    assert [entry.path for entry in await items(bus, subjects.TREE_LS, limited)] == ["/docs/a.txt"]
    assert await items(bus, subjects.TREE_LS, tree.TreeFind(root=made.root, path="/docs/a.txt")) == []
    usage = await bus.request(subjects.TREE_DU, tree.TreeUsage(root=made.root, path="/docs"))
    assert (usage.files, usage.directories, usage.size_bytes, usage.unique_blocks) == (2, 1, 7, 3)


async def test_an_edited_tree_is_the_added_tree(bus):
    files = {"a/one": b"1", "a/two": os.urandom(5000), "three": os.urandom(1_200_000)}

    async def form() -> AsyncIterator[bytes]:
        for path, content in files.items():
            yield f'--b\r\nContent-Disposition: form-data; name="f"; filename="{path}"\r\n\r\n'.encode()
            yield content + b"\r\n"
        yield b"--b--\r\n"

    added = await bus.upload(
        subjects.ADD, ipfs.AddRequest(content_type="multipart/form-data; boundary=b"), form()
    )
    root = (await patch(bus, Write(path="/a/gone", content="x", parents=True))).root
    for path, content in files.items():
        for start in range(0, len(content), 300_000):
            piece = Write(path=f"/{path}", data=content[start : start + 300_000], append=True, parents=True)
            root = (await patch(bus, piece, root=root)).root
    patched = await patch(bus, Remove(path="/a/gone"), root=root)
    assert (patched.root, patched.dag_size_bytes) == (added.cid, added.dag_size_bytes)


async def test_groups_stand_and_fall_alone(bus):
    groups = [[Mkdir(path="/a")], [Mkdir(path="/b"), Mkdir(path="/a")], [Copy(source="/a", destination="/c")]]
    done = await bus.request(subjects.TREE_PATCH, tree.TreePatch(groups=groups))
    assert [result.failed for result in done.results] == [None, 1, None]
    assert done.results[1].error["kind"] == "conflict"
    names = [entry.name for entry in await items(bus, subjects.TREE_LS, tree.TreeFind(root=done.root))]
    assert names == ["a", "c"]


async def test_a_file_grows_under_a_name_and_is_the_added_file(bus):
    data = os.urandom(2_500_000)
    cid = None
    for start, end in ((0, 7), (7, 1_500_000), (1_500_000, len(data))):
        ask = tree.FileWrite(cid=cid, keep="upload/1", keep_s=60)
        pieces = (data[at : at + 100_000] for at in range(start, end, 100_000))
        cut = (piece[: end - at] for at, piece in zip(range(start, end, 100_000), pieces, strict=True))
        written = await bus.upload(subjects.FILE_WRITE, ask, stream(cut))
        assert (written.size_bytes, written.written_bytes) == (end, end - start)
        cid = written.cid
    assert cid == (await bus.upload(subjects.ADD, ipfs.AddRequest(only_hash=True), stream([data]))).cid
    inside = tree.FileWrite(cid=cid, data=b"!!", offset=10, size_bytes=14)
    edited = await bus.upload(subjects.FILE_WRITE, inside)
    assert await read(bus, edited.cid) == data[:10] + b"!!" + data[12:14]
    asked = tree.FileWrite(
        data=b"x" * 100, profile="unixfs-v0-2015", cid_version=1, chunk_bytes=10, max_links=3
    )
    like = ipfs.AddRequest(
        data=b"x" * 100, profile="unixfs-v0-2015", cid_version=1, chunk_bytes=10, max_links=3
    )
    assert (await bus.upload(subjects.FILE_WRITE, asked)).cid == (await bus.upload(subjects.ADD, like)).cid


async def test_named_roots_keep_what_is_here_and_are_listed(bus):
    first = await patch(bus, Write(path="/x", content="1"), keep="fs/1")
    second = await patch(bus, Write(path="/y", content="2"), root=first.root, keep="fs/2", release=["fs/1"])
    loose = await patch(bus, Write(path="/z", content="3"))
    kept = await bus.request(subjects.ROOT_SET, tree.RootSet(name="g/a", cid=loose.root, expires_in_s=60))
    assert kept.expires_at is not None
    names = [root.name for root in await items(bus, subjects.ROOTS, tree.RootList(prefix="fs/"))]
    assert names == ["fs/2"]
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())
    for root in (second.root, loose.root):
        assert len(await items(bus, subjects.TREE_LS, tree.TreeFind(root=root))) >= 1
    with pytest.raises(Conflict):
        await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=second.root))
    removed = await bus.request(subjects.ROOTS_RM, tree.RootsRemove(names=["fs/2", "fs/2", "g/a", "no"]))
    assert removed.removed == 2
    assert await items(bus, subjects.ROOTS, tree.RootList()) == []
    assert (await bus.request(subjects.REPO_GC, ipfs.RepoGc())).kept_blocks == 0


async def test_differences_and_exports_of_what_changed(bus):
    old = await patch(bus, Write(path="/a/x", content="1", parents=True), Write(path="/b", content="2"))
    new = await patch(
        bus,
        Write(path="/a/x", content="3", truncate=True),
        Remove(path="/b"),
        Mkdir(path="/c"),
        root=old.root,
    )
    ask = tree.TreeDiff(before=old.root, after=new.root)
    told = {(one.path, one.change, one.type) for one in await items(bus, subjects.TREE_DIFF, ask)}
    assert told == {("/a/x", "changed", "file"), ("/b", "removed", "file"), ("/c", "added", "directory")}
    async with await bus.open(
        subjects.TREE_EXPORT, tree.TreeExport(root=new.root, since=old.root)
    ) as exported:
        assert exported.head.roots == [new.root]
        car = b"".join([piece async for piece in exported])
    counted = await bus.upload(subjects.DAG_IMPORT, dag.DagImport(data=car, pin_roots=False))
    assert counted.blocks == 4  # the root, /a, /a/x and the empty directory


async def test_bad_questions_are_refused(bus):
    root = (await patch(bus, Write(path="/file", content="x"))).root
    with pytest.raises(NotFound, match="/no"):
        await bus.request(subjects.TREE_STAT, tree.TreeLookup(root=root, path="/no"))
    with pytest.raises(Conflict, match="not a directory"):
        await bus.request(subjects.TREE_STAT, tree.TreeLookup(root=root, path="/file/x"))
    with pytest.raises(BadRequest):
        await bus.request(subjects.TREE_STAT, tree.TreeLookup(root="nonsense"))
    with pytest.raises(BadRequest, match="root"):
        file = await bus.request(subjects.TREE_STAT, tree.TreeLookup(root=root, path="/file"))
        await patch(bus, root=file.cid)
    for bad in ("/a/../b", "relative", "/a\0b", "/" + "x" * 10_000, "/" + "x/" * 300):
        body = tree.TreeLookup.model_construct(root=root, path=bad)
        with pytest.raises((BadRequest, ValueError), match="path"):
            await bus.request(subjects.TREE_STAT, body)
    with pytest.raises((BadRequest, ValueError), match="groups"):
        many = [Remove.model_construct(op="remove", path="/x")] * 10_001
        await bus.request(subjects.TREE_PATCH, tree.TreePatch.model_construct(groups=[many]))


async def test_broken_directories_are_said_to_be_broken(bus):
    put = await bus.upload(
        subjects.BLOCK_PUT, ipfs.BlockPut(data=b"\x0a\x02\x08\x01\x12\x02\xff\xff", format="dag-pb")
    )
    with pytest.raises(InvalidContent):
        await patch(bus, Metadata(path="/", mode=0o700), root=put.cid)


async def test_patches_of_one_root_at_once_do_not_mix(bus):
    base = await patch(bus, *[Write(path=f"/{n}", content=f"{n}") for n in range(50)])
    made = await asyncio.gather(
        *[patch(bus, Write(path=f"/new-{n}", content="x"), root=base.root) for n in range(10)]
    )
    for n, one in enumerate(made):
        ask = tree.TreeDiff(before=base.root, after=one.root)
        assert [(d.path, d.change) for d in await items(bus, subjects.TREE_DIFF, ask)] == [
            (f"/new-{n}", "added")
        ]
