"""A named root keeps what is here below it, is nobody's promise that all of it is, and survives everything."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

from cidbus.actors.ipfs.store import gc, ledger
from cidbus.actors.ipfs.store.pins import PinRecord, write_pin
from cidbus.actors.ipfs.store.roots import RootRecord, write_root
from cidbus.schemas.errors import Conflict


async def keep(store, name, block, *blocks, release=(), **facts) -> None:
    """Store blocks and a root on one of them in one commit."""
    async with store.session() as session:
        for one in (block, *blocks):
            await session.put(one.cid, one.data)
        await session.commit(roots=[RootRecord(name, block.cid, **facts)], release=release)


async def test_a_root_keeps_all_below_it_until_it_is_let_go(kit, store):
    *below, root = kit.chain(4)
    await keep(store, "fs/1", root, *below)
    await kit.add(store, kit.leaf("loose"))
    assert (await store.collect()).removed_blocks == 1
    assert all(await kit.held(store, [*below, root]))
    assert await store.roots.remove(["fs/1", "fs/2"]) == 1
    assert store.roots.get("fs/1") is None
    assert (await store.collect()).removed_blocks == 4


async def test_one_commit_sets_a_root_and_lets_others_go(kit, store):
    old, new = kit.leaf("old"), kit.leaf("new")
    await keep(store, "fs/1", old)
    await keep(store, "fs/2", new, release=["fs/1", "never/there"])
    assert [root.name for root in store.roots.list()] == ["fs/2"]
    assert (await store.collect()).removed_blocks == 1
    assert await store.get(new.cid) == new.data


async def test_a_name_that_is_set_again_keeps_the_new_dag_alone(kit, store):
    first, second = kit.leaf("first"), kit.leaf("second")
    await keep(store, "upload", first, expires_at=kit.now + 1)
    await keep(store, "upload", second)
    kit.now += 2
    assert await store.roots.expire_due() == 0
    assert store.roots.get("upload") == RootRecord("upload", second.cid)
    assert (await store.collect()).removed_blocks == 1


async def test_roots_are_listed_by_prefix_behind_a_name(kit, store):
    block = kit.leaf("x")
    for name in ("a", "fs", "fs/1", "fs/2", "fs/3", "g"):
        await store.roots.set(RootRecord(name, block.cid))
    await store.roots.set(RootRecord("fs/0", block.cid, kit.now - 1))
    assert [root.name for root in store.roots.list("fs")] == ["fs", "fs/1", "fs/2", "fs/3"]
    assert [root.name for root in store.roots.list("fs/", after="fs/1")] == ["fs/2", "fs/3"]
    assert [root.name for root in store.roots.list(after="fs/3")] == ["g"]


async def test_an_ended_root_keeps_nothing_and_is_removed(kit, store):
    block, longer = kit.leaf("x"), kit.leaf("y")
    await keep(store, "short", block, expires_at=kit.now + 10)
    await keep(store, "long", longer, expires_at=kit.now + 20)
    assert (await store.collect()).removed_blocks == 0
    kit.now += 15
    assert store.roots.get("short") is None
    assert (await store.collect()).removed_blocks == 1
    assert (await store.roots.expire_due(), store.roots.count()) == (1, 1)


async def test_what_is_missing_or_damaged_below_a_root_stops_nothing(kit, store):
    left, right = kit.chain(3, salt="left"), kit.chain(3, salt="right")
    root = kit.node(left[-1], right[-1], kit.leaf("never here"), kit.node(salt="never here"))
    await keep(store, "fs", root, *left, *right)
    await kit.add(store, kit.leaf("loose"))
    kit.overwrite(*kit.place_of(store, left[-1]), b"?")
    assert (await store.collect()).removed_blocks == 3  # the loose one, and what only damage leads to
    assert all(await kit.held(store, [root, *right, left[-1]]))


async def test_a_pin_still_insists_below_a_root(kit, store):
    below, root = kit.chain(2)
    await kit.add(store, below, root, pin=root)
    await store.roots.set(RootRecord("fs", root.cid))
    kit.overwrite(*kit.place_of(store, root), b"?")
    with pytest.raises(Conflict, match="not whole"):
        await store.collect()


async def test_a_block_below_a_root_is_not_removed_by_name(kit, store):
    below, root = kit.chain(2)
    await keep(store, "fs", root, below)
    with pytest.raises(Conflict):
        await store.remove(below.cid)
    await store.roots.remove(["fs"])
    assert await store.remove(below.cid)


async def test_a_root_set_after_the_mark_is_walked_before_the_sweep(kit, store, monkeypatch):
    *_, root = blocks = kit.chain(5)
    await kit.add(store, *blocks)
    real = gc.Sweep.run

    def set_late(self):
        store._index.change(partial(write_root, root=RootRecord("late", root.cid)))
        real(self)

    monkeypatch.setattr(gc.Sweep, "run", set_late)
    assert (await store.collect()).removed_blocks == 0


async def test_a_sweep_ends_though_something_is_kept_at_each_of_its_steps(kit, store, monkeypatch):
    loose, kept = kit.chain(3), kit.chain(3, salt="kept")
    await kit.add(store, *loose, *kept)
    real, made = gc.Sweep.mark, []

    def overtaken(self):
        real(self)
        if not store._index._env._writing.locked():  # nobody gets in while the sweep holds the transaction
            made.append(len(made))
            store._index.change(partial(write_root, root=RootRecord(f"fs/{len(made)}", kept[-1].cid)))

    monkeypatch.setattr(gc.Sweep, "mark", overtaken)
    assert (await store.collect()).removed_blocks == 3
    assert len(made) == 1 + gc.FREE_MARKS


async def test_a_pin_is_walked_where_a_root_found_a_block_unreadable(kit, store, monkeypatch):
    """The root's walk passes by the damaged block; then the block is mended and pinned, and keeps its own."""
    below, middle = kit.chain(2)
    await keep(store, "fs", middle, below)
    good = kit.place_of(store, middle)
    kit.overwrite(*good, b"?")
    real = gc.Sweep.run

    def mended(self):
        kit.overwrite(*good, middle.data[:1])
        store._index.change(lambda change: write_pin(change, PinRecord(middle.cid), kit.now))
        real(self)

    monkeypatch.setattr(gc.Sweep, "run", mended)
    assert (await store.collect()).removed_blocks == 0


