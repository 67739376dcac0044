"""Collection takes what nothing keeps, leaves everything else, and gives disk space back."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from cidbus.actors.ipfs.store import gc
from cidbus.actors.ipfs.store.diskset import DiskSet
from cidbus.actors.ipfs.store.locks import FileLock
from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.actors.ipfs.store.upkeep import Upkeep
from cidbus.actors.ipfs.store.writer import Writer
from cidbus.schemas.errors import Conflict, NotFound, StorageFull, Unavailable

MIB = 1 << 20


async def test_unpinned_blocks_go_and_pinned_ones_stay(kit, store):
    kept, loose, direct = kit.chain(4), [kit.leaf(f"{n}") for n in range(2000)], kit.chain(2, salt="direct")
    await kit.add(store, *kept, pin=kept[-1])
    await kit.add(store, *loose, *direct)
    await store.pins.add(PinRecord(direct[-1].cid, "direct"))
    collected = await store.collect()
    assert (collected.removed_blocks, collected.kept_blocks) == (2001, 5)
    assert collected.freed_bytes == sum(len(block.data) for block in [*loose, direct[0]])
    assert all(await kit.held(store, [*kept, direct[-1]]))
    assert not any(await kit.held(store, [*loose, direct[0]]))


async def test_collecting_again_takes_nothing(kit, store):
    await kit.add(store, kit.leaf("x"))
    await store.collect()
    assert (await store.collect()).removed_blocks == 0


async def test_a_collection_spills_its_marks_to_disk_and_cleans_up(kit, store, monkeypatch):
    monkeypatch.setattr(Upkeep, "seen", lambda upkeep: DiskSet(upkeep.layout.temp, memory_keys=100))
    *_, root = kept = kit.chain(1000)
    await kit.add(store, *kept, pin=root)
    await kit.add(store, kit.leaf("loose"))
    assert (await store.collect()).removed_blocks == 1
    assert list((kit.path / "temp").iterdir()) == []


async def test_blocks_of_a_session_that_has_not_ended_stay(kit, store):
    old, new = kit.leaf("was here before"), kit.leaf("new")
    await kit.add(store, old)
    async with store.session() as session:
        await session.put(old.cid, old.data)
        await session.put(new.cid, new.data)
        await session.flush()
        assert (await store.collect()).removed_blocks == 0
        await session.commit([PinRecord(old.cid), PinRecord(new.cid)])
    assert (await store.collect()).removed_blocks == 0


async def test_a_block_collected_between_put_and_commit_is_written_again(kit, store):
    block = kit.leaf("known")
    await kit.add(store, block)
    async with store.session() as session:
        await session.put(block.cid, block.data)
        assert (await store.collect()).removed_blocks == 1
        await session.commit([PinRecord(block.cid)])
    assert await store.get(block.cid) == b"known"


async def test_a_block_collected_inside_the_commit_is_written_again(kit, store, monkeypatch):
    """The batch is prepared while the block is here, and its transaction begins when it is gone."""
    block = kit.leaf("known")
    await kit.add(store, block)
    writer = store._committer._writer
    real = writer._place_missing

    def collected_after(batch):
        places = real(batch)
        gc.remove_block(
            store._upkeep, block.cid, threading.Event()
        ) if block.cid.multihash in batch.blocks else None
        return places

    monkeypatch.setattr(gc.Reach, "walk", lambda *arguments: iter(()))
    monkeypatch.setattr(writer, "_place_missing", collected_after)
    await kit.add(store, block, pin=block)
    monkeypatch.undo()
    assert await store.get(block.cid) == b"known"
    assert (await store.verify()).bad_blocks == 0


async def test_a_pin_made_after_the_mark_is_walked_before_the_sweep(kit, store, monkeypatch):
    *_, root = blocks = kit.chain(5)
    await kit.add(store, *blocks)
    real = gc.Sweep.run

    def pinned_late(self):
        store._index.change(lambda change: gc_pin(change))
        real(self)

    def gc_pin(change):
        from cidbus.actors.ipfs.store.pins import write_pin

        write_pin(change, PinRecord(root.cid), kit.now)

    monkeypatch.setattr(gc.Sweep, "run", pinned_late)
    assert (await store.collect()).removed_blocks == 0


async def test_a_damaged_pin_stops_the_collection(kit, store):
    _, middle, root = blocks = kit.chain(3)
    loose = kit.leaf("loose")
    await kit.add(store, *blocks, pin=root)
    await kit.add(store, loose)
    kit.overwrite(*kit.place_of(store, middle), b"?")
    with pytest.raises(Conflict, match=str(middle.cid)):
        await store.collect()
    assert await store.has(loose.cid)


async def test_only_one_collection_runs(kit, store):
    lock = FileLock(kit.path / "gc.lock")
    assert lock.try_alone()
    with pytest.raises(Conflict):
        await store.collect()
    with pytest.raises(Conflict):
        await store.remove(kit.leaf("x").cid)
    lock.close()
    await store.collect()


async def test_mostly_dead_packs_are_compacted(kit, store):
    kept, loose = kit.leaf(os.urandom(MIB)), [kit.leaf(os.urandom(MIB)) for _ in range(8)]
    await kit.add(store, kept, *loose, pin=kept)
    collected = await store.collect()
    assert collected.removed_blocks == 8
    assert 8 * MIB <= collected.reclaimed_disk_bytes < 8.01 * MIB
    assert sum(path.stat().st_size for path in kit.packs()) < 1.01 * MIB
    assert store.get_now(kept.cid) == kept.data
    assert (await store.verify()).bad_blocks == 0
    stat = await store.stat()
    assert (stat.blocks, stat.size_bytes, stat.packs) == (1, MIB, 1)


async def test_packs_of_small_blocks_are_not_compacted_for_their_headers(kit, store):
    blocks = [kit.leaf(f"{number}") for number in range(500)]
    root = kit.node(*blocks)
    await kit.add(store, *blocks, root, pin=root)
    assert (await store.collect()).reclaimed_disk_bytes == 0


async def test_a_pack_that_is_all_dead_goes(kit, store):
    await kit.add(store, kit.leaf(os.urandom(MIB)))
    await store.collect()
    assert kit.packs() == []
    assert (await store.stat()).disk_bytes < MIB
    await kit.add(store, kit.leaf("goes on"))
    assert len(kit.packs()) == 1


async def test_many_packs_are_compacted_into_few(kit):
    store = await kit.open(max_pack_bytes=200_000)
    blocks = [kit.leaf(os.urandom(10_000)) for _ in range(100)]
    root = kit.node(*blocks[::4])
    await kit.add(store, *blocks, root, pin=root)
    before = len(kit.packs())
    await store.collect()
    assert len(kit.packs()) < before
    assert all(await kit.held(store, [*blocks[::4], root]))
    assert (await store.verify()).bad_blocks == 0
    store = await kit.reopen()
    assert (await store.verify()).checked_blocks == 26


async def test_a_block_that_moved_while_it_was_copied_keeps_its_newer_place(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block)
    old = store._index.find(block.cid.multihash)
    await store.remove(block.cid)
    await kit.add(store, block)
    new = store._index.find(block.cid.multihash)
    assert new.offset != old.offset
    copied = [(block.cid.multihash, old, block.data)]
    assert await store._committer.alone(lambda writer: writer.copy(copied)) == 0
    assert store._index.find(block.cid.multihash) == new


async def test_a_full_disk_leaves_compaction_for_another_time(kit, store, monkeypatch):
    kept = kit.leaf(os.urandom(1000))
    await kit.add(store, kept, kit.leaf(os.urandom(MIB)), pin=kept)

    def full(self, blocks):
        raise StorageFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "copy", full)
        collected = await store.collect()
    assert (collected.removed_blocks, collected.reclaimed_disk_bytes) == (1, 0)
    assert (await store.collect()).reclaimed_disk_bytes > MIB
    assert store.get_now(kept.cid) == kept.data


async def test_a_damaged_block_keeps_its_pack_from_going(kit, store):
    kept, other = kit.leaf(b"k" * 100), kit.leaf(os.urandom(MIB))
    await kit.add(store, kept, other, pin=kept)
    kit.overwrite(*kit.place_of(store, kept), b"?")
    assert (await store.collect()).reclaimed_disk_bytes == 0
    verified = await store.verify()
    assert [bad.cid for bad in verified.bad] == [str(kept.cid)]


async def test_readers_follow_a_compaction_by_another_handle(kit, store):
    kept = kit.leaf(os.urandom(1000))
    await kit.add(store, kept, kit.leaf(os.urandom(MIB)), pin=kept)
    assert store.get_now(kept.cid) == kept.data
    await store.tend()
    other = await kit.open()
    await kit.add(other, kit.leaf("a segment of its own"))
    await other.collect()
    await store.tend()  # leaves the pack it was asked to leave
    assert (await other.collect()).reclaimed_disk_bytes > MIB
    assert store.get_now(kept.cid) == kept.data
    await store.tend()
    assert store.get_now(kept.cid) == kept.data


async def test_a_store_closed_during_a_collection_is_whole(kit):
    store = await kit.open(max_pack_bytes=50_000)
    blocks = [kit.leaf(os.urandom(1000)) for _ in range(5000)]
    root = kit.node(*blocks[::10])
    await kit.add(store, *blocks, root, pin=root)
    task = asyncio.create_task(store.collect())
    while await store.has(blocks[1].cid):
        await asyncio.sleep(0)
    await kit.close(store)
    with pytest.raises(Unavailable):
        await task
    store = await kit.open()
    assert all(await kit.held(store, [*blocks[::10], root]))
    assert (await store.verify()).bad_blocks == 0
    assert (await store.collect()).kept_blocks == 501


async def test_removing_one_block(kit, store):
    loose = kit.leaf("loose")
    await kit.add(store, loose)
    assert await store.remove(loose.cid)
    assert not await store.has(loose.cid)
    with pytest.raises(NotFound):
        await store.remove(loose.cid)
    assert not await store.remove(loose.cid, missing_ok=True)


async def test_what_is_pinned_or_below_a_pin_is_not_removed(kit, store):
    below, root = blocks = kit.chain(2)
    single = kit.leaf("single")
    await kit.add(store, *blocks, single, pin=root)
    await store.pins.add(PinRecord(single.cid, "direct"))
    for block in (below, root, single):
        with pytest.raises(Conflict):
            await store.remove(block.cid)
    assert all(await kit.held(store, [below, root, single]))


async def test_what_is_being_added_is_not_removed(kit, store):
    before, during = kit.leaf("before"), kit.leaf("during")
    await kit.add(store, before)
    async with store.session() as session:
        await session.put(during.cid, during.data)
        await session.flush()
        with pytest.raises(Conflict):
            await store.remove(during.cid)
        assert await store.remove(before.cid)


async def test_verify_counts_and_tells_what_is_bad(kit, store):
    good, flipped = kit.leaf("good"), kit.leaf("flipped")
    await kit.add(store, good, flipped)
    kit.overwrite(*kit.place_of(store, flipped), b"F")
    verified = await store.verify()
    assert (verified.checked_blocks, verified.checked_bytes, verified.bad_blocks) == (2, 11, 1)
    assert verified.bad[0].cid == str(flipped.cid)


async def test_verify_finds_content_that_was_wrong_from_the_start(kit, store):
    async with store.session() as session:
        await session.put(kit.leaf("one").cid, b"another")
        await session.commit()
    verified = await store.verify()
    assert [bad.problem for bad in verified.bad] == ["does not match its hash"]


async def test_verify_tells_the_first_thousand(kit, store):
    await kit.add(store, *(kit.leaf(f"{number}") for number in range(1100)))
    await kit.close()
    store = await kit.open()
    kit.packs()[0].unlink()
    verified = await store.verify()
    assert (verified.bad_blocks, len(verified.bad)) == (1100, 1000)


async def test_stat_counts_what_lives(kit, store):
    block = kit.leaf("12345")
    await kit.add(store, block, kit.leaf("123"), pin=block)
    stat = await store.stat()
    assert (stat.blocks, stat.size_bytes, stat.packs, stat.pins) == (2, 8, 1, 1)
    assert stat.disk_bytes > 8
    assert stat.free_disk_bytes > 0
    assert stat.path == str(kit.path)
    await store.collect()
    stat = await store.stat()
    assert (stat.blocks, stat.size_bytes) == (1, 5)
