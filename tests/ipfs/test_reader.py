"""Every range of every file, from no more blocks than hold it."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.importer import import_bytes
from cidbus.actors.ipfs.unixfs.profiles import PROFILES, V0_2015, V1_2025, Profile
from cidbus.actors.ipfs.unixfs.reader import BLOCKS_AHEAD, open_file, read_file, small_file
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import BadRequest, NotAFile, NotFound, UnsatisfiableRange

TINY = Profile("tiny", 1, True, 4, 3, "block-bytes")
TINY_V0 = Profile("tiny-v0", 0, False, 4, 3, "links-bytes")


async def content(blocks, cid, offset=0, length=None) -> bytes:
    pieces = [piece async for piece in read_file(blocks, cid, offset, length)]
    assert all(pieces)
    return b"".join(pieces)


def store(blocks, data: bytes, profile: Profile) -> CID:
    root, made = import_bytes(data, profile)
    for cid, block in made:
        blocks.blocks[cid.multihash] = block
    return root.cid


def boundaries(size: int, chunk: int):
    edges = {0, 1, size - 1, size, 512 * 1024, *range(chunk, size + 1, chunk)}
    return sorted({edge + step for edge in edges for step in (-1, 0, 1) if 0 <= edge + step <= size})


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_ranges_at_every_boundary_are_exact(profile, blocks, pattern_of):
    data = pattern_of(3 * profile.chunk_bytes + 1)
    cid = store(blocks, data, profile)
    edges = boundaries(len(data), profile.chunk_bytes)
    for start in edges[:-1]:
        for end in edges:
            if end >= start:
                assert await content(blocks, cid, start, end - start) == data[start:end]


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=300),
    offset=st.integers(0, 299),
    length=st.none() | st.integers(0, 400),
    is_v0=st.booleans(),
    slow=st.booleans(),
)
async def test_any_range_of_any_file_is_the_same_as_of_its_bytes(
    data, offset, length, is_v0, slow, new_blocks
):
    blocks = new_blocks(slow=slow)
    cid = store(blocks, data, TINY_V0 if is_v0 else TINY)
    offset %= len(data)
    end = None if length is None else offset + length
    assert await content(blocks, cid, offset, length) == data[offset:end]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_the_empty_file_is_empty(profile, blocks):
    cid = store(blocks, b"", profile)
    assert await content(blocks, cid) == b""
    assert small_file(blocks, cid) == b""
    assert (await open_file(blocks, cid)).size_bytes == 0


@pytest.mark.parametrize(
    ("offset", "expected"), [(-1, b"9"), (-3, b"789"), (-10, b"0123456789"), (-99, b"0123456789")]
)
async def test_a_negative_offset_counts_from_the_end(offset, expected, blocks):
    cid = store(blocks, b"0123456789", TINY)
    assert await content(blocks, cid, offset) == expected


async def test_a_negative_offset_with_a_length_is_a_range_too(blocks):
    assert await content(blocks, store(blocks, b"0123456789", TINY), -5, 2) == b"56"


@pytest.mark.parametrize("offset", [10, 11, 1 << 70])
async def test_a_range_that_begins_past_the_end_is_refused_with_the_size(offset, blocks):
    with pytest.raises(UnsatisfiableRange) as caught:
        await content(blocks, store(blocks, b"0123456789", TINY), offset)
    assert caught.value.size_bytes == 10


async def test_only_the_blocks_of_the_range_are_read(blocks):
    cid = store(blocks, bytes(range(256)), TINY)
    blocks.read.clear()
    await content(blocks, cid, 100, 4)
    # The leaf, and one node for each level above it: 64 leaves, three to a node.
    assert len(blocks.read) == 5


async def test_the_root_is_read_once(blocks):
    cid = store(blocks, b"0123456789", TINY)
    blocks.read.clear()
    await content(blocks, cid)
    assert blocks.read.count(cid) == 1


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_a_small_file_is_read_at_once(profile, blocks):
    assert small_file(blocks, store(blocks, b"Hello, IPFS!", profile)) == b"Hello, IPFS!"


async def test_an_identity_cid_is_its_own_file(blocks):
    cid = CID(1, RAW, b"\x00\x05hello")
    blocks.blocks[cid.multihash] = cid.digest
    assert small_file(blocks, cid) == cid.digest == await content(blocks, cid)


async def test_what_is_no_small_file_is_left_to_open_file(blocks, cold_blocks):
    large = store(blocks, b"0123456789", TINY)
    directory = blocks.directory()
    other = blocks.place(b"\xa0", 0x71)
    assert [small_file(blocks, cid) for cid in (large, directory, other)] == [None, None, None]
    assert small_file(cold_blocks, store(cold_blocks, b"x", V1_2025)) is None


async def test_a_directory_a_link_and_another_codec_are_not_files(blocks):
    with pytest.raises(BadRequest, match="is a directory, not a file"):
        await open_file(blocks, blocks.directory())
    with pytest.raises(BadRequest, match="is a symbolic link, not a file"):
        await open_file(blocks, blocks.place(unixfs.symlink_block(b"x")))
    with pytest.raises(NotAFile, match="dag-cbor"):
        await open_file(blocks, blocks.place(b"\xa0", 0x71))


async def test_nodes_of_type_raw_and_nodes_with_data_of_their_own_are_read(blocks):
    leaf = blocks.node(UnixFS(unixfs.RAW, b"cd", 2))
    raw = blocks.place(b"ef", RAW)
    root = blocks.node(UnixFS(unixfs.FILE, b"ab", 6, [2, 2]), Link(leaf, "", 8), Link(raw, "", 2))
    assert await content(blocks, root) == b"abcdef"
    assert await content(blocks, root, 1, 3) == b"bcd"
    assert small_file(blocks, leaf) == b"cd"


async def test_one_block_may_stand_at_many_places(blocks):
    data = b"same" * 50
    assert await content(blocks, store(blocks, data, TINY)) == data


async def test_mode_and_time_are_read(blocks):
    file = await open_file(blocks, blocks.node(UnixFS(unixfs.FILE, b"x", 1, mode=0o644, mtime=(5, 6))))
    assert (file.mode, file.mtime) == (0o644, (5, 6))


@pytest.mark.parametrize("slow", [False, True])
async def test_a_missing_block_is_named(slow, new_blocks):
    blocks = new_blocks(slow=slow)
    cid = store(blocks, b"0123456789", TINY)
    gone = CID.of(RAW, b"4567")
    blocks.forget(gone)
    with pytest.raises(NotFound) as caught:
        await content(blocks, cid)
    assert (caught.value.what, caught.value.name) == ("block", str(gone))
    assert await content(blocks, cid, 0, 4) == b"0123"


class Waiting:
    """A source whose nodes are at hand and whose leaves wait for `let_go`."""

    def __init__(self, blocks) -> None:
        self.blocks = blocks
        self.asked: asyncio.Queue[CID] = asyncio.Queue()
        self.let_go = asyncio.Event()
        self.waiting = 0

    def get_now(self, cid: CID) -> bytes | None:
        return None if cid.codec == RAW else self.blocks.get_now(cid)

    async def get(self, cid: CID) -> bytes:
        self.waiting += 1
        await self.asked.put(cid)
        try:
            await self.let_go.wait()
        finally:
            self.waiting -= 1
        return await self.blocks.get(cid)


FLAT = Profile("flat", 1, True, 4, 100, "block-bytes")


async def test_the_next_blocks_are_asked_for_while_one_is_awaited(blocks):
    source = Waiting(blocks)
    reading = asyncio.create_task(content(source, store(blocks, bytes(range(40)), FLAT)))
    asked = [await source.asked.get() for _ in range(1 + BLOCKS_AHEAD)]
    assert asked == [CID.of(RAW, bytes(range(i, i + 4))) for i in range(0, 4 * len(asked), 4)]
    assert source.waiting == 1 + BLOCKS_AHEAD
    source.let_go.set()
    assert await reading == bytes(range(40))


async def test_a_reader_that_stops_leaves_nothing_waiting(blocks):
    source = Waiting(blocks)
    reading = asyncio.create_task(content(source, store(blocks, bytes(range(40)), FLAT)))
    for _ in range(1 + BLOCKS_AHEAD):
        await source.asked.get()
    reading.cancel()
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
    assert reading.cancelled()
    assert source.waiting == 0


class Storing(Waiting):
    """A source that stores what it fetches: leaves are at hand once they are asked for, and stored later.
    The first one that is asked for is stored at once."""

    def __init__(self, blocks) -> None:
        super().__init__(blocks)
        self.stored: list[CID] = []

    def get_now(self, cid: CID) -> bytes | None:
        known = cid.codec != RAW or cid in self.stored or cid in self.asked._queue
        return self.blocks.get_now(cid) if known else None

    async def get(self, cid: CID) -> bytes:
        if not self.stored:
            self.stored.append(cid)
            while self.waiting < BLOCKS_AHEAD:
                await asyncio.sleep(0)
            return await self.blocks.get(cid)
        block = await super().get(cid)
        self.stored.append(cid)
        return block


async def test_a_block_that_is_at_hand_before_it_is_stored_is_stored_all_the_same(blocks):
    source = Storing(blocks)
    leaves = [CID.of(RAW, bytes(range(i, i + 4))) for i in range(0, 16, 4)]
    assert await content(source, store(blocks, bytes(range(16)), FLAT)) == bytes(range(16))
    assert source.stored == leaves[:1]
    source.let_go.set()
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    assert sorted(map(str, source.stored)) == sorted(map(str, leaves))


@pytest.mark.parametrize("profile", [V1_2025, V0_2015], ids=lambda profile: profile.name)
async def test_pieces_are_whole_blocks(profile, blocks, pattern_of):
    data = pattern_of(3 << 20)
    cid = store(blocks, data, profile)
    pieces = [piece async for piece in read_file(blocks, cid)]
    assert {len(piece) for piece in pieces} == {profile.chunk_bytes}
    assert b"".join(pieces) == data
