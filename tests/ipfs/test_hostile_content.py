"""Content made to harm: each ends in an error of our tree, within a second and a few megabytes."""

import time
import tracemalloc

import pytest

from cidbus.actors.ipfs.codecs.dagpb import Link, encode
from cidbus.actors.ipfs.codecs.traversal import locate
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.listing import ls, stat
from cidbus.actors.ipfs.unixfs.reader import open_file, read_file, small_file
from cidbus.actors.ipfs.unixfs.tar import tar_stream
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound, TooLarge

MAX_S = 1.0
MAX_MEMORY_BYTES = 64 << 20
SHARD = {"hash_type": 0x22, "fanout": 256}


@pytest.fixture(autouse=True)
def _bounded(request):
    """Time is measured without the tracing of memory, which slows Python several times over."""
    if "memory" in request.node.name:
        tracemalloc.start()
        yield
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MAX_MEMORY_BYTES
        return
    start = time.process_time()
    yield
    assert time.process_time() - start < MAX_S + SETUP_S.get(request.node.originalname, 0)


# Building the content is not what is measured.
SETUP_S = {"test_a_dag_100_000_deep_is_walked": 3, "test_a_file_100_000_deep_is_refused": 3}


async def drain(stream) -> int:
    total = 0
    async for piece in stream:
        total += len(piece) if isinstance(piece, bytes) else 1
    return total


async def test_a_file_that_lies_about_a_raw_leaf_is_refused_with_the_leaf(blocks):
    leaf = blocks.place(b"abc", RAW)
    root = blocks.node(UnixFS(unixfs.FILE, b"", 1 << 40, [1 << 40]), Link(leaf, "", 3))
    assert (await open_file(blocks, root)).size_bytes == 1 << 40
    with pytest.raises(InvalidContent, match=str(leaf)):
        await drain(read_file(blocks, root))


async def test_a_file_that_lies_about_a_node_is_refused_with_the_node(blocks):
    inner = blocks.node(UnixFS(unixfs.FILE, b"abc", 3))
    root = blocks.node(UnixFS(unixfs.FILE, b"", 2, [2]), Link(inner, "", 3))
    with pytest.raises(InvalidContent, match=str(inner)):
        await drain(read_file(blocks, root))


async def test_a_leaf_longer_than_claimed_is_refused_before_its_bytes(blocks):
    leaf = blocks.place(b"abcdef", RAW)
    root = blocks.node(UnixFS(unixfs.FILE, b"", 1, [1]), Link(leaf, "", 1))
    with pytest.raises(InvalidContent, match="6 bytes of content where its parent claims 1"):
        await drain(read_file(blocks, root))


async def test_a_size_that_is_not_the_sum_of_its_parts_is_refused(blocks):
    leaf = blocks.place(b"abc", RAW)
    root = blocks.node(UnixFS(unixfs.FILE, b"", 4, [3]), Link(leaf, "", 3))
    with pytest.raises(InvalidContent, match="claims 4"):
        await open_file(blocks, root)
    with pytest.raises(InvalidContent, match="claims 4"):
        small_file(blocks, root)


async def test_a_file_that_links_to_a_directory_is_refused(blocks):
    root = blocks.node(UnixFS(unixfs.FILE, b"", 4, [4]), Link(blocks.directory(), "", 4))
    with pytest.raises(InvalidContent, match="not a file"):
        await drain(read_file(blocks, root))


async def test_a_file_that_links_to_another_codec_is_refused(blocks):
    root = blocks.node(UnixFS(unixfs.FILE, b"", 1, [1]), Link(blocks.place(b"\xa0", 0x71), "", 1))
    with pytest.raises(InvalidContent, match="dag-cbor"):
        await drain(read_file(blocks, root))


async def test_a_file_of_endless_empty_nodes_is_empty(blocks):
    cid = blocks.node(UnixFS(unixfs.FILE, b"", 0))
    for _ in range(60):
        cid = blocks.node(UnixFS(unixfs.FILE, b"", 0, [0] * 1000), *[Link(cid, "", 0)] * 1000)
    assert await drain(read_file(blocks, cid)) == 0


