"""The same bytes give the same CID, the published one, however they arrive."""

import asyncio
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.directory import build_directory
from cidbus.actors.ipfs.unixfs.importer import import_bytes, import_file
from cidbus.actors.ipfs.unixfs.profiles import PROFILES, V0_2015, V1_2025, Profile, profile_named
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, StorageFull

PROFILE_NAMES = list(PROFILES)
GOLDEN_FILES = {
    "empty": 0,
    "k256": 262144,
    "k256p1": 262145,
    "m1": 1048576,
    "m1p1": 1048577,
    "k256x174": 45613056,
    "m100": 104857600,
}
GOLDEN_DIRECTORIES = {"d5000_flat": "{:04d}", "d5000_hamt": "file-{:05d}-abcdefghij.txt"}

# A profile small enough to make every shape of tree from a few hundred bytes.
TINY = Profile("tiny", 1, True, 4, 3, "block-bytes")
TINY_V0 = Profile("tiny-v0", 0, False, 4, 3, "links-bytes")


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("name", GOLDEN_FILES)
async def test_a_golden_file_gets_its_golden_cid(name, profile, golden, pattern_of, add_file, no_blocks):
    root = await add_file(no_blocks, pattern_of(GOLDEN_FILES[name]), PROFILES[profile])
    expected = golden["inputs"][name][profile]
    assert (str(root.cid), root.dag_size_bytes) == (expected["cid"], expected["dag_size"])
    assert root.size_bytes == GOLDEN_FILES[name]


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_the_greeting_gets_its_golden_cid_at_once(profile, golden):
    root, ((cid, block),) = import_bytes(b"Hello, IPFS!", PROFILES[profile])
    expected = golden["inputs"]["hello"][profile]
    assert (str(root.cid), root.dag_size_bytes) == (expected["cid"], expected["dag_size"])
    assert root.cid == cid
    assert cid.matches(block)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("name", GOLDEN_DIRECTORIES)
async def test_a_golden_directory_gets_its_golden_cid(name, profile, golden, blocks):
    entries = []
    for i in range(5000):
        node, _ = import_bytes(f"entry {i}\n".encode(), PROFILES[profile])
        entries.append((GOLDEN_DIRECTORIES[name].format(i), node))
    root = await build_directory(entries, blocks, PROFILES[profile])
    expected = golden["inputs"][name][profile]
    assert (str(root.cid), root.dag_size_bytes) == (expected["cid"], expected["dag_size"])


def ipip_0499_vectors():
    """(profile, size, seed, slow?) of each published file vector."""
    sizes = {
        "unixfs-v0-2015": [(262145, "chunk-v0-seed"), (45613057, "v0-seed")],
        "unixfs-v1-2025": [(1048577, "chunk-v1-seed"), (1073741825, "v1-2025-seed")],
    }
    for profile, vectors in sizes.items():
        for size, seed in vectors:
            marks = [pytest.mark.slow] if size > 1 << 28 else []
            yield pytest.param(profile, size, seed, marks=marks, id=f"{profile}-{seed}")


@pytest.mark.parametrize(("profile", "size", "seed"), list(ipip_0499_vectors()))
async def test_a_published_vector_gets_its_published_cid(
    profile, size, seed, golden, keystream_of, no_blocks, hashers
):
    (expected,) = (cid for _, what, cid in golden["ipip_0499_vectors"][profile] if what == [size, seed])
    root = await import_file(keystream_of(seed, size), no_blocks, PROFILES[profile], executor=hashers)
    assert str(root.cid) == expected


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_the_published_greeting_gets_its_published_cid(profile, golden):
    expected = golden["ipip_0499_vectors"][profile][0][2]
    assert str(import_bytes(b"hello world", PROFILES[profile])[0].cid) == expected


