"""Editing a file gives the file that adding the edited bytes would give, and touches few blocks for it."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.tree.attributes import Attributes, with_attributes
from cidbus.actors.ipfs.tree.files import Written, write_file
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.importer import import_bytes
from cidbus.actors.ipfs.unixfs.profiles import PROFILES, V1_2025, Profile
from cidbus.actors.ipfs.unixfs.reader import open_file, read_file
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import InvalidContent, NotAFile, TooLarge
from cidbus.schemas.tree import MAX_FILE_BYTES

from .conftest import TINY, TINY_V0, MemoryBlocks, stream

SMALL = [TINY, TINY_V0]
# Around the edges of leaves (4 bytes) and nodes (12, 36, 108 bytes).
SIZES = st.integers(0, 130)
BYTES = SIZES.map(lambda size: bytes((n * 7 + size) % 256 for n in range(size)))
EDIT = st.tuples(BYTES, st.none() | SIZES, st.booleans(), st.none() | SIZES)


async def add(blocks: MemoryBlocks, data: bytes, profile: Profile) -> CID:
    node, made = import_bytes(data, profile)
    for cid, block in made:
        await blocks.put(cid, block)
    return node.cid


async def write(blocks, base, data, profile, *, step=5, **how) -> Written:
    chunks = [data[at : at + step] for at in range(0, len(data), step)]
    return await write_file(blocks, blocks, base, stream(chunks), profile=profile, **how)


async def content(blocks: MemoryBlocks, cid: CID) -> bytes:
    return b"".join([piece async for piece in read_file(blocks, cid)])


def edited(old: bytes, new: bytes, offset: int | None, truncate: bool, size: int | None) -> bytes:
    """What the edit of bytes is: the rule that the engine must keep."""
    at = len(old) if offset is None else offset
    if new:
        old = old.ljust(at, b"\0")[:at] + new + (b"" if truncate else old[at + len(new) :])
    elif truncate:
        old = old[:at]
    return old if size is None else old.ljust(size, b"\0")[:size]


@pytest.mark.parametrize("profile", SMALL, ids=lambda profile: profile.name)
@settings(max_examples=150, deadline=None)
@given(data=BYTES, edits=st.lists(EDIT, min_size=1, max_size=4))
def test_an_edited_file_is_the_file_of_the_edited_bytes(profile, data, edits):
    async def run() -> None:
        blocks, want = MemoryBlocks(), data
        cid = await add(blocks, data, profile)
        for new, offset, truncate, size in edits:
            want = edited(want, new, offset, truncate, size)
            done = await write(blocks, cid, new, profile, offset=offset, truncate=truncate, size_bytes=size)
            node, _ = import_bytes(want, profile)
            assert (done.node, done.written_bytes) == (node, len(new))
            assert len(blocks.reachable(done.cid)) > 0
            cid = done.cid

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(data=BYTES, edit=EDIT, kept=st.sampled_from(SMALL), profile=st.sampled_from(SMALL))
def test_a_file_of_another_layout_has_the_right_bytes(data, edit, kept, profile):
    async def run() -> None:
        blocks = MemoryBlocks()
        cid = await trickle(blocks, data) if kept is profile else await add(blocks, data, kept)
        new, offset, truncate, size = edit
        done = await write(blocks, cid, new, profile, offset=offset, truncate=truncate, size_bytes=size)
        assert await content(blocks, done.cid) == edited(data, *edit)

    asyncio.run(run())


async def trickle(blocks: MemoryBlocks, data: bytes) -> CID:
    """A file whose root holds bytes of its own beside links of uneven sizes."""
    parts = [data[1:4], data[4:20], data[20:]]
    links = [Link(await add(blocks, part, TINY), "", len(part)) for part in parts if part]
    sizes = [len(part) for part in parts if part]
    block = dagpb.encode(
        links, unixfs.encode(UnixFS(unixfs.FILE, data[:1], len(data[:1]) + sum(sizes), sizes))
    )
    cid = CID.of(DAG_PB, block)
    await blocks.put(cid, block)
    return cid


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
async def test_a_log_grown_in_uneven_steps_is_the_added_log(profile):
    blocks, data, cid = MemoryBlocks(), os.urandom(3 << 20), None
    steps = [0, 1, 300_000, 1 << 20, (1 << 20) + 1, 2_500_000, 3 << 20]
    for start, end in pairwise(steps):
        cid = (await write(blocks, cid, data[start:end], profile, step=1 << 18)).cid
    assert cid == import_bytes(data, profile)[0].cid


async def test_an_edit_reads_and_stores_only_what_it_cuts_through():
    blocks, leaf = MemoryBlocks(), V1_2025.chunk_bytes
    data = os.urandom(leaf) * 3 + os.urandom(5)
    cid = await add(blocks, data, V1_2025)
    blocks.forget_counts()
    await write(blocks, cid, b"!", V1_2025)
    assert (len(set(blocks.read)), len(set(blocks.stored))) == (2, 2)  # the root and the last leaf
    blocks.forget_counts()
    await write(blocks, cid, bytes(leaf), V1_2025, offset=leaf)
    assert (len(set(blocks.read)), len(set(blocks.stored))) == (1, 2)


@pytest.mark.parametrize("profile", SMALL, ids=lambda profile: profile.name)
async def test_a_vast_hole_is_a_few_blocks(profile):
    blocks, size = MemoryBlocks(), (1 << 45) + 7
    done = await write(blocks, None, b"end", profile, offset=size - 3)
    assert done.size_bytes == size
    assert len(blocks.blocks) < 200
    assert b"".join([piece async for piece in read_file(blocks, done.cid, size - 6)]) == b"\0\0\0end"
    cut = await write(blocks, done.cid, b"", profile, size_bytes=10)
    assert cut.node == import_bytes(bytes(10), profile)[0]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
@pytest.mark.parametrize("size", [0, 3, 3_000_000])
async def test_mode_and_time_stay_and_can_be_taken_away(profile, size):
    blocks, data = MemoryBlocks(), os.urandom(size)
    plain = await add(blocks, data, profile)
    attributes = Attributes().changed(0o640, 1_700_000_000.25)
    dressed = await with_attributes(blocks, blocks, plain, attributes, profile)
    done = await write(blocks, dressed.cid, b"more", profile)
    file = await open_file(blocks, done.cid)
    assert (file.mode, file.mtime) == (0o640, (1_700_000_000, 250_000_000))
    assert await content(blocks, done.cid) == data + b"more"
    undressed = await with_attributes(blocks, blocks, done.cid, Attributes(), profile)
    assert undressed == import_bytes(data + b"more", profile)[0]


async def test_a_large_raw_block_with_a_mode_stays_a_block_that_others_take():
    blocks, data = MemoryBlocks(), os.urandom(2 << 20)
    raw = CID.of(RAW, data)
    await blocks.put(raw, data)
    dressed = await with_attributes(blocks, blocks, raw, Attributes(0o600), V1_2025)
    assert max(map(len, blocks.blocks.values())) == 2 << 20
    assert await content(blocks, dressed.cid) == data


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (0.0, (0, 0)),
        (-0.5, (-1, 500_000_000)),
        (1.9999999, (2, 0)),
        (1_700_000_000.123456, (1_700_000_000, 123_456_000)),
    ],
)
def test_times_are_whole_microseconds(time_s, expected):
    assert Attributes().changed(None, time_s).mtime == expected


async def test_what_is_no_file_is_refused():
    blocks = MemoryBlocks()
    block = dagpb.encode((), unixfs.encode(UnixFS(unixfs.DIRECTORY)))
    await blocks.put(cid := CID.of(DAG_PB, block), block)
    with pytest.raises(NotAFile, match="directory"):
        await write(blocks, cid, b"x", TINY)


async def test_a_file_past_the_limit_is_refused():
    with pytest.raises(TooLarge):
        await write(MemoryBlocks(), None, b"xy", TINY, offset=MAX_FILE_BYTES - 1)


async def test_a_part_that_lies_about_its_size_is_refused():
    """Where the edit cuts through it; what stays whole is not opened."""
    blocks, cid = MemoryBlocks(), None
    inner = await add(blocks, b"abcdefgh", TINY)
    outer = UnixFS(unixfs.FILE, b"", 15, [12, 3])
    last = await add(blocks, b"xyz", TINY)
    block = dagpb.encode([Link(inner, "", 1), Link(last, "", 1)], unixfs.encode(outer))
    await blocks.put(cid := CID.of(DAG_PB, block), block)
    with pytest.raises(InvalidContent, match="parent claims 12"):
        await write(blocks, cid, b"!", TINY, offset=10)


async def test_an_error_of_the_stream_reaches_the_caller():
    async def broken():
        yield b"some"
        raise ConnectionResetError

    blocks = MemoryBlocks()
    with pytest.raises(ConnectionResetError):
        await write_file(blocks, blocks, None, broken(), profile=TINY)
