"""CAR files out: which blocks, in which order, for every scope and range, by lists made by hand."""

import asyncio

import cbrrr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.car.entity import EntityBytes
from cidbus.actors.ipfs.car.trail import Trail
from cidbus.actors.ipfs.car.write import MAX_WAITING, write_car
from cidbus.actors.ipfs.codecs.dagpb import Link, encode
from cidbus.actors.ipfs.codecs.traversal import locate
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.directory import build_directory
from cidbus.actors.ipfs.unixfs.importer import Node, import_bytes
from cidbus.actors.ipfs.unixfs.profiles import Profile
from cidbus.actors.ipfs.unixfs.reader import BLOCKS_AHEAD, read_file
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported, TooLarge

# Leaves of one byte, two links to a node: the blocks of 0123 are those of 01, of 23 and one above.
TINY = Profile("tiny", 1, True, 1, 2, "block-bytes")
SHARDED = Profile("sharded", 1, True, 4, 3, "block-bytes", shard_above_bytes=0, shard_fanout=8)


async def written(cars, source, root: CID, **options) -> list[CID]:
    """The CIDs of the blocks in the CAR, whose header and blocks are checked on the way."""
    car = b"".join([piece async for piece in write_car(source, root, **options)])
    roots, blocks = await cars.read(car)
    assert roots == [root]
    assert car == cars.car(roots, blocks)
    return [cid for cid, _ in blocks]


def file(blocks, data: bytes, profile: Profile = TINY) -> CID:
    root, made = import_bytes(data, profile)
    blocks.blocks.update((cid.multihash, block) for cid, block in made)
    return root.cid


def leaf(text: str) -> CID:
    return CID.of(RAW, text.encode())


async def hamt(blocks, names, profile: Profile = SHARDED) -> CID:
    entries = [(name, Node(blocks.place(name.encode(), RAW), 1, 1)) for name in names]
    return (await build_directory(entries, blocks, profile)).cid


# ---- all -------------------------------------------------------------------------------------------------


async def test_everything_comes_depth_first(blocks, cars):
    root = file(blocks, b"0123")
    left, right = file(blocks, b"01"), file(blocks, b"23")
    expected = [root, left, leaf("0"), leaf("1"), right, leaf("2"), leaf("3")]
    assert await written(cars, blocks, root) == expected
    assert await written(cars, blocks, root, dups=True) == expected


async def test_a_block_is_written_once_or_each_time_the_walk_comes_by(blocks, cars):
    root, inner = file(blocks, b"abab"), file(blocks, b"ab")
    a, b = leaf("a"), leaf("b")
    assert await written(cars, blocks, root) == [root, inner, a, b]
    assert await written(cars, blocks, root, dups=True) == [root, inner, a, b, inner, a, b]


async def test_directories_and_files_come_in_the_order_of_their_links(blocks, cars):
    f, g = leaf("f"), leaf("g")
    blocks.place(b"f", RAW)
    blocks.place(b"g", RAW)
    sub = blocks.directory(("g", g), ("f", f))
    root = blocks.directory(("a", f), ("b", sub), ("c", g))
    assert await written(cars, blocks, root) == [root, f, sub, g]
    assert await written(cars, blocks, root, dups=True) == [root, f, sub, g, f, g]


async def test_one_block_under_two_cids_is_two_blocks(blocks, cars):
    inner = blocks.directory()
    v0, as_raw = CID(0, DAG_PB, inner.multihash), CID(1, RAW, inner.multihash)
    root = blocks.directory(("a", inner), ("b", v0), ("c", as_raw), ("d", inner))
    assert await written(cars, blocks, root) == [root, inner, v0, as_raw]


async def test_blocks_that_identity_cids_carry_are_followed_but_not_written(blocks, cars):
    below = blocks.place(b"below", RAW)
    block = encode([Link(below, "x", 5)], None)
    identity = CID(1, DAG_PB, bytes((0, len(block))) + block)
    blocks.blocks[identity.multihash] = block
    root = blocks.directory(("a", identity))
    assert await written(cars, blocks, root) == [root, below]
    assert await written(cars, blocks, identity) == [below]


async def test_the_probe_of_gateways_is_a_car_of_no_blocks(blocks, cars):
    probe = CID.parse("bafkqaaa")
    blocks.blocks[probe.multihash] = b""
    assert await written(cars, blocks, probe) == []


