"""Who wants the same content at the same time shares one fetch, each at a pace of its own."""

from __future__ import annotations

import asyncio
import errno
import gc

import pytest

from cidbus.actors.cache.content.spool import Spool
from cidbus.schemas.errors import NotFound, Unavailable, UnsatisfiableRange

KIB, MIB = 1 << 10, 1 << 20
# One that is buffered in memory, one that is spooled to disk.
SIZES = [200 * KIB, 1_500 * KIB]
OPTIONS = {"memory_bytes": 4 * MIB, "disk_bytes": 64 * MIB, "fetch_memory_bytes": 4 * MIB}


@pytest.mark.parametrize("size", SIZES)
async def test_a_thousand_concurrent_readers_make_one_fetch(kit, size):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(size))
    origin.go.clear()
    origin.pause_at = 0

    async def read_one() -> int:
        async with await cache.fetch_through("cid", origin) as served:
            return hash(await kit.whole(served))

    readers = [asyncio.create_task(read_one()) for _ in range(1000)]
    await origin.waiting.wait()
    origin.go.set()
    assert set(await asyncio.gather(*readers)) == {hash(origin.data)}
    await settled(cache)
    assert (origin.opened, origin.closed) == (1, 1)
    stats = cache.stats()
    assert stats.fetches == 1
    assert stats.coalesced_readers == 999
    assert stats.fetch_memory_bytes == stats.spool_bytes == 0


@pytest.mark.parametrize("size", SIZES)
async def test_readers_get_what_has_arrived_before_the_rest_comes(kit, size):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(size))
    origin.go.clear()
    origin.pause_at = 128 * KIB
    served = await cache.fetch_through("cid", origin)
    early = b""
    while len(early) < 128 * KIB:
        early += bytes(await anext(served))
    assert not origin.go.is_set()
    late = await cache.fetch_through("cid", origin)
    origin.go.set()
    assert early + await kit.whole(served) == origin.data
    assert await kit.whole(late) == origin.data
    assert origin.opened == 1


@pytest.mark.parametrize("size", SIZES)
async def test_a_slow_reader_holds_nobody_back_and_gets_everything(kit, size):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(size))
    slow = await cache.fetch_through("cid", origin)
    fast = await cache.fetch_through("cid", origin)
    assert await kit.whole(fast) == origin.data
    await settled(cache)
    cache.invalidate(["cid"])
    assert await kit.whole(slow) == origin.data


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_fetched_is_kept_and_not_fetched_again(kit, size):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(size))
    assert await kit.whole(await cache.fetch_through("cid", origin)) == origin.data
    await settled(cache)
    again = await cache.fetch_through("cid", origin)
    assert again.tier == ("memory" if size < MIB / 2 else "disk")
    assert await kit.whole(again) == origin.data
    assert origin.opened == 1


@pytest.mark.parametrize("size", SIZES)
async def test_an_error_of_the_source_reaches_every_reader_and_nothing_is_kept(kit, size):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(size))
    origin.announced = size + 1
    origin.failure = Unavailable("the peer went away")
    readers = [await cache.fetch_through("cid", origin) for _ in range(5)]
    results = await asyncio.gather(*(kit.whole(reader) for reader in readers), return_exceptions=True)
    assert [str(result) for result in results] == ["the peer went away"] * 5
    assert len({id(result) for result in results}) == 5
    assert cache.find("cid") is None
    assert cache.stats().spool_bytes == cache.stats().fetch_memory_bytes == 0
    assert list((kit.folder / "spools").iterdir()) == []


async def test_a_reader_that_has_read_a_part_gets_the_error_too(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(256 * KIB))
    origin.announced, origin.failure = 300 * KIB, RuntimeError("disk on fire")
    served = await cache.fetch_through("cid", origin)
    with pytest.raises(RuntimeError, match="disk on fire"):
        while True:
            await anext(served)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("difference", [-1, 1, -5000])
async def test_another_length_than_announced_is_an_error_and_nothing_is_kept(kit, size, difference):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(size))
    origin.announced = size + difference
    with pytest.raises(Unavailable, match="bytes came"):
        await kit.whole(await cache.fetch_through("cid", origin))
    assert cache.find("cid") is None
    assert cache.stats().failed_fetches == 1


async def test_a_fetch_that_nobody_reads_any_more_is_given_up(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(MIB))
    origin.go.clear()
    origin.pause_at = 64 * KIB
    one, two = [await cache.fetch_through("cid", origin) for _ in range(2)]
    await one.aclose()
    await anext(two)
    assert cache.stats().running_fetches == 1
    await two.aclose()
    assert cache.stats().running_fetches == 0
    await settled(cache)
    assert origin.closed == 1
    origin.go.set()
    assert await kit.whole(await cache.fetch_through("cid", origin)) == origin.data
    assert origin.opened == 2


async def test_a_reader_that_is_dropped_without_being_read_leaves_too(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(MIB))
    origin.go.clear()
    origin.pause_at = 0
    served = await cache.fetch_through("cid", origin)
    del served
    gc.collect()
    await settled(cache)
    assert cache.stats().running_fetches == 0
    assert cache.stats().fetch_memory_bytes == 0


