"""A store whose index is lost makes a new one by itself; what cannot be read is told."""

from __future__ import annotations

import os
import shutil

import pytest

from cidbus.actors.ipfs.store import environment
from cidbus.actors.ipfs.store.packs import HEADER
from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.schemas.errors import Conflict, CorruptBlock, NotFound, Unavailable


def lose_index(kit) -> None:
    shutil.rmtree(kit.path / "index")


async def test_a_new_store_rebuilds_nothing(kit, store):
    assert store.rebuilt is None
    assert (await kit.reopen()).rebuilt is None


async def test_a_deleted_index_is_rebuilt_with_pins_names_and_keys(kit):
    store = await kit.open(max_pack_bytes=50_000)
    *_, root = blocks = [*kit.chain(20), *(kit.leaf(os.urandom(5000)) for _ in range(50)), kit.leaf("root")]
    await kit.add(store, *blocks, pin=root, name="root", expires_at=kit.now + 5)
    await store.pins.add(PinRecord(blocks[0].cid, "direct"))
    await store.pins.add(PinRecord(blocks[1].cid, "direct"))
    await store.pins.remove(blocks[1].cid)
    await store.keys.put(b"self", b"secret")
    await store.names.put(b"gone", b"x")
    await store.names.delete(b"gone")
    pins, stat = list(store.pins.list()), await store.stat()
    await kit.close()
    lose_index(kit)

    store = await kit.open(max_pack_bytes=50_000)
    assert store.rebuilt == (71, 0, 0)
    assert list(store.pins.list()) == pins
    assert store.keys.get(b"self") == b"secret"
    assert list(store.names.items()) == []
    assert [store.get_now(block.cid) for block in blocks] == [block.data for block in blocks]
    again = await store.stat()
    assert (again.blocks, again.size_bytes, again.packs) == (stat.blocks, stat.size_bytes, stat.packs)
    assert [pin.cid for pin in await store.pins.expire_due(kit.now + 10)] == [root.cid]
    assert (await store.collect()).kept_blocks == 1


async def test_a_rebuilt_store_goes_on(kit, store):
    await kit.add(store, kit.leaf("before"))
    await kit.close()
    lose_index(kit)
    store = await kit.open()
    await kit.add(store, kit.leaf("after"), pin=kit.leaf("after"))
    store = await kit.reopen()
    assert store.rebuilt is None
    assert await kit.held(store, [kit.leaf("before"), kit.leaf("after")]) == [True, True]
    assert len(kit.packs()) == 1


@pytest.mark.parametrize("damage", ["garbage", "cut short", "empty"])
async def test_an_unreadable_index_is_set_aside_and_rebuilt(kit, store, damage):
    await kit.add(store, *(kit.leaf(f"{number}") for number in range(3000)), pin=kit.leaf("1"))
    await kit.close()
    path = kit.path / "index" / "data.mdb"
    if damage == "garbage":
        kit.overwrite(path, 0, os.urandom(8192))
    else:
        os.truncate(path, 8192 if damage == "cut short" else 0)
    store = await kit.open()
    assert store.rebuilt.blocks == 3000
    assert store.pins.count() == 1
    assert (kit.path / "index.damaged-1").exists()


async def test_a_torn_tail_is_cut_off(kit, store):
    whole, torn = kit.leaf("whole"), kit.leaf(os.urandom(1000))
    await kit.add(store, whole)
    await kit.add(store, torn)
    await kit.close()
    path = kit.packs()[0]
    os.truncate(path, path.stat().st_size - 1)
    lose_index(kit)
    store = await kit.open()
    assert store.rebuilt == (1, 0, 0)
    assert path.stat().st_size == len(HEADER) + 1 + 36 + 5
    assert await kit.held(store, [whole, torn]) == [True, False]
    await kit.add(store, torn)
    assert await store.get(torn.cid) == torn.data


async def test_a_damaged_record_in_the_middle_is_skipped_and_counted(kit, store):
    blocks = [kit.leaf(f"block {number}") for number in range(5)]
    await kit.add(store, *blocks, pin=blocks[0])
    path, offset = kit.place_of(store, blocks[2])
    size = path.stat().st_size
    await kit.close()
    kit.overwrite(path, offset, b"B")
    lose_index(kit)
    store = await kit.open()
    assert store.rebuilt == (4, 1, 0)
    assert path.stat().st_size == size
    assert await kit.held(store, blocks) == [True, True, False, True, True]


@pytest.mark.parametrize("at", [-38, -37, -36, -34, -3])
async def test_a_damaged_frame_in_the_middle_loses_only_its_own_record(kit, store, at):
    blocks = [kit.leaf(os.urandom(size)) for size in (50, 500, 50_000, 300, 40)]
    await kit.add(store, *blocks)
    path, offset = kit.place_of(store, blocks[1])
    size = path.stat().st_size
    await kit.close()
    kit.overwrite(path, offset + at, b"\xff\xff")
    lose_index(kit)
    store = await kit.open()
    assert await kit.held(store, blocks) == [True, False, True, True, True]
    assert store.rebuilt.damaged == 1
    assert path.stat().st_size == size