# ---- block and entity ------------------------------------------------------------------------------------


async def test_a_block_is_a_block(blocks, cars):
    root = file(blocks, b"0123")
    assert await written(cars, blocks, root, scope="block") == [root]


async def test_the_entity_of_a_file_is_all_its_blocks(blocks, cars):
    root = file(blocks, b"0123")
    everything = await written(cars, blocks, root)
    assert await written(cars, blocks, root, scope="entity") == everything
    one = blocks.place(b"one", RAW)
    assert await written(cars, blocks, one, scope="entity") == [one]


async def test_the_entity_of_a_directory_is_its_block_and_not_its_entries(blocks, cars):
    root = blocks.directory(("file", file(blocks, b"0123")), ("gone", leaf("gone")))
    assert await written(cars, blocks, root, scope="entity") == [root]


async def test_the_entity_of_a_sharded_directory_is_all_its_shards(blocks, cars):
    root = await hamt(blocks, map(str, range(200)))
    entries = {leaf(str(i)) for i in range(200)}
    everything = await written(cars, blocks, root)
    shards = [cid for cid in everything if cid not in entries]
    assert len(shards) > 20
    assert len(everything) == len(shards) + 200
    for entry in entries:
        blocks.forget(entry)
    assert await written(cars, blocks, root, scope="entity") == shards


async def test_the_entity_of_anything_else_is_its_block(blocks, cars):
    link = cbrrr.encode_dag_cbor({"to": cbrrr.CID(bytes(leaf("gone")))})
    for root in (
        blocks.place(link, CODECS["dag-cbor"]),
        blocks.place(unixfs.symlink_block(b"gone")),
        blocks.place(encode([Link(leaf("gone"), "", 1)], b"not UnixFS")),
        blocks.place(b"tree", CODECS["git-raw"]),
    ):
        assert await written(cars, blocks, root, scope="entity") == [root]
        assert await written(cars, blocks, root, entity_bytes=EntityBytes(0)) == [root]


async def test_a_file_with_a_link_that_is_no_part_of_a_file_breaks_off(blocks):
    root = blocks.node(UnixFS(unixfs.FILE, b"", 1, [1]), Link(blocks.directory(), "", 1))
    with pytest.raises(InvalidContent, match="not a file"):
        [piece async for piece in write_car(blocks, root, scope="entity")]


# ---- ranges ----------------------------------------------------------------------------------------------


EVERYTHING = "01234567 0123 01 0 1 23 2 3 4567 45 4 5 67 6 7"


@pytest.mark.parametrize(
    ("range_text", "expected"),
    [
        ("0:*", EVERYTHING),
        ("0:7", EVERYTHING),
        ("0:0", "01234567 0123 01 0"),
        ("1:1", "01234567 0123 01 1"),
        ("1:2", "01234567 0123 01 1 23 2"),
        ("3:4", "01234567 0123 23 3 4567 45 4"),
        ("7:7", "01234567 4567 67 7"),
        ("7:*", "01234567 4567 67 7"),
        ("6:1000", "01234567 4567 67 6 7"),
        ("-1:*", "01234567 4567 67 7"),
        ("-2:*", "01234567 4567 67 6 7"),
        ("-1000:*", EVERYTHING),
        ("-1000:0", "01234567 0123 01 0"),
        ("1:-6", "01234567 0123 01 1 23 2"),
        ("-2:-2", "01234567 4567 67 6"),
        ("0:-1", EVERYTHING),
        ("0:-8", "01234567 0123 01 0"),
        ("0:-9", "01234567"),
        ("0:-1000", "01234567"),
        ("8:*", "01234567"),
        ("8:9", "01234567"),
        ("1000:*", "01234567"),
        ("3:2", "01234567"),
        ("-1:-2", "01234567"),
        ("-1000:-1000", "01234567"),
    ],
)
async def test_a_range_takes_the_blocks_that_hold_it_and_those_above_them(range_text, expected, blocks, cars):
    root = file(blocks, b"01234567")
    wanted = EntityBytes.parse(range_text)
    found = await written(cars, blocks, root, scope="all", entity_bytes=wanted)
    assert found == [file(blocks, name.encode()) for name in expected.split()]