async def test_a_reader_that_is_cancelled_leaves_the_fetch_to_the_others(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(MIB))
    origin.go.clear()
    origin.pause_at = 64 * KIB
    leaves, stays = [
        asyncio.create_task(kit.whole(await cache.fetch_through("cid", origin))) for _ in range(2)
    ]
    await origin.waiting.wait()
    leaves.cancel()
    await asyncio.wait([leaves])
    origin.go.set()
    assert await stays == origin.data
    assert origin.opened == 1


async def test_one_who_is_cancelled_while_the_source_opens_does_not_stop_the_others(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(1000))
    opening, go = asyncio.Event(), asyncio.Event()

    async def open_slowly():
        opening.set()
        await go.wait()
        return await origin()

    first, second = [asyncio.create_task(cache.fetch_through("cid", open_slowly)) for _ in range(2)]
    await opening.wait()
    first.cancel()
    await asyncio.wait([first])
    go.set()
    assert await kit.whole(await second) == origin.data
    assert origin.opened == 1


async def test_ranges_are_read_from_a_fetch_that_runs(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(MIB))
    origin.go.clear()
    origin.pause_at = 512 * KIB
    head = await cache.fetch_through("cid", origin, 10, 1000)
    middle = await cache.fetch_through("cid", origin, 600 * KIB, 5)
    assert head.size_bytes == MIB
    assert await kit.whole(head) == origin.data[10:1010]
    origin.go.set()
    assert await kit.whole(middle) == origin.data[600 * KIB :][:5]
    with pytest.raises(UnsatisfiableRange):
        await cache.fetch_through("other", kit.Origin(b"short"), 6)
    assert origin.opened == 1


async def test_content_larger_than_the_tiers_passes_through_to_each_reader(kit):
    cache = await kit.open(memory_bytes=MIB, disk_bytes=0, fetch_memory_bytes=2 * MIB)
    origin = kit.Origin(kit.content(5 * MIB))
    readers = [await cache.fetch_through("cid", origin, 100) for _ in range(3)]
    for reader in readers:
        assert await kit.whole(reader) == origin.data[100:]
    await settled(cache)
    assert origin.opened == origin.closed == 3
    assert cache.find("cid") is None
    assert cache.stats().fetch_memory_bytes == 0


async def test_a_disk_that_is_full_costs_one_read_and_then_content_passes_through(kit, monkeypatch, caplog):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(1_500 * KIB))

    def full(self, data):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Spool, "write", full)
    with pytest.raises(Unavailable, match="could not write"):
        await kit.whole(await cache.fetch_through("cid", origin))
    for _ in range(2):
        assert await kit.whole(await cache.fetch_through("cid", origin)) == origin.data
    assert "no space left" in caplog.text
    assert list((kit.folder / "spools").iterdir()) == []
    assert cache.stats().spool_bytes == 0


async def test_passing_through_pushes_nothing_out(kit):
    cache = await kit.open(memory_bytes=MIB, disk_bytes=0)
    for number in range(8):
        await kit.put(cache, kit.key(number), kit.content(64 * KIB, number))
    await kit.whole(await cache.fetch_through("cid", kit.Origin(kit.content(20 * MIB), piece=MIB)))
    assert all(cache.find(kit.key(number)) for number in range(8))


async def test_the_memory_of_running_fetches_is_bounded(kit):
    cache = await kit.open(memory_bytes=8 * MIB, disk_bytes=64 * MIB, fetch_memory_bytes=2 * MIB)
    origins = [kit.Origin(kit.content(700 * KIB, number)) for number in range(12)]
    for origin in origins:
        origin.go.clear()
        origin.pause_at = 0
    readers = [await cache.fetch_through(kit.key(number), origin) for number, origin in enumerate(origins)]
    assert 0 < cache.stats().fetch_memory_bytes <= 2 * MIB
    assert cache.stats().spool_bytes > 0
    for origin in origins:
        origin.go.set()
    for origin, reader in zip(origins, readers, strict=True):
        assert await kit.whole(reader) == origin.data


async def test_a_cache_that_closes_tells_the_readers(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(kit.content(MIB))
    origin.go.clear()
    origin.pause_at = 64 * KIB
    served = await cache.fetch_through("cid", origin)
    await anext(served)
    await cache.close()
    with pytest.raises(Unavailable, match="given up"):
        await anext(served)


async def test_what_was_not_found_is_not_asked_for_again_so_soon(kit):
    cache = await kit.open(**OPTIONS, negative_life_s=10.0)
    origin = kit.Origin(b"")
    origin.refusal = NotFound("block", "cid")
    for _ in range(3):
        with pytest.raises(NotFound):
            await cache.fetch_through("cid", origin)
    assert origin.opened == 1
    assert cache.stats().negative_hits == 2
    kit.clock.now += 10
    origin.refusal = None
    assert await kit.whole(await cache.fetch_through("cid", origin)) == b""
    assert origin.opened == 2


async def test_other_errors_are_not_remembered(kit):
    cache = await kit.open(**OPTIONS)
    origin = kit.Origin(b"content")
    origin.refusal = Unavailable("no route")
    with pytest.raises(Unavailable):
        await cache.fetch_through("cid", origin)
    origin.refusal = None
    assert await kit.whole(await cache.fetch_through("cid", origin)) == b"content"


async def settled(cache) -> None:
    """Until what runs in the background has run, fetches that are being given up among it."""
    for _ in range(10):
        await asyncio.sleep(0)
    await cache.settled()