@pytest.mark.parametrize("chunk_bytes", [1, 100, 4095, 4096, 4097, 65536, 262144, 300000, 1 << 20, 1 << 22])
@pytest.mark.parametrize("profile", PROFILE_NAMES)
async def test_the_size_of_the_chunks_does_not_matter(
    chunk_bytes, profile, pattern_of, add_file, blocks, no_blocks
):
    data = pattern_of(300_000 if chunk_bytes == 1 else 3_000_000)
    expected, _ = import_bytes(data, PROFILES[profile])
    assert await add_file(no_blocks, data, PROFILES[profile], chunk_bytes) == expected


async def test_empty_chunks_and_memoryviews_are_chunks(no_blocks):
    async def chunks():
        yield b""
        yield memoryview(b"Hello, ")
        yield b""
        yield bytearray(b"IPFS!")

    root = await import_file(chunks(), no_blocks, V1_2025)
    assert root == import_bytes(b"Hello, IPFS!", V1_2025)[0]


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400), chunk_bytes=st.integers(1, 50), is_v0=st.booleans())
async def test_every_shape_of_tree_is_balanced_and_adds_up(data, chunk_bytes, is_v0, add_file, new_blocks):
    blocks, profile = new_blocks(), TINY_V0 if is_v0 else TINY
    root = await add_file(blocks, data, profile, chunk_bytes)
    content, dag_size, depths = collect(blocks, root.cid, 0)
    assert content == data
    assert len(depths) == 1
    assert (root.size_bytes, root.dag_size_bytes) == (len(data), dag_size)


def collect(blocks, cid, depth):
    """Content, DAG size and the depths of the leaves below a node, checking every size on the way."""
    block = blocks.blocks[cid.multihash]
    if cid.codec == 0x55:
        return block, len(block), {depth}
    node, links = unixfs.decode_node(block, cid)
    if not links:
        return node.data, len(block), {depth}
    assert not node.data
    assert len(links) <= 3
    content, total, depths = b"", len(block), set()
    for link, size in zip(links, node.block_sizes, strict=True):
        below, dag_size, leaf_depths = collect(blocks, link.cid, depth + 1)
        assert (len(below), dag_size) == (size, link.size)
        content, total, depths = content + below, total + dag_size, depths | leaf_depths
    return content, total, depths


async def test_children_are_stored_before_their_parents(blocks, add_file):
    root = await add_file(blocks, bytes(range(100)), TINY)
    seen = set()
    for cid in blocks.stored:
        if cid.codec == 0x70:
            assert all(link.cid in seen for link in dagpb.decode(blocks.blocks[cid.multihash]).links)
        seen.add(cid)
    assert blocks.stored[-1] == root.cid


async def test_few_chunks_are_held_at_once(hashers):
    taken = stored = behind = 0

    class Sink:
        async def put(self, cid: CID, data: bytes) -> None:
            nonlocal stored
            stored += len(data)

    async def chunks():
        nonlocal taken, behind
        for i in range(64):
            yield hashlib.sha256(bytes([i])).digest() * (1 << 15)
            taken += 1 << 20
            behind = max(behind, taken - stored)

    await import_file(chunks(), Sink(), V1_2025, executor=hashers)
    assert stored > 64 << 20
    assert behind <= 6 << 20


async def test_an_error_of_the_stream_reaches_the_caller(blocks, hashers):
    async def chunks():
        yield bytes(5 << 20)
        raise BadRequest("form", "cut short")

    with pytest.raises(BadRequest, match="cut short"):
        await import_file(chunks(), blocks, V1_2025, executor=hashers)


async def test_an_error_of_the_store_reaches_the_caller(add_file, pattern_of):
    class Full:
        async def put(self, cid: CID, data: bytes) -> None:
            raise StorageFull("no room")

    with pytest.raises(StorageFull):
        await add_file(Full(), pattern_of(10 << 20), V1_2025)


async def test_a_cancelled_import_stops(hashers, blocks):
    first = asyncio.Event()

    async def chunks():
        while True:
            yield bytes(1 << 20)
            first.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(import_file(chunks(), blocks, V0_2015, executor=hashers))
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(BadRequest, match="unixfs-v1-2025"):
        profile_named("unixfs-v9")


def test_profiles_are_found_by_name():
    assert [profile_named(name) for name in PROFILE_NAMES] == [V1_2025, V0_2015]