async def test_a_damaged_line_of_the_ledger_keeps_everything_from_collection(kit, store):
    one, two = kit.leaf("one"), kit.leaf("two")
    await kit.add(store, one, pin=one)
    await kit.add(store, two, pin=two)
    await kit.close()
    kit.overwrite(kit.path / "ledger.log", 20, b"?")
    lose_index(kit)
    store = await kit.open()
    assert store.rebuilt == (2, 0, 1)
    assert store.pins_lost == 1
    assert [pin.cid for pin in store.pins.list()] == [two.cid]
    with pytest.raises(Conflict):
        await store.collect()
    assert (await kit.reopen()).pins_lost == 1
    store = await kit.reopen()
    await store.accept_lost_pins()
    assert (await store.collect()).removed_blocks == 1


async def test_a_lost_ledger_keeps_everything_from_collection(kit, store):
    await kit.add(store, kit.leaf("one"), pin=kit.leaf("one"))
    await kit.close()
    lose_index(kit)
    (kit.path / "ledger.log").unlink()
    store = await kit.open()
    with pytest.raises(Conflict):
        await store.collect()


async def test_an_unfinished_line_of_the_ledger_is_nothing(kit, store):
    one, two = kit.leaf("one"), kit.leaf("two")
    await kit.add(store, one, pin=one)
    with (kit.path / "ledger.log").open("ab") as file:
        file.write(b'0123abcd {"t":"pi')
    await kit.add(store, two, pin=two)
    await kit.close()
    lose_index(kit)
    store = await kit.open()
    assert store.rebuilt.lost_facts == 0
    assert store.pins.count() == 2


async def test_a_failed_commit_is_taken_back_from_the_ledger(kit, store, monkeypatch):
    block = kit.leaf("x")
    await kit.add(store, block)
    real = environment.Environment._write_once
    failures = iter([True])

    def fail_at_the_end(self, body):
        def run(tables):
            result = body(tables)
            if next(failures, False):
                raise OSError(5, "broken")
            return result

        return real(self, run)

    monkeypatch.setattr(environment.Environment, "_write_once", fail_at_the_end)
    with pytest.raises(OSError, match="broken"):
        await store.pins.add(PinRecord(block.cid, "direct"))
    await kit.close()
    lose_index(kit)
    store = await kit.open()
    assert store.pins.count() == 0
    assert store.rebuilt.lost_facts == 0


async def test_the_ledger_is_shortened_by_collection(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block, pin=block, name="the one that stays")
    await store.keys.put(b"k", b"v")
    for number in range(30):
        await store.names.put(b"name", bytes([number]) * 20_000)
    long = (kit.path / "ledger.log").stat().st_size
    await store.collect()
    assert (kit.path / "ledger.log").stat().st_size < long / 20
    await kit.add(store, kit.leaf("y"), pin=kit.leaf("y"))
    await kit.close()
    lose_index(kit)
    store = await kit.open()
    assert store.pins.count() == 2
    assert store.keys.get(b"k") == b"v"
    assert store.names.get(b"name") == bytes([29]) * 20_000


async def test_what_killed_processes_left_is_swept_up(kit, store):
    await kit.close()
    (kit.path / "temp" / "seen-x").mkdir()
    (kit.path / "owners" / "00ff.lock").touch()
    await kit.open()
    assert list((kit.path / "temp").iterdir()) == []
    assert len(list((kit.path / "owners").iterdir())) == 1


async def test_an_index_lost_while_others_use_the_store_is_not_rebuilt_under_them(kit, store):
    await kit.add(store, kit.leaf("x"))
    lose_index(kit)
    with pytest.raises(Unavailable):
        await kit.open()


async def test_blocks_that_came_back_are_not_pinned(kit, store):
    block = kit.leaf("removed")
    await kit.add(store, block, kit.leaf("other"), pin=kit.leaf("other"))
    await store.remove(block.cid)
    await kit.close()
    lose_index(kit)
    store = await kit.open()
    assert await store.has(block.cid)
    await store.pins.remove(kit.leaf("other").cid)
    assert (await store.collect()).kept_blocks == 0


async def test_without_an_index_damage_is_not_found(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block)
    path, offset = kit.place_of(store, block)
    kit.overwrite(path, offset, b"y")
    with pytest.raises(CorruptBlock):
        await store.get(block.cid)
    await kit.close()
    lose_index(kit)
    store = await kit.open()
    with pytest.raises(NotFound):
        await store.get(block.cid)
