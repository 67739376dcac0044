"""Pins keep content, name it, end by themselves, and never claim what is not there."""

from __future__ import annotations

import asyncio

import pytest

from cidbus.actors.ipfs.store import upkeep
from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.schemas.cid import CID, DAG_PB
from cidbus.schemas.errors import Conflict, CorruptBlock, NotFound, Unavailable


async def test_a_recursive_pin_on_what_is_here_is_listed(kit, store):
    *below, root = kit.chain(5)
    await kit.add(store, *below, root)
    kit.now = 1_234_567.0
    made = await store.pins.add(PinRecord(root.cid, name="root", created_at=kit.now))
    assert made == PinRecord(root.cid, "recursive", "root")
    assert list(store.pins.list()) == [made]
    assert store.pins.get(root.cid).created_at == 1_234_567.0
    assert store.pins.count() == 1


async def test_a_recursive_pin_needs_every_block(kit, store):
    missing, *rest = kit.chain(5)
    await kit.add(store, *rest)
    with pytest.raises(NotFound) as error:
        await store.pins.add(PinRecord(rest[-1].cid))
    assert (error.value.what, error.value.name) == ("block", str(missing.cid))
    assert store.pins.count() == 0


async def test_a_recursive_pin_needs_every_node(kit, store):
    first, missing, last = kit.chain(3)
    await kit.add(store, first, last)
    with pytest.raises(NotFound) as error:
        await store.pins.add(PinRecord(last.cid))
    assert error.value.name == str(missing.cid)


async def test_a_damaged_block_cannot_be_pinned_below(kit, store):
    _, middle, root = blocks = kit.chain(3)
    await kit.add(store, *blocks)
    kit.overwrite(*kit.place_of(store, middle), b"?")
    with pytest.raises(CorruptBlock):
        await store.pins.add(PinRecord(root.cid))


async def test_a_direct_pin_needs_only_its_block(kit, store):
    _, root = kit.chain(2)
    with pytest.raises(NotFound):
        await store.pins.add(PinRecord(root.cid, "direct"))
    await kit.add(store, root)
    await store.pins.add(PinRecord(root.cid, "direct"))
    assert [pin.mode for pin in store.pins.list()] == ["direct"]


async def test_a_recursive_pin_replaces_a_direct_one_and_not_the_other_way_round(kit, store):
    *_, root = blocks = kit.chain(2)
    await kit.add(store, *blocks)
    await store.pins.add(PinRecord(root.cid, "direct", "name"))
    await store.pins.add(PinRecord(root.cid, "recursive"))
    assert list(store.pins.list()) == [PinRecord(root.cid, "recursive", "name")]
    with pytest.raises(Conflict):
        await store.pins.add(PinRecord(root.cid, "direct"))


async def test_an_identity_cid_can_be_pinned(kit, store):
    cid = CID.from_bytes(b"\x01\x55\x00\x02hi")
    await store.pins.add(PinRecord(cid))
    await store.pins.add(PinRecord(CID.from_bytes(b"\x01\x55\x00\x02ho"), "direct"))
    assert store.pins.count() == 2


async def test_pinning_again_renames_and_keeps_the_age(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block, pin=block, name="old", created_at=1.0)
    pin = await store.pins.add(PinRecord(block.cid, name="new"))
    assert (pin.name, pin.created_at) == ("new", 1.0)
    pin = await store.pins.add(PinRecord(block.cid))
    assert (pin.name, pin.created_at) == ("new", 1.0)


async def test_pinning_again_does_not_walk(kit, store, monkeypatch):
    *_, root = blocks = kit.chain(3)
    await kit.add(store, *blocks, pin=root)

    def walk(*arguments):
        raise AssertionError

    monkeypatch.setattr(upkeep.Upkeep, "run", walk)
    await store.pins.add(PinRecord(root.cid))


async def test_both_versions_of_a_cid_are_one_pin(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block)
    old = CID(0, DAG_PB, block.cid.multihash)
    await store.pins.add(PinRecord(old, "direct"))
    assert store.pins.get(old.to_v1()).cid == old
    await store.pins.remove(old.to_v1())
    assert store.pins.count() == 0


async def test_unpinning_what_is_not_pinned_is_told(kit, store):
    with pytest.raises(NotFound) as error:
        await store.pins.remove(kit.leaf("x").cid)
    assert error.value.what == "pin"


