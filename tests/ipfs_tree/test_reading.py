"""Trees looked up, listed, measured, compared and exported: right, and without reading what need not be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.car.read import open_car
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.tree.attributes import Attributes, with_attributes
from cidbus.actors.ipfs.tree.diff import diff
from cidbus.actors.ipfs.tree.directory import DirectoryEditor
from cidbus.actors.ipfs.tree.entries import find
from cidbus.actors.ipfs.tree.export import export_tree
from cidbus.actors.ipfs.tree.listing import entries_below
from cidbus.actors.ipfs.tree.nodes import Nodes
from cidbus.actors.ipfs.tree.pattern import Pattern
from cidbus.actors.ipfs.tree.usage import usage_of
from cidbus.actors.ipfs.unixfs.directory import build_directory, build_symlink
from cidbus.actors.ipfs.unixfs.importer import Node, import_bytes
from cidbus.actors.ipfs.unixfs.profiles import V1_2025, Profile
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, Conflict, NotFound, TooLarge

from .conftest import TINY, MemoryBlocks

Tree = dict[str, Any]


async def build(blocks: MemoryBlocks, thing: Any, profile: Profile = V1_2025) -> Node:
    """A tree of dicts (folders), bytes (files) and strings (links)."""
    if isinstance(thing, str):
        return await build_symlink(thing, blocks, profile)
    if isinstance(thing, bytes):
        node, made = import_bytes(thing, profile)
        for cid, block in made:
            await blocks.put(cid, block)
        return node
    entries = [(name, await build(blocks, below, profile)) for name, below in thing.items()]
    return await build_directory(entries, blocks, profile)


# ---- paths ----------------------------------------------------------------------------------------------

LINKED = {
    "a": {"b": {"file": b"content"}, "up": "../a/b/file", "self": "self"},
    "out": "../x", "home": "/etc", "dir": "a/b", "one": "two", "two": "one", "dots": "a/../a/./b",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/a/up", "/a/b/file"),
        ("/dir/file", "/a/b/file"),
        ("/dots/file", "/a/b/file"),
        ("/", "/"),
        ("/a/b", "/a/b"),
    ],
)
async def test_links_are_followed_inside_the_tree(path, leads_to):
    blocks = MemoryBlocks()
    root = await build(blocks, LINKED)
    found_at, found = await find(Nodes(blocks), root.cid, path, follow=True)
    assert found_at == leads_to
    assert found.type == ("file" if leads_to.endswith("file") else "directory")


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/out", BadRequest, "leads out"),
        ("/home", BadRequest, "leads out"),
        ("/one", Conflict, "too many links"),
        ("/a/self/x", Conflict, "too many links"),
        ("/dir/file/x", Conflict, "/a/b/file is a file, not a directory"),
        ("/dir/no", NotFound, "/dir/no"),
    ],
)
async def test_links_that_lead_nowhere_are_refused(path, error, says):
    blocks = MemoryBlocks()
    root = await build(blocks, LINKED)
    with pytest.raises(error, match=says):
        await find(Nodes(blocks), root.cid, path, follow=True)


async def test_a_root_that_is_a_link_leads_out():
    blocks = MemoryBlocks()
    link = await build(blocks, "somewhere")
    with pytest.raises(BadRequest, match="leads out"):
        await find(Nodes(blocks), link.cid, "/x", follow=True)


async def test_without_following_a_link_is_itself_but_a_way_all_the_same():
    blocks = MemoryBlocks()
    root = await build(blocks, LINKED)
    _, found = await find(Nodes(blocks), root.cid, "/dir")
    assert (found.type, found.target, found.size_bytes) == ("symlink", "a/b", 3)
    path, found = await find(Nodes(blocks), root.cid, "/dir/file")
    assert (path, found.type) == ("/a/b/file", "file")
    _, found = await find(Nodes(blocks), root.cid, "/a/up")
    assert found.type == "symlink"
    with pytest.raises(Conflict, match="/a/b/file is a file"):
        await find(Nodes(blocks), root.cid, "/dir/file/x")


async def test_looking_a_path_up_reads_one_block_a_level():
    blocks = MemoryBlocks()
    root = await build(blocks, {"a": {"b": {"c": b"x"}}})
    blocks.forget_counts()
    await find(Nodes(blocks), root.cid, "/a/b/c")
    assert len(blocks.read) == 3


# ---- listings -------------------------------------------------------------------------------------------

PHOTOS = {
    "2025": {"a.jpg": b"1", "deep": {"b.jpg": b"22", "c.png": b"3"}},
    "2026": {"d.jpg": b"4", "last": "d.jpg"}, "e.jpg": b"5",
}  # fmt: skip


async def listed(blocks: MemoryBlocks, cid: CID, **how: Any) -> list[str]:
    return [path async for path, _ in entries_below(Nodes(blocks), cid, "/", **how)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, ["/2025", "/2025/a.jpg", "/2025/deep", "/2025/deep/b.jpg", "/2025/deep/c.png", "/2026",
              "/2026/d.jpg", "/2026/last", "/e.jpg"]),
        ({"max_depth": 1}, ["/2025", "/2026", "/e.jpg"]),
        ({"max_depth": 0}, []),
        ({"kind": "directory"}, ["/2025", "/2025/deep", "/2026"]),
        ({"glob": "*.jpg"}, ["/2025/a.jpg", "/2025/deep/b.jpg", "/2026/d.jpg", "/e.jpg"]),
        ({"glob": "2025/*.jpg"}, ["/2025/a.jpg"]),
        ({"glob": "2025/**/*.jpg"}, ["/2025/a.jpg", "/2025/deep/b.jpg"]),
        ({"glob": "**/deep/**"}, ["/2025/deep", "/2025/deep/b.jpg", "/2025/deep/c.png"]),
        ({"glob": "/*"}, ["/2025", "/2026", "/e.jpg"]),
        ({"glob": "202[6-9]/?.jpg", "max_depth": 2}, ["/2026/d.jpg"]),
        ({"glob": "*", "kind": "symlink"}, ["/2026/last"]),
    ],
    ids=str,
)  # fmt: skip
async def test_a_listing_has_what_is_asked_for_depth_first(how, expected):
    blocks = MemoryBlocks()
    assert await listed(blocks, (await build(blocks, PHOTOS)).cid, **how) == expected


async def test_a_listing_does_not_go_where_its_pattern_cannot_match():
    blocks = MemoryBlocks()
    root = await build(blocks, PHOTOS)
    deep = await build(MemoryBlocks(), PHOTOS["2025"]["deep"])
    del blocks.blocks[deep.cid.multihash]
    assert await listed(blocks, root.cid, glob="2026/*") == ["/2026/d.jpg", "/2026/last"]
    assert "/2025/deep" in await listed(blocks, root.cid)  # told, though what it is nobody knows


async def test_names_that_a_pattern_spells_out_are_looked_up():
    blocks = MemoryBlocks()
    crowd = {f"{number:05d}": {"a.txt": b"1", "b.png": b"2"} for number in range(8_000)}
    root = await build(blocks, {"crowd": crowd})
    blocks.forget_counts()
    assert await listed(blocks, root.cid, glob="crowd/04321/*.txt") == ["/crowd/04321/a.txt"]
    assert await listed(blocks, root.cid, glob="crowd/none/*") == []
    assert len(blocks.read) < 20


async def test_a_pattern_of_many_stars_is_matched_in_no_time():
    blocks = MemoryBlocks()
    root = await build(blocks, {"a" * 200: {"a" * 200: b""}})
    assert await listed(blocks, root.cid, glob="**/" * 60 + "*a" * 60 + "b") == []


async def doubling(blocks: MemoryBlocks, thing: Any, times: int) -> Node:
    """A directory of two copies of a directory of two copies of …"""
    node = await build(blocks, thing)
    for _ in range(times):
        node = await build_directory([("a", node), ("b", node)], blocks, V1_2025)
    return node


@pytest.mark.parametrize(
    "how",
    [{"glob": "**/zzz"}, {"glob": "a/**/*z"}, {"kind": "symlink"}, {"glob": "file", "max_depth": 45}],
    ids=str,
)
async def test_a_search_in_vain_goes_through_each_directory_once(how):
    blocks = MemoryBlocks()
    root = await doubling(blocks, {"file": b"x"}, 45)
    blocks.forget_counts()
    async with asyncio.timeout(5):
        assert await listed(blocks, root.cid, **how) == []
    assert len(blocks.read) < 500


names = st.sampled_from(["a", "b", "c"])
shared_trees = st.recursive(
    st.sampled_from([b"x", "link"]), lambda below: st.dictionaries(names, below, max_size=3), max_leaves=12
).map(lambda thing: {"a": thing, "b": {"a": thing, "c": {"b": thing}}})


@settings(max_examples=60, deadline=None)
@given(
    shared_trees,
    st.lists(st.sampled_from(["a", "b", "c", "*", "**", "zzz"]), min_size=1, max_size=4).map("/".join),
    st.sampled_from([None, "file", "directory", "symlink"]),
    st.sampled_from([None, 1, 2, 3, 4]),
)
async def test_what_was_found_in_vain_hides_no_match(thing, glob, kind, max_depth):
    blocks = MemoryBlocks()
    root = await build(blocks, thing)
    pattern = Pattern(glob)
    expected = [path for path, what in paths_of(thing) if kind in (None, what)
                and (max_depth is None or path.count("/") <= max_depth) and matches(pattern, path)]  # fmt: skip
    assert await listed(blocks, root.cid, glob=glob, kind=kind, max_depth=max_depth) == expected


def paths_of(thing: Any, at: str = "") -> Iterator[tuple[str, str]]:
    for name in sorted(thing):
        below = thing[name]
        kinds = {dict: "directory", bytes: "file", str: "symlink"}
        yield f"{at}/{name}", kinds[type(below)]
        if isinstance(below, dict):
            yield from paths_of(below, f"{at}/{name}")


def matches(pattern: Pattern, path: str) -> bool:
    states = pattern.start
    for name in path[1:].split("/"):
        states = pattern.step(states, name)
    return pattern.accepts(states)


async def test_a_tree_deeper_than_512_levels_is_refused():
    blocks = MemoryBlocks()
    node = await build(blocks, {})
    for _ in range(520):
        node = await build_directory([("x", node)], blocks, V1_2025)
    with pytest.raises(TooLarge):
        await listed(blocks, node.cid)
    with pytest.raises(TooLarge):
        await usage_of(Nodes(blocks), node.cid, temp_folder=Path("/nowhere"))


# ---- usage ----------------------------------------------------------------------------------------------


async def test_usage_counts_entries_as_often_as_they_stand_and_blocks_once(tmp_path):
    blocks, big = MemoryBlocks(), bytes(range(256)) * 10_000
    tree = {"a": {"big": big, "link": "big"}, "b": {"big": big}, "small": b"x"}
    root = await build(blocks, tree)
    blocks.forget_counts()
    usage = await usage_of(Nodes(blocks), root.cid, temp_folder=tmp_path)
    assert usage.counts == (3, 3, 1, 2 * len(big) + 4)
    reachable = blocks.reachable(root.cid)
    assert usage.unique_blocks == len(reachable)
    assert usage.unique_bytes == sum(len(blocks.blocks[key]) for key in reachable)


async def test_usage_counts_shards_and_reads_no_raw_leaves(tmp_path):
    blocks = MemoryBlocks()
    root = await build(blocks, {f"{number}": b"x%d" % number for number in range(100)}, TINY)
    reachable = blocks.reachable(root.cid)
    blocks.forget_counts()
    usage = await usage_of(Nodes(blocks), root.cid, temp_folder=tmp_path)
    assert (usage.counts.files, usage.unique_blocks) == (100, len(reachable))
    assert all(cid.codec == 0x70 for cid in blocks.read)


async def test_a_directory_of_itself_twice_many_times_over_is_counted_at_once(tmp_path):
    blocks = MemoryBlocks()
    node = await build(blocks, {"x": b"1"})
    for _ in range(50):
        node = await build_directory([("a", node), ("b", node)], blocks, V1_2025)
    assert (await usage_of(Nodes(blocks), node.cid, temp_folder=tmp_path)).counts.files == 1 << 50


# ---- differences ----------------------------------------------------------------------------------------

NAME = st.sampled_from(["a", "b", "cc", *(f"name {n}" for n in range(20))])
SMALL = st.dictionaries(NAME, st.binary(max_size=2), max_size=20)
TREES = st.dictionaries(NAME, st.binary(max_size=2) | SMALL, max_size=12)


def differences(old: Any, new: Any, path: str) -> set[tuple[str, str]]:
    """What must be told, of two trees of dicts and bytes."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return {(path, "changed")} if old != new else set()
    found = {(f"{path}/{name}", "removed") for name in old.keys() - new.keys()}
    found |= {(f"{path}/{name}", "added") for name in new.keys() - old.keys()}
    for name in old.keys() & new.keys():
        found |= differences(old[name], new[name], f"{path}/{name}")
    return found