async def test_a_range_of_an_empty_file_is_its_block(blocks, cars):
    for root in (file(blocks, b""), blocks.node(UnixFS(unixfs.FILE, b"", 0))):
        for text in ("0:*", "0:0", "-1:*", "0:-1"):
            assert await written(cars, blocks, root, entity_bytes=EntityBytes.parse(text)) == [root]


async def test_a_range_of_a_directory_is_the_directory(blocks, cars):
    root = await hamt(blocks, "abcdefghijklmnop")
    shards = await written(cars, blocks, root, scope="entity")
    assert await written(cars, blocks, root, entity_bytes=EntityBytes(5, 6)) == shards


async def test_a_range_needs_no_block_outside_it(blocks, cars):
    root = file(blocks, b"01234567")
    blocks.forget(leaf("3"))
    assert leaf("5") in await written(cars, blocks, root, entity_bytes=EntityBytes(4, 5))
    with pytest.raises(NotFound):
        await written(cars, blocks, root, entity_bytes=EntityBytes(3, 5))


async def test_a_range_writes_a_block_that_stands_twice_once_or_twice(blocks, cars):
    root, inner = file(blocks, b"abab"), file(blocks, b"ab")
    a, b = leaf("a"), leaf("b")
    assert await written(cars, blocks, root, entity_bytes=EntityBytes(1, 3)) == [root, inner, b, a]
    found = await written(cars, blocks, root, entity_bytes=EntityBytes(1, 3), dups=True)
    assert found == [root, inner, b, inner, a, b]


@pytest.mark.parametrize(
    "text", ["", ":", "0", "0:", ":5", "*:5", "a:b", "0:1:2", "+1:2", "1 :2", "²:3", "1" * 20 + ":*"]
)
def test_a_range_in_another_form_is_refused(text):
    with pytest.raises(BadRequest, match="entity-bytes"):
        EntityBytes.parse(text)


@given(st.integers(-30, 30), st.none() | st.integers(-30, 30), st.integers(0, 20))
def test_a_range_is_what_slicing_says(first, last, size):
    content = range(size)
    begin = first if first >= 0 else max(0, size + first)
    end = size if last is None else (last if last >= 0 else size + last) + 1
    start, count = EntityBytes(first, last).within(size)
    assert list(content[start : start + count] if count else []) == list(content[begin : max(0, end)])


# ---- paths -----------------------------------------------------------------------------------------------


async def test_the_blocks_of_the_path_come_first(blocks, cars):
    target = file(blocks, b"0123")
    sub = blocks.directory(("file", target), ("other", leaf("gone")))
    top = blocks.directory(("sub", sub))
    trail = Trail(blocks)
    assert (await locate(trail, top, "sub/file")).cid == target
    assert trail.cids == [top, sub]
    below = await written(cars, blocks, target)
    assert await written(cars, blocks, target, path_blocks=trail.cids) == [top, sub, *below]
    assert await written(cars, blocks, target, path_blocks=trail.cids, scope="block") == [top, sub, target]


@pytest.mark.parametrize("slow", [False, True])
async def test_the_shards_on_the_way_are_blocks_of_the_path(slow, new_blocks, cars):
    blocks = new_blocks(slow=slow)
    root = await hamt(blocks, map(str, range(200)))
    shards = set(await written(cars, blocks, root, scope="entity"))
    trail = Trail(blocks)
    target = (await locate(trail, root, "77")).cid
    assert target == leaf("77")
    assert trail.cids[0] == root
    assert len(trail.cids) > 1
    assert set(trail.cids) < shards
    assert await written(cars, blocks, target, path_blocks=trail.cids) == [*trail.cids, target]


# ---- failures and bounds ---------------------------------------------------------------------------------


async def test_a_missing_root_is_told_before_anything_is_written(blocks):
    with pytest.raises(NotFound, match=str(leaf("gone"))):
        await anext(write_car(blocks, leaf("gone"), path_blocks=[blocks.directory()]))