async def test_listing_filters_by_mode_name_and_cid(kit, store):
    one, two, three = (kit.leaf(text) for text in "123")
    await kit.add(store, one, pin=one, name="a")
    await kit.add(store, two, pin=two, name="b")
    await kit.add(store, three)
    await store.pins.add(PinRecord(three.cid, "direct", "a"))
    assert {pin.cid for pin in store.pins.list(name="a")} == {one.cid, three.cid}
    assert [pin.cid for pin in store.pins.list(name="a", mode="direct")] == [three.cid]
    assert [pin.cid for pin in store.pins.list(cid=two.cid)] == [two.cid]
    assert list(store.pins.list(cid=two.cid, name="a")) == []
    assert list(store.pins.list(cid=kit.leaf("4").cid)) == []


async def test_listing_goes_on_while_pins_come_and_go(kit, store):
    blocks = [kit.leaf(f"{number}") for number in range(1500)]
    async with store.session() as session:
        for block in blocks:
            await session.put(block.cid, block.data)
        await session.commit([PinRecord(block.cid) for block in blocks])
    listing = store.pins.list()
    told = {next(listing).cid}
    await store.pins.remove(blocks[0].cid)
    told |= {pin.cid for pin in listing}
    assert told >= {block.cid for block in blocks[1:]}


async def test_an_expired_pin_is_not_listed_and_does_not_protect(kit, store):
    block = kit.leaf("for a while")
    await kit.add(store, block, pin=block, expires_at=kit.now + 10)
    assert (await store.collect()).removed_blocks == 0
    kit.now += 10
    assert list(store.pins.list()) == []
    assert store.pins.get(block.cid) is None
    with pytest.raises(NotFound):
        await store.pins.remove(block.cid)
    assert (await store.collect()).removed_blocks == 1


async def test_expired_pins_are_removed_once_and_told(kit, store):
    blocks = [kit.leaf(f"{number}") for number in range(1200)]
    for number, block in enumerate(blocks):
        store_pin = {"pin": block, "expires_at": kit.now + number + 1} if number < 1100 else {"pin": block}
        await kit.add(store, block, **store_pin)
    kit.now += 1050
    assert len(await store.pins.expire_due()) == 1050
    assert await store.pins.expire_due() == []
    assert len(await store.pins.expire_due(kit.now + 1000)) == 50
    assert store.pins.count() == 100


async def test_a_renewed_pin_does_not_expire_at_its_old_end(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block, pin=block, expires_at=kit.now + 10)
    await store.pins.add(PinRecord(block.cid, expires_at=kit.now + 20))
    assert await store.pins.expire_due(kit.now + 15) == []
    await store.pins.add(PinRecord(block.cid))
    assert await store.pins.expire_due(kit.now + 1000) == []
    assert store.pins.get(block.cid).expires_at is None


async def test_an_expired_pin_made_again_is_walked_again(kit, store):
    leaf, root = blocks = kit.chain(2)
    await kit.add(store, *blocks, pin=root, expires_at=kit.now + 1)
    kit.now += 2
    await store.collect()
    await kit.add(store, root)
    with pytest.raises(NotFound) as error:
        await store.pins.add(PinRecord(root.cid))
    assert error.value.name == str(leaf.cid)


async def test_update_moves_the_name_and_the_end(kit, store):
    shared = kit.leaf("shared")
    old, new = kit.node(shared, salt=1), kit.node(shared, salt=2)
    await kit.add(store, shared, old, pin=old, name="site", expires_at=kit.now + 100)
    await kit.add(store, new)
    pin = await store.pins.update(old.cid, new.cid)
    assert pin == PinRecord(new.cid, "recursive", "site", kit.now + 100)
    assert list(store.pins.list()) == [pin]
    assert len(await store.pins.expire_due(kit.now + 200)) == 1


async def test_update_may_keep_the_old_pin(kit, store):
    old, new = kit.leaf("old"), kit.leaf("new")
    await kit.add(store, old, new, pin=old)
    await store.pins.update(old.cid, new.cid, unpin=False)
    assert {pin.cid for pin in store.pins.list()} == {old.cid, new.cid}


async def test_update_to_itself_changes_nothing(kit, store):
    block = kit.leaf("x")
    await kit.add(store, block, pin=block, name="x")
    await store.pins.update(block.cid, block.cid)
    assert store.pins.get(block.cid).name == "x"


async def test_update_walks_only_what_differs(kit, store, monkeypatch):
    big = kit.chain(50, salt="big")
    small = kit.chain(3, salt="small")
    old, new = kit.node(big[-1], small[0], salt=1), kit.node(big[-1], small[-1], salt=2)
    await kit.add(store, *big, *small, old, new, pin=old)
    read = []
    real = store._lookup.read
    monkeypatch.setattr(store._lookup, "read", lambda cid: read.append(cid) or real(cid))
    await store.pins.update(old.cid, new.cid)
    assert len(read) < 10
    assert (await store.collect()).removed_blocks == 1
    assert all(await kit.held(store, [*big, *small, new]))