async def test_an_exabyte_of_the_same_block_is_read_in_little_memory(blocks):
    cid, size = blocks.place(b"x" * 1024, RAW), 1024
    for _ in range(50):
        cid, size = (
            blocks.node(UnixFS(unixfs.FILE, b"", 2 * size, [size, size]), *[Link(cid, "", size)] * 2),
            2 * size,
        )
    assert size == 1 << 60
    async for _ in read_file(blocks, cid, size // 2 - 5, 10):
        pass
    assert await drain(read_file(blocks, cid, 12345, 1 << 20)) == 1 << 20


def chain(blocks, depth: int) -> CID:
    cid = blocks.place(b"x", RAW)
    for _ in range(depth):
        cid = blocks.node(UnixFS(unixfs.FILE, b"", 1, [1]), Link(cid, "", 1))
    return cid


async def test_a_file_100_000_deep_is_refused(blocks):
    with pytest.raises(InvalidContent, match="nested too deep"):
        await drain(read_file(blocks, chain(blocks, 100_000)))


async def test_a_file_64_deep_is_read(blocks):
    assert await drain(read_file(blocks, chain(blocks, 64))) == 1


async def test_a_dag_100_000_deep_is_walked(blocks):
    todo, seen = [chain(blocks, 100_000)], set()
    while todo:
        cid = todo.pop()
        if cid not in seen:
            seen.add(cid)
            todo += children(cid, blocks.blocks[cid.multihash])
    assert len(seen) == 100_001


def diamond(blocks, depth: int = 40, leaf: CID | None = None) -> CID:
    cid = leaf or blocks.place(b"x", RAW)
    for _ in range(depth):
        cid = blocks.directory(("a", cid), ("b", cid))
    return cid


async def test_an_archive_of_2_to_the_40_paths_is_refused(blocks):
    with pytest.raises(TooLarge, match="entries"):
        await drain(tar_stream(blocks, diamond(blocks), "root"))


async def test_an_archive_of_2_to_the_40_paths_takes_little_memory(blocks):
    with pytest.raises(TooLarge, match="entries"):
        await drain(tar_stream(blocks, diamond(blocks), "root"))


async def test_an_archive_of_2_to_the_40_paths_to_nothing_is_refused(blocks):
    with pytest.raises(TooLarge, match="entries"):
        await drain(tar_stream(blocks, diamond(blocks, leaf=blocks.directory()), "root"))


async def test_an_archive_of_a_wide_diamond_is_refused(blocks):
    cid = blocks.place(b"x", RAW)
    for _ in range(4):
        cid = blocks.directory(*((f"{i:04}", cid) for i in range(2000)))
    with pytest.raises(TooLarge, match="entries"):
        await drain(tar_stream(blocks, cid, "root"))


async def test_directories_nested_too_deep_for_an_archive_are_refused(blocks):
    cid = blocks.directory()
    for _ in range(300):
        cid = blocks.directory(("d", cid))
    with pytest.raises(InvalidContent, match="nested too deep"):
        await drain(tar_stream(blocks, cid, "root"))


@pytest.mark.parametrize("fanout", [0, 3, 1 << 40])
async def test_a_shard_of_impossible_fanout_is_refused_everywhere(fanout, blocks):
    cid = blocks.node(UnixFS(unixfs.HAMT_SHARD, b"", hash_type=0x22, fanout=fanout))
    for reading in (drain(ls(blocks, cid)), drain(tar_stream(blocks, cid, "root"))):
        with pytest.raises(InvalidContent, match="fanout"):
            await reading
    with pytest.raises(NotFound):  # it is no UnixFS, so its names are those of its links
        await locate(blocks, cid, "x")
    assert (await stat(blocks, cid)).type == "block"


def shard(blocks, *entries: tuple[int, str, CID]) -> CID:
    bitfield = sum(1 << slot for slot, _, _ in entries).to_bytes(32, "big").lstrip(b"\0")
    links = [Link(cid, f"{slot:02X}{name}", 1) for slot, name, cid in entries]
    return blocks.node(UnixFS(unixfs.HAMT_SHARD, bitfield, **SHARD), *links)


async def test_shards_of_shards_without_end_are_refused(blocks):
    cid = shard(blocks)
    for _ in range(20):
        cid = shard(blocks, *((slot, "", cid) for slot in range(256)))
    with pytest.raises(InvalidContent, match=r"empty shard|deeper"):
        await drain(ls(blocks, cid))


async def test_shards_deeper_than_their_hash_are_refused(blocks):
    cid = shard(blocks, (0, "x", blocks.place(b"x", RAW)))
    for _ in range(20):
        cid = shard(blocks, (0, "", cid))
    with pytest.raises(InvalidContent, match="deeper"):
        await drain(ls(blocks, cid))


async def test_one_shard_at_two_places_is_refused(blocks):
    below = shard(blocks, (0, "x", blocks.place(b"x", RAW)))
    with pytest.raises(InvalidContent, match="hash"):
        await drain(ls(blocks, shard(blocks, (0, "", below), (1, "", below))))


@pytest.mark.parametrize("prefix", ["", "0", "ff", "-1", "+1", " 1", "1_", "G0", "éé"])
async def test_a_shard_link_without_its_place_is_refused(prefix, blocks):
    link = Link(blocks.place(b"x", RAW), prefix, 1)
    cid = blocks.node(UnixFS(unixfs.HAMT_SHARD, b"\x01", **SHARD), link)
    with pytest.raises(InvalidContent, match="place"):
        await drain(ls(blocks, cid))


async def test_two_links_at_one_place_of_a_shard_are_refused(blocks):
    leaf = blocks.place(b"x", RAW)
    links = [Link(shard(blocks, (0, "x", leaf)), "05", 1), Link(leaf, "05", 1)]
    cid = blocks.node(UnixFS(unixfs.HAMT_SHARD, b"\x03", **SHARD), *links)
    with pytest.raises(InvalidContent):
        await drain(ls(blocks, cid))


async def test_a_sub_shard_of_another_fanout_is_refused(blocks):
    below = blocks.node(
        UnixFS(unixfs.HAMT_SHARD, b"\x01", hash_type=0x22, fanout=16), Link(blocks.place(b"x", RAW), "0x", 1)
    )
    with pytest.raises(InvalidContent, match="not a shard of"):
        await drain(ls(blocks, shard(blocks, (7, "", below))))


async def test_a_sub_shard_that_is_a_file_is_refused(blocks):
    for below in (blocks.node(UnixFS(unixfs.FILE, b"x", 1)), blocks.place(b"x", RAW)):
        with pytest.raises(InvalidContent, match="not a shard of"):
            await drain(ls(blocks, shard(blocks, (7, "", below))))


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/", "", "a\0b"])
async def test_hostile_names_are_shown_but_lead_nowhere(name, blocks):
    root = blocks.directory((name, blocks.place(b"x", RAW)))
    assert [entry.name async for entry in ls(blocks, root)] == [name]
    if name.strip("/"):
        try:
            found = (await locate(blocks, root, name)).cid
        except (BadRequest, NotFound):
            return
        assert "/" not in name
        assert found == blocks.place(b"x", RAW)


async def test_a_name_that_stands_a_million_times_in_a_block_is_looked_up(blocks):
    leaf = CID.of(RAW, b"not here")
    links = [Link(leaf, "\x12\x01a" * 500 + f"{i}", 1) for i in range(1000)]
    root = blocks.place(encode(links, b"\x08\x01"))
    with pytest.raises(NotFound):
        await locate(blocks, root, "a")


async def test_a_block_of_40_000_links_is_listed(blocks):
    leaf = CID.of(RAW, b"not here")
    links = [Link(leaf, f"{i}", 1) for i in range(40_000)]
    root = blocks.place(encode(links, b"\x08\x01"))
    assert await drain(ls(blocks, root)) == 40_000