async def test_a_lost_index_comes_back_with_its_roots(kit, store):
    *below, root = kit.chain(3)
    await keep(store, "fs/1", kit.leaf("old"))
    await keep(store, "fs/2", root, *below, release=["fs/1"])
    await keep(store, "upload", kit.leaf("part"), expires_at=kit.now + 5)
    before = list(store.roots.list())
    await kit.close()
    shutil.rmtree(kit.path / "index")
    store = await kit.open()
    assert store.rebuilt.lost_facts == 0
    assert list(store.roots.list()) == before
    await keep(store, "fs/3", kit.leaf("next"))
    assert (await store.collect()).removed_blocks == 1
    kit.now += 6
    assert await store.roots.expire_due() == 1


async def test_the_ledger_is_shortened_when_it_says_much_twice(kit, store):
    block = kit.leaf("x")
    async with store.session() as session:
        await session.put(block.cid, block.data)
        names = [f"fs/{number}" for number in range(8000)]
        await session.commit(roots=[RootRecord(name, block.cid) for name in names])
        await session.commit(release=names[1:])
    ledger_path = kit.path / "ledger.log"
    size = ledger_path.stat().st_size
    await store.tend()
    assert ledger_path.stat().st_size < size / 1000
    await kit.close()
    shutil.rmtree(kit.path / "index")
    assert [root.name for root in (await kit.open()).roots.list()] == ["fs/0"]


async def test_roots_do_not_wait_for_the_ledgers_disk(kit, store, monkeypatch):
    """Pins do: of what they promise the ledger is to be sure."""
    synced = []
    monkeypatch.setattr(ledger, "_sync", lambda file: synced.append(file))
    await keep(store, "fs", kit.leaf("x"))
    assert synced == []
    await store.pins.add(PinRecord(kit.leaf("x").cid))
    assert len(synced) == 1
