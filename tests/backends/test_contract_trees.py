"""The contract: trees by their roots, files written into and named roots; and who does not answer for them."""

from __future__ import annotations

import pytest

from cidbus.schemas import subjects, tree
from cidbus.schemas.errors import NotFound, NotSupported

from .places import actor_over

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = ["embedded", "simulation"]
ROWS = [
    subjects.TREE_PATCH, subjects.TREE_STAT, subjects.TREE_LS, subjects.TREE_DU, subjects.TREE_DIFF,
    subjects.TREE_EXPORT, subjects.FILE_WRITE, subjects.ROOT_SET, subjects.ROOTS_RM, subjects.ROOTS,
]  # fmt: skip


async def patched(place, *operations, root=None, **fields) -> str:
    ask = tree.TreePatch(root=root, groups=[list(operations)], **fields)
    return (await place.ask(subjects.TREE_PATCH, ask)).root


async def test_a_tree_is_patched_and_read(place, fresh):
    content = fresh()
    root = await patched(place, tree.Write(path="/a/b.txt", data=content, parents=True))
    found = await place.ask(subjects.TREE_STAT, tree.TreeLookup(root=root, path="/a/b.txt"))
    assert (found.type, found.size_bytes) == ("file", len(content))
    assert await place.cat(root, "a/b.txt") == content
    entries = await place.items(subjects.TREE_LS, tree.TreeFind(root=root, glob="*.txt"))
    assert [entry.path for entry in entries] == ["/a/b.txt"]
    usage = await place.ask(subjects.TREE_DU, tree.TreeUsage(root=root))
    assert (usage.files, usage.directories, usage.size_bytes) == (1, 2, len(content))
    with pytest.raises(NotFound):
        await place.ask(subjects.TREE_STAT, tree.TreeLookup(root=root, path="/a/c"))


async def test_two_trees_are_compared_and_the_newer_exported(place, fresh):
    old = await patched(place, tree.Write(path="/kept", data=fresh("kept")))
    new = await patched(place, tree.Write(path="/new", data=fresh("new")), root=old)
    told = await place.items(subjects.TREE_DIFF, tree.TreeDiff(before=old, after=new))
    assert [(one.path, one.change) for one in told] == [("/new", "added")]
    head, car = await place.read(subjects.TREE_EXPORT, tree.TreeExport(root=new, since=old))
    assert head.roots == [new]
    assert fresh("new") in car
    assert fresh("kept") not in car


async def test_a_file_written_in_parts_is_the_added_file(place, fresh):
    content = fresh(size=400_000)
    first = await place.ask(subjects.FILE_WRITE, tree.FileWrite(data=content[:100_000]))
    whole = await place.ask(subjects.FILE_WRITE, tree.FileWrite(cid=first.cid, data=content[100_000:]))
    assert whole.cid == (await place.add(content)).cid


async def test_named_roots_are_set_listed_and_let_go(place, fresh):
    root = await patched(place, tree.Write(path="/x", data=fresh()), keep="contract/1")
    await place.ask(subjects.ROOT_SET, tree.RootSet(name="contract/2", cid=root))
    roots = await place.items(subjects.ROOTS, tree.RootList(prefix="contract/"))
    assert [(one.name, one.cid) for one in roots] == [("contract/1", root), ("contract/2", root)]
    names = [one.name for one in roots]
    assert (await place.ask(subjects.ROOTS_RM, tree.RootsRemove(names=names))).removed == 2
    assert await place.items(subjects.ROOTS, tree.RootList(prefix="contract/")) == []


@pytest.mark.parametrize("backend", ["kubo", "gateway"])
async def test_who_keeps_no_trees_says_so(backend, tmp_path):
    actor = actor_over(tmp_path, backend=backend, gateways="http://127.0.0.1:9")
    for row in ROWS:
        with pytest.raises(NotSupported, match=backend):
            actor.handlers()[row](tree.RootList())
