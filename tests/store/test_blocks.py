"""Blocks go in and come out, checked, at once or after a wait."""

from __future__ import annotations

import asyncio
import os

import pytest

from cidbus.actors.ipfs.blocks import BlockSink, BlockSource
from cidbus.actors.ipfs.store import lookup
from cidbus.actors.ipfs.store.index import Entry
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import CorruptBlock, NotFound


async def test_a_committed_block_is_read_back(kit, store):
    block = kit.leaf("hello")
    await kit.add(store, block)
    assert store.get_now(block.cid) == await store.get(block.cid) == b"hello"
    assert await store.has(block.cid)
    assert await store.size_of(block.cid) == 5


async def test_blocks_of_all_sizes_are_read_back(kit, store):
    blocks = [kit.leaf(os.urandom(size)) for size in (1, 127, 128, 32_767, 32_769, 1 << 20, 3 << 20)]
    await kit.add(store, kit.leaf(b""), *blocks)
    store = await kit.reopen()
    assert [store.get_now(block.cid) for block in blocks] == [block.data for block in blocks]
    assert store.get_now(kit.leaf(b"").cid) == b""


async def test_a_block_can_be_read_before_it_is_committed(kit, store):
    block = kit.leaf("soon")
    async with store.session() as session:
        await session.put(block.cid, block.data)
        assert store.get_now(block.cid) == await store.get(block.cid) == b"soon"
        assert await store.has(block.cid)
        assert await store.size_of(block.cid) == 4


async def test_a_missing_block_is_not_found(kit, store):
    cid = kit.leaf("nowhere").cid
    assert store.get_now(cid) is None
    assert not await store.has(cid)
    with pytest.raises(NotFound) as error:
        await store.get(cid)
    assert (error.value.what, error.value.name) == ("block", str(cid))
    with pytest.raises(NotFound):
        await store.size_of(cid)


async def test_an_identity_cid_is_its_own_block_and_is_never_stored(kit, store):
    cid = CID.from_bytes(b"\x01\x55\x00\x02hi")
    assert store.get_now(cid) == await store.get(cid) == b"hi"
    assert await store.has(cid)
    assert await store.size_of(cid) == 2
    async with store.session() as session:
        await session.put(cid, b"hi")
        await session.commit()
    assert (await store.stat()).blocks == 0


async def test_both_versions_and_every_codec_of_a_hash_share_one_block(kit, store):
    block = kit.leaf("shared")
    await kit.add(store, block)
    assert store.get_now(CID(0, DAG_PB, block.cid.multihash)) == b"shared"
    assert list(store.list()) == [block.cid]


async def test_a_block_is_stored_once_however_often_it_is_added(kit, store):
    block = kit.leaf(os.urandom(1000))
    await kit.add(store, block, block)
    size = kit.packs()[0].stat().st_size
    await kit.add(store, block)
    assert kit.packs()[0].stat().st_size == size < 1200
    assert (await store.stat()).blocks == 1


async def test_a_flipped_byte_is_told_on_every_read(kit, store):
    block = kit.leaf("precious")
    await kit.add(store, block)
    kit.overwrite(*kit.place_of(store, block), b"P")
    with pytest.raises(CorruptBlock) as error:
        store.get_now(block.cid)
    assert error.value.cid == str(block.cid)
    with pytest.raises(CorruptBlock):
        await store.get(block.cid)


async def test_a_pack_that_is_gone_is_told_as_damage(kit, store):
    block = kit.leaf("precious")
    await kit.add(store, block)
    store = await kit.reopen()
    kit.packs()[0].unlink()
    assert store.get_now(block.cid) is None
    with pytest.raises(CorruptBlock):
        await store.get(block.cid)


async def test_adding_a_damaged_block_again_mends_it(kit, store):
    block = kit.leaf("precious")
    await kit.add(store, block)
    kit.overwrite(*kit.place_of(store, block), b"P")
    with pytest.raises(CorruptBlock):
        await store.get(block.cid)
    await kit.add(store, block)
    assert await store.get(block.cid) == b"precious"


async def test_what_the_page_cache_lacks_is_read_in_a_thread(kit, store, monkeypatch):
    def not_cached(*arguments):
        raise BlockingIOError(11, "not in the page cache")

    block = kit.leaf("cold")
    await kit.add(store, block)
    monkeypatch.setattr(os, "preadv", not_cached)
    assert store.get_now(block.cid) is None
    assert await store.get(block.cid) == b"cold"


async def test_a_short_cached_read_is_not_taken_for_the_block(kit, store, monkeypatch):
    block = kit.leaf("half cold")
    await kit.add(store, block)
    monkeypatch.setattr(os, "preadv", lambda *arguments: 4)
    assert store.get_now(block.cid) is None
    assert await store.get(block.cid) == b"half cold"


@pytest.mark.parametrize("has_flag", [True, False])
async def test_without_nowait_only_small_blocks_are_read_at_once(kit, monkeypatch, has_flag):
    def refused(*arguments):
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "preadv", refused)
    store = await kit.open()
    if not has_flag:
        store._lookup = lookup.Lookup(store._index, store._packs, nowait=None)
    small, large = kit.leaf(b"s" * 65_536), kit.leaf(b"l" * 65_537)
    await kit.add(store, small, large)
    assert store.get_now(small.cid) == small.data
    assert store.get_now(large.cid) is None
    assert await store.get(large.cid) == large.data


async def test_a_reader_that_finds_a_pack_compacted_away_looks_again(kit, store, monkeypatch):
    block = kit.leaf("moved")
    await kit.add(store, block)
    real = store._index.find
    answers = iter([Entry(99, 0, 5, 0, 0, RAW, 1, 38)])
    monkeypatch.setattr(store._lookup, "_find", lambda key: next(answers, None) or real(key))
    assert await asyncio.to_thread(store._lookup.read, block.cid) == b"moved"


async def test_the_store_is_a_source_and_its_sessions_are_sinks(store):
    source: BlockSource = store
    sink: BlockSink = store.session()
    assert source
    assert sink


async def test_files_and_folders_are_only_for_their_owner(kit, store):
    await kit.add(store, kit.leaf("x"), pin=kit.leaf("x"))
    for path in [kit.path, *kit.path.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


async def test_listing_tells_every_block_once(kit, store):
    blocks = [kit.leaf(f"{number}") for number in range(1200)]
    await kit.add(store, *blocks)
    assert sorted(map(str, store.list())) == sorted(str(block.cid) for block in blocks)