@settings(max_examples=60, deadline=None)
@given(old=TREES, new=TREES, edits=SMALL)
def test_differences_are_those_of_the_trees_in_whatever_form(old, new, edits):
    async def run() -> None:
        for before, after in ((old, new), (new, new | edits), (new | edits, new)):
            blocks = MemoryBlocks()
            one, two = await build(blocks, before, TINY), await build(blocks, after, TINY)
            told = [(change.path, change.what) async for change in diff(Nodes(blocks), one.cid, two.cid)]
            assert set(told) == differences(before, after, "")
            assert len(told) == len(set(told))

    asyncio.run(run())


async def test_a_change_in_a_large_directory_is_found_in_few_blocks():
    blocks, file = MemoryBlocks(), import_bytes(b"x", V1_2025)[0]
    names = [f"{number:06d}" for number in range(20_000)]
    old = await build_directory(((name, file) for name in names), blocks, V1_2025)
    other = import_bytes(b"y", V1_2025)[0]
    new = await DirectoryEditor(Nodes(blocks)).edit(
        blocks, old.cid, {names[7]: Link(other.cid, names[7], 1), "new": Link(file.cid, "new", 1)}, V1_2025
    )
    blocks.forget_counts()
    told = [(change.path, change.what) async for change in diff(Nodes(blocks), old.cid, new.cid)]
    assert sorted(told) == [("/000007", "changed"), ("/new", "added")]
    assert len(set(blocks.read)) <= 10