async def test_update_needs_the_old_pin_and_the_new_content(kit, store):
    old, missing = kit.leaf("old"), kit.leaf("missing")
    new = kit.node(missing)
    await kit.add(store, old, new)
    with pytest.raises(NotFound) as error:
        await store.pins.update(old.cid, new.cid)
    assert error.value.what == "pin"
    await store.pins.add(PinRecord(old.cid))
    with pytest.raises(NotFound) as error:
        await store.pins.update(old.cid, new.cid)
    assert (error.value.what, error.value.name) == ("block", str(missing.cid))
    assert [pin.cid for pin in store.pins.list()] == [old.cid]


@pytest.mark.slow
async def test_a_dag_100_000_blocks_deep_is_pinned_and_collected(kit, store):
    *_, root = blocks = kit.chain(100_000)
    await kit.add(store, *blocks)
    await store.pins.add(PinRecord(root.cid))
    assert (await store.collect()).kept_blocks == 100_000
    await store.pins.remove(root.cid)
    assert (await store.collect()).removed_blocks == 100_000


async def test_diamonds_are_walked_once_per_block(kit, store):
    blocks = [kit.leaf("bottom")]
    for level in range(40):  # 2^40 ways down
        left, right = kit.node(blocks[-1], salt=(level, "l")), kit.node(blocks[-1], salt=(level, "r"))
        blocks += [left, right, kit.node(left, right)]
    await kit.add(store, *blocks)
    await store.pins.add(PinRecord(blocks[-1].cid))
    assert (await store.collect()).removed_blocks == 0


async def test_one_hash_under_two_codecs_is_followed_as_both(kit, store):
    below = kit.leaf("below")
    inner = kit.node(below)
    as_raw = CID(1, 0x55, inner.cid.multihash)
    await kit.add(store, below, inner)
    await store.pins.add(PinRecord(as_raw))
    await store.pins.add(PinRecord(inner.cid))
    assert (await store.collect()).removed_blocks == 0
    await store.pins.remove(inner.cid)
    assert (await store.collect()).removed_blocks == 1
    assert await kit.held(store, [inner, below]) == [True, False]


async def test_a_pin_during_a_collection_keeps_what_it_walked(kit, store, monkeypatch):
    """Blocks are removed between the walk and the pin: the walk is made again and says what is missing."""
    leaf, root = blocks = kit.chain(2)
    await kit.add(store, *blocks)
    real = upkeep.Upkeep.run
    walks = 0

    async def run(self, job):
        nonlocal walks
        result = await real(self, job)
        walks += 1
        if walks == 1:
            monkeypatch.setattr(upkeep.Upkeep, "run", real)
            await store.remove(leaf.cid)
        return result

    monkeypatch.setattr(upkeep.Upkeep, "run", run)
    with pytest.raises(NotFound) as error:
        await store.pins.add(PinRecord(root.cid))
    assert error.value.name == str(leaf.cid)


async def test_a_pin_that_collections_keep_overtaking_keeps_them_away(kit, store, monkeypatch):
    *_, root = blocks = kit.chain(2)
    others = [kit.leaf(f"{number}") for number in range(10)]
    await kit.add(store, *blocks, *others)
    real = upkeep.Upkeep.run
    refused = 0

    async def run(self, job):
        nonlocal refused
        result = await real(self, job)
        monkeypatch.setattr(upkeep.Upkeep, "run", real)
        try:
            await store.remove(others.pop().cid)
        except Conflict:
            refused += 1
        monkeypatch.setattr(upkeep.Upkeep, "run", run)
        return result

    monkeypatch.setattr(upkeep.Upkeep, "run", run)
    await store.pins.add(PinRecord(root.cid))
    assert refused == 1


async def test_a_cancelled_pin_stops_its_walk(kit, store):
    *_, root = blocks = kit.chain(20_000)
    await kit.add(store, *blocks)
    task = asyncio.create_task(store.pins.add(PinRecord(root.cid)))
    while not store._upkeep._stops:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.pins.count() == 0


async def test_closing_stops_walks(kit, store):
    *_, root = blocks = kit.chain(20_000)
    await kit.add(store, *blocks)
    task = asyncio.create_task(store.pins.add(PinRecord(root.cid)))
    while not store._upkeep._stops:
        await asyncio.sleep(0)
    await kit.close(store)
    with pytest.raises(Unavailable):
        await task