@pytest.mark.parametrize("slow", [False, True])
async def test_a_missing_block_ends_the_stream_with_an_error(slow, new_blocks):
    blocks = new_blocks(slow=slow)
    large = blocks.place(bytes(1 << 20), RAW)
    root = blocks.directory(("a", large), ("b", leaf("gone")))
    pieces = []
    with pytest.raises(NotFound, match=str(leaf("gone"))):
        async for piece in write_car(blocks, root):
            pieces.append(piece)
    assert pieces[-1] == bytes(1 << 20)


async def test_a_codec_whose_links_cannot_be_read_ends_the_stream_with_an_error(blocks):
    with pytest.raises(NotSupported, match="git-raw"):
        await anext(write_car(blocks, blocks.place(b"tree", CODECS["git-raw"])))


async def test_a_dag_of_2_to_the_40_paths_is_written_once(blocks, cars):
    cid = blocks.place(b"x", RAW)
    for _ in range(40):
        cid = blocks.directory(("a", cid), ("b", cid))
    assert len(await written(cars, blocks, cid)) == 41


async def test_a_dag_10_000_deep_is_written(blocks, cars):
    cid = blocks.place(b"x", RAW)
    for _ in range(10_000):
        cid = blocks.directory(("a", cid))
    assert len(await written(cars, blocks, cid)) == 10_001


async def test_a_walk_with_too_many_links_before_it_is_refused(blocks):
    wide = [Link(leaf("gone"), "", 1)] * 40_000
    cid = blocks.directory()
    for level in range(MAX_WAITING // 40_000 + 1):
        cid = blocks.place(encode([Link(cid, str(level), 1), *wide], None))
    with pytest.raises(TooLarge, match="links that wait"):
        async for _ in write_car(blocks, cid):
            pass


async def test_the_set_of_written_blocks_goes_to_disk_and_away_again(blocks, cars, tmp_path, monkeypatch):
    monkeypatch.setattr("cidbus.actors.ipfs.car.write.MEMORY_KEYS", 10)
    root = file(blocks, bytes(range(100)) + bytes(range(100)))
    writing = write_car(blocks, root, temp_folder=tmp_path)
    first = await anext(writing)
    rest = [piece async for piece in writing]
    _, found = await cars.read(b"".join([first, *rest]))
    assert len(found) == len({cid for cid, _ in found})
    assert list(tmp_path.iterdir()) == []


async def test_a_reader_that_stops_leaves_nothing_behind(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr("cidbus.actors.ipfs.car.write.MEMORY_KEYS", 2)
    entries = [(str(i), blocks.place(bytes([i]) * (1 << 18), RAW)) for i in range(10)]
    writing = write_car(blocks, blocks.directory(*entries), temp_folder=tmp_path)
    for _ in range(9):
        await anext(writing)
    assert list(tmp_path.iterdir())
    await writing.aclose()
    assert list(tmp_path.iterdir()) == []


class Waiting:
    """A source whose leaves wait for `let_go`."""

    def __init__(self, blocks) -> None:
        self.blocks = blocks
        self.asked: asyncio.Queue[CID] = asyncio.Queue()
        self.let_go = asyncio.Event()

    def get_now(self, cid: CID) -> bytes | None:
        return None if cid.codec == RAW else self.blocks.get_now(cid)

    async def get(self, cid: CID) -> bytes:
        await self.asked.put(cid)
        await self.let_go.wait()
        return await self.blocks.get(cid)


async def test_the_next_blocks_are_asked_for_while_one_is_awaited(blocks, cars):
    entries = [blocks.place(b"%d" % i, RAW) for i in range(10)]
    root = blocks.directory(*((str(at), cid) for at, cid in enumerate(entries)))
    source = Waiting(blocks)
    writing = asyncio.create_task(written(cars, source, root))
    asked = [await source.asked.get() for _ in range(1 + BLOCKS_AHEAD)]
    assert asked == entries[: 1 + BLOCKS_AHEAD]
    source.let_go.set()
    assert await writing == [root, *entries]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60), slow=st.booleans(), dups=st.booleans())
async def test_any_file_goes_out_and_comes_in_the_same(data, slow, dups, new_blocks, cars):
    blocks = new_blocks(slow=slow)
    root = file(blocks, data)
    again = new_blocks()
    _, found = await cars.read(b"".join([piece async for piece in write_car(blocks, root, dups=dups)]))
    again.blocks = {cid.multihash: block for cid, block in found}
    assert b"".join([piece async for piece in read_file(again, root)]) == data