async def test_a_directory_with_another_mode_differs_by_itself():
    blocks = MemoryBlocks()
    old = await build(blocks, {"d": {"x": b"1"}})
    inner = await build(blocks, {"x": b"1"})
    dressed = await with_attributes(blocks, blocks, inner.cid, Attributes(0o700), V1_2025)
    new = await build_directory([("d", dressed)], blocks, V1_2025)
    assert [(c.path, c.what) async for c in diff(Nodes(blocks), old.cid, new.cid)] == [("/d", "changed")]
    assert [(c.path, c.what) async for c in diff(Nodes(blocks), old.cid, new.cid, "/d/x")] == []
    with pytest.raises(NotFound):
        await anext(diff(Nodes(blocks), old.cid, new.cid, "/no"))


# ---- exports --------------------------------------------------------------------------------------------


async def exported(
    blocks: MemoryBlocks, tmp_path: Path, root: CID, since: CID | None = None
) -> dict[bytes, bytes]:
    pieces = [piece async for piece in export_tree(blocks, root, since, temp_folder=tmp_path)]

    async def stream():
        for piece in pieces:
            yield piece

    car = await open_car(stream())
    assert car.roots == [root]
    return {cid.multihash: data async for cid, data in car.blocks()}


@pytest.mark.parametrize("profile", [V1_2025, TINY], ids=lambda profile: profile.name)
async def test_an_export_since_a_state_completes_it(profile, tmp_path):
    blocks, big = MemoryBlocks(), bytes(range(250)) * (10_000 if profile is V1_2025 else 1)
    old_tree = {"a": {f"{n}": b"%d" % n for n in range(60)}, "b": {"c": {"d": b"deep"}}, "big": big}
    old = await build(blocks, old_tree, profile)
    new_tree = {**old_tree, "0": b"first", "b": {"c": {"d": b"other"}, "e": b"e"}, "big": big + b"more"}
    new = await build(blocks, new_tree, profile)
    whole = await exported(blocks, tmp_path, new.cid)
    assert set(whole) == blocks.reachable(new.cid)
    part = await exported(blocks, tmp_path, new.cid, old.cid)
    assert set(part) == blocks.reachable(new.cid) - blocks.reachable(old.cid)
    assert await exported(blocks, tmp_path, new.cid, new.cid) == {}


async def test_an_earlier_state_that_is_not_here_is_as_good_as_none(tmp_path):
    blocks = MemoryBlocks()
    new = await build(blocks, {"a": b"x"})
    gone = await build(MemoryBlocks(), {"b": b"x"})
    assert set(await exported(blocks, tmp_path, new.cid, gone.cid)) == blocks.reachable(new.cid)
