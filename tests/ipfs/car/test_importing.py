"""CAR files into a store: what is told is durable, and pinned only when all of it is there."""

import pytest

from cidbus.actors.ipfs.car.importing import import_car
from cidbus.actors.ipfs.car.write import write_car
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.actors.ipfs.unixfs.importer import import_bytes
from cidbus.actors.ipfs.unixfs.profiles import V1_2025, Profile
from cidbus.actors.ipfs.unixfs.reader import read_file
from cidbus.schemas.cid import CID, CODECS, RAW
from cidbus.schemas.dag import ImportedRoot
from cidbus.schemas.errors import InvalidContent
from cidbus.schemas.ipfs import MAX_BLOCK_BYTES

TINY = Profile("tiny", 1, True, 4, 3, "block-bytes")


def tiny(data: bytes, profile: Profile = TINY) -> tuple[CID, list[tuple[CID, bytes]]]:
    root, made = import_bytes(data, profile)
    return root.cid, made


def raw(data: bytes) -> tuple[CID, bytes]:
    return CID.of(RAW, data), data


async def content(store, cid: CID) -> bytes:
    return b"".join([piece async for piece in read_file(store, cid)])


def pins(store) -> list[CID]:
    return [pin.cid for pin in store.pins.list()]


async def test_a_dag_comes_in_whole_and_pinned(store, cars):
    root, blocks = tiny(b"0123456789abcdef")
    imported = await import_car(store, cars.chunks(cars.car([root], blocks)))
    assert imported.roots == [ImportedRoot(cid=str(root), pinned=True)]
    assert (imported.blocks, imported.size_bytes) == (len(blocks), sum(len(data) for _, data in blocks))
    assert await content(store, root) == b"0123456789abcdef"
    assert [pin.mode for pin in store.pins.list()] == ["recursive"]


async def test_what_was_imported_outlives_a_collection_and_the_process(cars, tmp_path):
    root, blocks = tiny(b"0123456789abcdef")
    async with await BlockStore.open(tmp_path / "store", children=children) as store:
        await import_car(store, cars.chunks(cars.car([root], blocks)))
        assert (await store.collect()).removed_blocks == 0
    async with await BlockStore.open(tmp_path / "store", children=children) as store:
        assert await content(store, root) == b"0123456789abcdef"
        assert pins(store) == [root]


async def test_a_version_2_comes_in_the_same(store, cars):
    root, blocks = tiny(b"0123456789")
    car = cars.v2(cars.car([root], blocks), padding=bytes(77), index=b"some index")
    assert (await import_car(store, cars.chunks(car, 10))).roots[0].pinned
    assert await content(store, root) == b"0123456789"


async def test_what_goes_out_comes_in(store, cars, new_blocks, pattern_of):
    source = new_blocks()
    root, made = tiny(pattern_of(5 << 20), V1_2025)
    source.blocks.update((cid.multihash, block) for cid, block in made)
    imported = await import_car(store, write_car(source, root))
    assert imported.roots == [ImportedRoot(cid=str(root), pinned=True)]
    assert await content(store, root) == pattern_of(5 << 20)


async def test_a_root_whose_dag_is_not_all_there_says_which_block_and_the_others_are_pinned(store, cars):
    whole, blocks = tiny(b"0123456789")
    broken, others = tiny(b"abcdefghij")
    gone = others.pop(0)[0]
    absent = CID.of(RAW, b"nowhere")
    car = cars.car([broken, whole, absent], blocks + others)
    assert (await import_car(store, cars.chunks(car))).roots == [
        ImportedRoot(cid=str(broken), pinned=False, error=f"block not found: {gone}"),
        ImportedRoot(cid=str(whole), pinned=True),
        ImportedRoot(cid=str(absent), pinned=False, error=f"block not found: {absent}"),
    ]
    assert pins(store) == [whole]


