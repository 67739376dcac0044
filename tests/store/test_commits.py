"""What a commit promises: all or nothing, durable, shared with others, and bounded in memory."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource

import pytest

from cidbus.actors.ipfs.store import committer, packs
from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.schemas.errors import BadRequest, NotFound, StorageFull, TooLarge

MIB = 1 << 20


class Gate:
    """Holds the writer's thread at its fdatasync until opened; counts how often it came by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import threading

        self.open = threading.Event()
        self.passed = 0
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, fd: int) -> None:
        assert self.open.wait(10)
        self.passed += 1
        self._real(fd)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(committer, "BATCH_BYTES", 8 * MIB)
    monkeypatch.setattr(committer, "LIMIT_BYTES", 32 * MIB)


@contextlib.contextmanager
def no_file_longer_than(size: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_commit_survives_a_reopening_with_its_pins(kit, store):
    block = kit.leaf("kept")
    await kit.add(store, block, pin=block, name="mine", expires_at=2_000_000.0)
    store = await kit.reopen()
    assert store.get_now(block.cid) == b"kept"
    assert list(store.pins.list()) == [PinRecord(block.cid, "recursive", "mine", 2_000_000.0)]


async def test_a_session_left_without_commit_leaves_nothing(kit, store):
    block = kit.leaf("dropped")
    async with store.session() as session:
        await session.put(block.cid, block.data)
    assert not await store.has(block.cid)
    store = await kit.reopen()
    assert (await store.stat()).blocks == 0


async def test_a_session_that_fails_does_not_take_the_blocks_of_another(kit, store):
    shared, own = kit.leaf("shared"), kit.leaf("own")
    async with store.session() as kept:
        await kept.put(shared.cid, shared.data)
        with contextlib.suppress(ValueError):
            async with store.session() as dropped:
                await dropped.put(shared.cid, shared.data)
                await dropped.put(own.cid, own.data)
                raise ValueError
        await kept.commit()
    assert await kit.held(store, [shared, own]) == [True, False]


async def test_a_flushed_session_without_commit_leaves_only_unpinned_blocks(kit, store):
    block = kit.leaf("flushed")
    async with store.session() as session:
        await session.put(block.cid, block.data)
        await session.flush()
        assert (await store.collect()).removed_blocks == 0
    assert (await store.collect()).removed_blocks == 1


async def test_a_session_may_go_on_after_its_commit(kit, store):
    first, second = kit.leaf("first"), kit.leaf("second")
    async with store.session() as session:
        await session.put(first.cid, first.data)
        await session.commit()
        await session.put(second.cid, second.data)
    assert await kit.held(store, [first, second]) == [True, False]


async def test_many_adds_at_once_share_their_commits(kit, store, monkeypatch):
    await kit.add(store, kit.leaf("makes the first pack"))
    gate = Gate(monkeypatch)
    adds = [asyncio.create_task(kit.add(store, kit.leaf(f"{n}"))) for n in range(64)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(*adds)
    assert gate.passed <= 3


async def test_put_waits_while_too_much_is_not_yet_on_disk(kit, store, monkeypatch, small_batches):
    await kit.add(store, kit.leaf("makes the first pack"))
    gate = Gate(monkeypatch)
    count = 0

    async def import_much() -> None:
        nonlocal count
        async with store.session() as session:
            while count < 60:
                count += 1
                block = kit.leaf(os.urandom(8) + bytes(MIB))
                await session.put(block.cid, block.data)
            await session.commit()

    task = asyncio.create_task(import_much())
    while store._committer._task is None or count < committer.LIMIT_BYTES // MIB:
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert count <= committer.LIMIT_BYTES // MIB + 1
    gate.open.set()
    await task
    assert (await store.stat()).blocks == 61


async def test_a_full_disk_fails_the_add_and_nothing_else(kit, store):
    before, after = kit.leaf("before"), kit.leaf("after")
    await kit.add(store, before, pin=before)
    with no_file_longer_than(2 * MIB), pytest.raises(StorageFull):
        await kit.add(store, *(kit.leaf(os.urandom(MIB)) for _ in range(3)), pin=kit.leaf("never"))
    assert (await store.stat()).blocks == 1
    assert store.pins.count() == 1
    assert kit.packs()[0].stat().st_size < 1000
    await kit.add(store, after, pin=after)
    assert (await store.verify()).bad_blocks == 0
    store = await kit.reopen()
    assert await kit.held(store, [before, after]) == [True, True]


async def test_a_full_disk_ends_an_add_that_is_already_long(kit, store, small_batches):
    with no_file_longer_than(20 * MIB):
        async with store.session() as session:
            with pytest.raises(StorageFull):
                await put_much(kit, session)
            with pytest.raises(StorageFull):
                await session.commit([PinRecord(kit.leaf("never").cid)])
    assert store.pins.count() == 0
    await store.collect()
    assert (await store.stat()).blocks == 0


async def put_much(kit, session) -> None:
    for _ in range(100):
        block = kit.leaf(os.urandom(MIB))
        await session.put(block.cid, block.data)


async def test_a_full_index_disk_fails_the_add_and_nothing_else(kit, store):
    await kit.add(store, *(kit.leaf(f"{number}") for number in range(500)))
    limit = (kit.path / "index" / "data.mdb").stat().st_size
    with no_file_longer_than(limit), pytest.raises(StorageFull):
        await kit.add(store, *(kit.leaf(f"more {number}") for number in range(5000)))
    assert (await store.stat()).blocks == 500
    await kit.add(store, *(kit.leaf(f"more {number}") for number in range(5000)))
    assert (await store.verify()).checked_blocks == 5500


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_disk_that_fills_at_the_sync_is_told_and_gives_the_pack_up(kit, store, monkeypatch, code):
    block = kit.leaf("x")

    def full(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        with pytest.raises(StorageFull):
            await kit.add(store, block)
    assert not await store.has(block.cid)
    await kit.add(store, block)
    assert store.get_now(block.cid) == b"x"


async def test_a_broken_disk_is_told_as_it_is(kit, store, monkeypatch):
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        with pytest.raises(OSError, match="broken"):
            await kit.add(store, kit.leaf("x"))
    await kit.add(store, kit.leaf("x"))


async def test_a_full_disk_for_the_ledger_makes_no_pin(kit, store, monkeypatch):
    block = kit.leaf("x")
    await kit.add(store, block)

    def full(facts: object, *, sync: bool) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(store._index.ledger, "append", full)
        with pytest.raises(StorageFull):
            await store.pins.add(PinRecord(block.cid))
    assert store.pins.get(block.cid) is None
    await store.pins.add(PinRecord(block.cid))


async def test_writes_that_take_less_than_all_go_on(kit, store, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, at: real(fd, [b"".join(buffers)[:7]], at))
    blocks = [kit.leaf(os.urandom(size)) for size in (10, 50_000, 20)]
    await kit.add(store, *blocks)
    assert (await store.verify()).bad_blocks == 0
    assert [store.get_now(block.cid) for block in blocks] == [block.data for block in blocks]


async def test_a_cancelled_commit_that_has_not_begun_makes_no_pin(kit, store, monkeypatch):
    await kit.add(store, kit.leaf("makes the first pack"))
    gate = Gate(monkeypatch)
    first = asyncio.create_task(kit.add(store, kit.leaf("first")))
    while store._committer._running.blocks == {}:
        await asyncio.sleep(0)
    second = asyncio.create_task(kit.add(store, kit.leaf("second"), pin=kit.leaf("second")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    gate.open.set()
    await first
    await store._committer.flush()
    assert not await store.has(kit.leaf("second").cid)
    assert store.pins.count() == 0


async def test_a_cancelled_commit_that_has_begun_is_whole(kit, store, monkeypatch):
    block = kit.leaf("begun")
    await kit.add(store, kit.leaf("makes the first pack"))
    gate = Gate(monkeypatch)
    task = asyncio.create_task(kit.add(store, block, pin=block))
    while store._committer._running.blocks == {}:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    gate.open.set()
    await store._committer.flush()
    assert store.pins.get(block.cid)
    assert (await store.collect()).removed_blocks == 1
    assert await store.has(block.cid)


async def test_closing_finishes_the_commits_that_are_under_way(kit, store):
    block = kit.leaf("last")
    task = asyncio.create_task(kit.add(store, block))
    await asyncio.sleep(0)
    await kit.close(store)
    await task
    store = await kit.open()
    assert await store.has(block.cid)


async def test_packs_roll_at_their_size_and_all_are_read(kit):
    store = await kit.open(max_pack_bytes=100_000)
    blocks = [kit.leaf(os.urandom(10_000)) for _ in range(50)]
    await kit.add(store, *blocks)
    assert len(kit.packs()) >= 5
    assert all(path.stat().st_size < 120_000 for path in kit.packs())
    assert (await store.verify()).checked_blocks == 50
    assert (await store.stat()).packs == len(kit.packs())


async def test_a_pack_with_room_is_adopted_at_the_next_start(kit, store):
    await kit.add(store, kit.leaf("one"))
    store = await kit.reopen()
    await kit.add(store, kit.leaf("two"))
    assert len(kit.packs()) == 1
    assert (await store.verify()).checked_blocks == 2


async def test_a_torn_tail_is_cut_off_by_the_next_writer(kit, store):
    await kit.add(store, kit.leaf("whole"))
    await kit.close()
    path = kit.packs()[0]
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\x80\x80torn")
    store = await kit.open()
    await kit.add(store, kit.leaf("next"))
    assert path.stat().st_size == 2 * size - len(packs.HEADER) - 1
    assert (await store.verify()).checked_blocks == 2


async def test_a_pack_whose_maker_died_before_its_header_is_used(kit, store):
    (kit.path / "packs" / "00000007.car").touch()
    await kit.add(store, kit.leaf("x"))
    assert [path.name for path in kit.packs()] == ["00000007.car"]
    assert kit.packs()[0].read_bytes().startswith(packs.HEADER)


async def test_names_and_keys_are_kept(kit, store):
    await store.keys.put(b"self", b"\0secret")
    assert await store.keys.add(b"self", b"other") is False
    assert await store.names.add(b"name", b"record") is True
    store = await kit.reopen()
    assert store.keys.get(b"self") == b"\0secret"
    assert list(store.names.items()) == [(b"name", b"record")]
    assert await store.names.delete(b"name") is True
    assert await store.names.delete(b"name") is False
    assert store.names.get(b"name") is None


async def test_an_entry_is_swapped_only_for_the_one_expected(kit, store):
    assert await store.names.swap(b"name", b"old", b"new") is False
    assert await store.names.swap(b"name", None, b"one") is True
    assert await store.names.swap(b"name", None, b"two") is False
    assert await store.names.swap(b"name", b"one", b"two") is True
    assert store.names.count() == 1
    store = await kit.reopen()
    assert await store.names.swap(b"name", b"one", None) is False
    assert await store.names.swap(b"name", b"two", None) is True
    assert store.names.get(b"name") is None


async def test_entries_are_listed_after_a_key(store):
    for key in (b"a", b"b", b"c"):
        await store.names.put(key, b"value")
    assert [key for key, _ in store.names.items(b"a")] == [b"b", b"c"]


async def test_a_commit_does_not_pin_what_was_never_put(kit, store):
    block = kit.leaf("put")
    async with store.session() as session:
        await session.put(block.cid, block.data)
        with pytest.raises(NotFound):
            await session.commit([PinRecord(block.cid), PinRecord(kit.leaf("not put").cid)])
    assert store.pins.count() == 0


async def test_keys_and_values_that_are_too_large_are_refused(kit, store):
    with pytest.raises(TooLarge):
        await store.names.put(b"k" * 501, b"")
    with pytest.raises(TooLarge):
        await store.names.add(b"k", bytes(24 * 1024 + 1))
    with pytest.raises(BadRequest):
        await store.names.put(b"", b"v")


async def test_a_missing_pin_of_a_commit_changes_nothing_for_others(kit, store):
    block = kit.leaf("x")
    remove, put = asyncio.gather(store.pins.remove(block.cid), return_exceptions=True), kit.add(store, block)
    (error,), _ = await asyncio.gather(remove, put)
    assert isinstance(error, NotFound)
    assert await store.has(block.cid)


async def test_a_session_whose_end_finds_the_disk_full_ends_with_the_next_commit(
    kit, store, small_batches, monkeypatch
):
    async with store.session() as session:
        for _ in range(20):
            block = kit.leaf(os.urandom(MIB))
            await session.put(block.cid, block.data)
        await session.flush()
        change = store._index.change
        monkeypatch.setattr(store._index, "change", refuse)
    monkeypatch.setattr(store._index, "change", change)
    assert (await store.stat()).blocks == 20
    later = kit.leaf("later")
    await kit.add(store, later, pin=later)
    await store.collect()
    assert (await store.stat()).blocks == 1


def refuse(_change):
    raise StorageFull("full")
