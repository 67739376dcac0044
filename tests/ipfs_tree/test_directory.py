"""An edited directory is the directory that would be built of the same entries, and few blocks are touched."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.tree.attributes import Attributes, with_attributes
from cidbus.actors.ipfs.tree.directory import DirectoryEditor, empty_directory
from cidbus.actors.ipfs.tree.nodes import Nodes
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.directory import build_directory
from cidbus.actors.ipfs.unixfs.hamt import name_hash
from cidbus.actors.ipfs.unixfs.importer import Node, import_bytes
from cidbus.actors.ipfs.unixfs.listing import links_of
from cidbus.actors.ipfs.unixfs.profiles import V0_2015, V1_2025, Profile
from cidbus.actors.ipfs.unixfs.reader import load, node_of
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent

from .conftest import TINY, TINY_V0, MemoryBlocks

SMALL = [TINY, TINY_V0]
NAMES = st.text(st.sampled_from("ab1é"), min_size=1, max_size=3)
# Entries whose CIDs and sizes differ in length, so that replacing one makes its directory larger or smaller.
ENTRIES = st.integers(0, 3).map(
    lambda n: Node([CID.of(RAW, bytes([n])), CID(1, 0x71, b"\x00\x01x")][n % 2], n, 10 ** (n * 3))
)
CHANGES = st.dictionaries(NAMES, st.none() | ENTRIES, min_size=1, max_size=12)


def links_for(changes: dict[str, Node | None]) -> dict[str, Link | None]:
    return {
        name: None if node is None else Link(node.cid, name, node.dag_size_bytes)
        for name, node in changes.items()
    }


async def build(blocks: MemoryBlocks, entries: dict[str, Node], profile: Profile) -> Node:
    return await build_directory(entries.items(), blocks, profile)


@pytest.mark.parametrize("profile", SMALL, ids=lambda profile: profile.name)
@settings(max_examples=80, deadline=None)
@given(rounds=st.lists(CHANGES, min_size=1, max_size=6), forgetful=st.booleans())
def test_an_edited_directory_is_the_one_that_would_be_built(profile, rounds, forgetful):
    async def run() -> None:
        blocks, entries = MemoryBlocks(), {}
        editor, directory = DirectoryEditor(Nodes(blocks)), await empty_directory(blocks, profile)
        for changes in rounds:
            editor = DirectoryEditor(Nodes(blocks)) if forgetful else editor
            directory = await editor.edit(
                blocks, directory.cid, links_for(changes), profile,
                dag_size_bytes=directory.dag_size_bytes if forgetful else None,
            )  # fmt: skip
            entries = {name: node for name, node in (entries | changes).items() if node is not None}
            assert directory == await build(MemoryBlocks(), entries, profile)

    asyncio.run(run())


@pytest.mark.parametrize("profile", SMALL, ids=lambda profile: profile.name)
async def test_mode_and_time_stay_through_every_shape(profile):
    blocks, file = MemoryBlocks(), import_bytes(b"x", profile)[0]
    attributes = Attributes(0o750, (1_700_000_000, 5000))
    editor, empty = DirectoryEditor(Nodes(blocks)), await empty_directory(blocks, profile)
    directory = await with_attributes(blocks, blocks, empty.cid, attributes, profile)
    names = [f"name-{number}" for number in range(40)]
    for changes in (dict.fromkeys(names, file), {"one": file}, dict.fromkeys(names)):
        directory = await editor.edit(blocks, directory.cid, links_for(changes), profile)
        node, links = node_of(await load(blocks, directory.cid), directory.cid)
        assert Attributes.of(node) == attributes
        assert directory.dag_size_bytes == len(blocks.blocks[directory.cid.multihash]) + sum(
            link.size for link in links
        )
    plain = await with_attributes(blocks, blocks, directory.cid, Attributes(), profile)
    assert plain == await build(blocks, {"one": file}, profile)


@pytest.mark.parametrize("profile", [V1_2025, V0_2015], ids=lambda profile: profile.name)
async def test_the_borders_of_sharding_are_those_of_a_built_directory(profile):
    blocks, file = MemoryBlocks(), import_bytes(b"x", profile)[0]
    entries = {f"{number:08d}": file for number in range(5200 if profile is V1_2025 else 6400)}
    whole = await build(blocks, entries, profile)
    names, step = list(entries), 100
    editor, directory = DirectoryEditor(Nodes(blocks)), await build(blocks, {}, profile)
    for part in (names[:-400], names[-400:-50], names[-50:]):
        directory = await editor.edit(blocks, directory.cid, links_for(dict.fromkeys(part, file)), profile)
    assert directory == whole
    kinds = set()
    for _ in range(4):
        gone, names = names[-step:], names[:-step]
        directory = await editor.edit(blocks, directory.cid, dict.fromkeys(gone), profile)
        assert directory == await build(MemoryBlocks(), dict.fromkeys(names, file), profile)
        kinds.add(node_of(blocks.blocks[directory.cid.multihash], directory.cid)[0].type)
    assert kinds == {unixfs.DIRECTORY, unixfs.HAMT_SHARD}


async def large(blocks: MemoryBlocks, count: int) -> Node:
    file = import_bytes(b"x", V1_2025)[0]
    return await build_directory(((f"{number:07d}.txt", file) for number in range(count)), blocks, V1_2025)


@pytest.mark.slow
async def test_one_entry_of_a_large_directory_costs_one_block_a_level():
    blocks, file = MemoryBlocks(), import_bytes(b"y", V1_2025)[0]
    directory, editor = await large(blocks, 100_000), DirectoryEditor(Nodes(blocks))
    for change in ({"0050000.txt": file}, {"new": file}):
        blocks.forget_counts()
        directory = await editor.edit(blocks, directory.cid, links_for(change), V1_2025)
        assert len(set(blocks.read)) <= 5
        assert len(set(blocks.stored)) <= 5
    # Whether it has become small is found out at the first entry that goes, and then known for a while.
    await editor.edit(blocks, directory.cid, {"new": None}, V1_2025)
    for number in range(50):
        blocks.forget_counts()
        directory = await editor.edit(blocks, directory.cid, {f"{number:07d}.txt": None}, V1_2025)
        assert number == 0 or len(set(blocks.read)) <= 5
    assert len([link async for link in links_of(blocks, directory.cid)]) == 100_001 - 50


async def test_a_foreign_directory_out_of_order_is_put_in_order():
    blocks, file = MemoryBlocks(), import_bytes(b"x", TINY)[0]
    names = ["b", "a", "c", "a"]
    links = [Link(CID.of(RAW, bytes([n])), name, n) for n, name in enumerate(names)]
    block = dagpb.encode(links, unixfs.encode(unixfs.UnixFS(unixfs.DIRECTORY)))
    await blocks.put(cid := CID.of(DAG_PB, block), block)
    edited = await DirectoryEditor(Nodes(blocks)).edit(blocks, cid, links_for({"d": file}), V1_2025)
    found = [link async for link in links_of(blocks, edited.cid)]
    assert [link.name for link in found] == ["a", "b", "c", "d"]
    assert found[0].size == 1


async def test_what_is_no_directory_is_refused():
    blocks = MemoryBlocks()
    await blocks.put(cid := CID.of(RAW, b"x"), b"x")
    with pytest.raises(BadRequest, match="not a directory"):
        await DirectoryEditor(Nodes(blocks)).edit(blocks, cid, {}, TINY)


async def test_a_shard_with_links_out_of_place_is_refused():
    blocks, file = MemoryBlocks(), import_bytes(b"x", TINY)[0]
    name = "aaa"
    slot = name_hash(name) >> 61
    data = unixfs.encode(
        unixfs.UnixFS(unixfs.HAMT_SHARD, bytes([1 << slot]), hash_type=unixfs.MURMUR3, fanout=8)
    )
    wrong = Link(file.cid, f"{(slot + 1) % 8:X}other", 1)
    block = dagpb.encode([wrong], data)
    await blocks.put(cid := CID.of(DAG_PB, block), block)
    with pytest.raises(InvalidContent, match="not where it belongs"):
        await DirectoryEditor(Nodes(blocks)).edit(blocks, cid, links_for({name: file}), TINY)


async def test_a_directory_keeps_the_fanout_it_has():
    blocks, file = MemoryBlocks(), import_bytes(b"x", TINY)[0]
    entries = {f"{number}": file for number in range(100)}
    wide = replace(TINY, shard_fanout=64)
    directory = await build(blocks, entries, wide)
    edited = await DirectoryEditor(Nodes(blocks)).edit(blocks, directory.cid, links_for({"new": file}), TINY)
    assert edited == await build(blocks, entries | {"new": file}, wide)


@pytest.mark.parametrize("names", [2, 100])
async def test_links_that_claim_too_little_do_no_harm(names):
    """Some tools leave sizes out, which reads as 0: the sum may be too small, but is one."""
    blocks, none = MemoryBlocks(), Node(CID.of(RAW, b"x"), 1, 0)
    directory = await build(blocks, {f"{number}": none for number in range(names)}, TINY)
    edited = await DirectoryEditor(Nodes(blocks)).edit(
        blocks, directory.cid, {"0": None}, TINY, dag_size_bytes=0
    )
    assert edited.dag_size_bytes >= len(blocks.blocks[edited.cid.multihash])
    assert len([link async for link in links_of(blocks, edited.cid)]) == names - 1