async def test_what_a_car_leaves_out_may_be_here_already(store, cars):
    root, blocks = tiny(b"0123456789")
    await import_car(store, cars.chunks(cars.car([], blocks[:2])))
    assert (await import_car(store, cars.chunks(cars.car([root], blocks[2:])))).roots[0].pinned


async def test_a_root_with_links_that_cannot_be_read_says_so(store, cars):
    cid = CID.of(CODECS["git-raw"], b"blob")
    (root,) = (await import_car(store, cars.chunks(cars.car([cid], [(cid, b"blob")])))).roots
    assert not root.pinned
    assert "git-raw" in str(root.error)
    broken = CID.of(CODECS["dag-pb"], b"\xff")
    (root,) = (await import_car(store, cars.chunks(cars.car([broken], [(broken, b"\xff")])))).roots
    assert "dag-pb" in str(root.error)
    assert pins(store) == []


async def test_roots_named_twice_are_told_once(store, cars):
    cid, data = raw(b"x")
    assert len((await import_car(store, cars.chunks(cars.car([cid, cid], [(cid, data)])))).roots) == 1


async def test_roots_are_not_pinned_if_that_is_not_asked_for(store, cars):
    root, blocks = tiny(b"0123456789")
    imported = await import_car(store, cars.chunks(cars.car([root], blocks)), pin_roots=False)
    assert imported.roots == [ImportedRoot(cid=str(root), pinned=False)]
    assert pins(store) == []
    assert await content(store, root) == b"0123456789"


async def test_a_root_of_an_identity_cid_is_pinned(store, cars):
    root = CID(1, RAW, b"\x00\x05hello")
    assert (await import_car(store, cars.chunks(cars.car([root], [(root, b"hello")])))).roots[0].pinned


async def test_a_car_without_roots_or_blocks_is_imported(store, cars):
    imported = await import_car(store, cars.chunks(cars.car([], [])))
    assert (imported.roots, imported.blocks, imported.size_bytes) == ([], 0, 0)


async def test_the_first_1000_roots_are_told_and_all_are_pinned(store, cars):
    blocks = [raw(b"%d" % i) for i in range(1005)]
    imported = await import_car(store, cars.chunks(cars.car([cid for cid, _ in blocks], blocks)))
    assert len(imported.roots) == 1000
    assert store.pins.count() == 1005


async def test_a_wrong_block_is_named_and_nothing_is_pinned(store, cars):
    root, blocks = tiny(b"0123456789")
    wrong = CID.of(RAW, b"right")
    with pytest.raises(InvalidContent, match="does not match") as caught:
        await import_car(store, cars.chunks(cars.car([root], [*blocks, (wrong, b"wrong")])))
    assert caught.value.cid == str(wrong)
    assert pins(store) == []


async def test_a_car_cut_short_pins_nothing(store, cars):
    root, blocks = tiny(b"0123456789")
    with pytest.raises(InvalidContent, match="cut short"):
        await import_car(store, cars.chunks(cars.car([root], [*blocks, raw(b"last")])[:-1]))
    assert pins(store) == []


async def test_an_upload_that_breaks_off_pins_nothing_and_leaves_what_is_collected(store, cars):
    root, blocks = tiny(b"0123456789")

    async def breaks_off():
        yield cars.car([root], blocks)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await import_car(store, breaks_off())
    assert pins(store) == []
    await store.collect()
    assert list(store.list()) == []


async def test_a_block_over_2_mib_is_refused_and_one_of_2_mib_is_not(store, cars):
    cid, data = raw(bytes(MAX_BLOCK_BYTES))
    assert (await import_car(store, cars.chunks(cars.car([cid], [(cid, data)])))).roots[0].pinned
    cid, data = raw(bytes(MAX_BLOCK_BYTES + 1))
    with pytest.raises(InvalidContent, match="has 2097153 bytes") as caught:
        await import_car(store, cars.chunks(cars.car([cid], [(cid, data)])))
    assert caught.value.limit == MAX_BLOCK_BYTES
