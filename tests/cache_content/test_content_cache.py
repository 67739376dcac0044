"""The tiers together: what is served is right or absent, and content moves to where its heat puts it."""

from __future__ import annotations

import asyncio
import tempfile
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.content.memory import MemoryTier
from cidbus.actors.cache.content.policies import POLICIES
from cidbus.schemas.errors import (
    BadRequest,
    Conflict,
    CorruptBlock,
    NotFound,
    Unavailable,
    UnsatisfiableRange,
)

KIB, MIB = 1 << 10, 1 << 20


async def test_content_in_memory_is_read_at_once(kit):
    cache = await kit.open()
    data = kit.content(1000)
    assert cache.get_at_once("cid") is None
    assert await kit.put(cache, "cid", data)
    assert cache.find("cid") == ("memory", 1000)
    assert cache.get_at_once("cid") == data
    assert cache.stats().memory.hits == 1


async def test_a_large_object_goes_to_disk(kit):
    cache = await kit.open(memory_bytes=MIB)
    data = kit.content(MIB)
    assert await kit.put(cache, "cid", data)
    assert cache.find("cid") == ("disk", MIB)
    assert await kit.read(cache, "cid") == data


@pytest.mark.parametrize(
    "options", [{"memory_bytes": 0}, {"disk_bytes": 0}, {"memory_bytes": 0, "disk_bytes": 0}, {}]
)
async def test_a_tier_of_no_bytes_is_off(kit, options):
    cache = await kit.open(**options)
    data = kit.content(1000)
    kept = await kit.put(cache, "cid", data)
    assert kept == (len(options) < 2)
    served = await cache.fetch_through("cid", kit.Origin(data))
    assert await kit.whole(served) == data
    stats = cache.stats()
    assert (stats.memory is None) == ("memory_bytes" in options)
    assert (stats.disk is None) == ("disk_bytes" in options)
    assert kit.folder.exists() == ("disk_bytes" not in options)


@pytest.mark.parametrize("size", [0, 1, 1000, 700 * KIB, 3 * MIB])
@pytest.mark.parametrize("memory_bytes", [0, 16 * MIB])
async def test_ranges_are_served_by_both_tiers(kit, size, memory_bytes):
    cache = await kit.open(memory_bytes=memory_bytes)
    data = kit.content(size)
    await kit.put(cache, "cid", data)
    for offset, length in [
        (0, None),
        (0, 10),
        (size // 2, None),
        (size // 2, 700 * KIB),
        (0, 0),
        (-7, None),
        (-7, 3),
    ]:
        start = max(0, size + offset) if offset < 0 else offset
        end = size if length is None else start + length
        assert await kit.read(cache, "cid", offset, length) == data[start:end]
    with pytest.raises(UnsatisfiableRange):
        await kit.read(cache, "cid", size + 1)


async def test_verifying_finds_what_is_damaged_and_counts_no_requests(kit):
    cache = await kit.open(memory_bytes=0)
    await kit.put(cache, "good", b"content")
    await kit.put(cache, "bad", kit.content(3 * MIB))
    damage(kit, 1_700_000)
    assert await cache.verify() == (2, 1)
    assert (cache.find("good"), cache.find("bad")) == (("disk", 7), None)
    assert cache.stats().disk.hits == 0


async def test_pieces_are_bounded(kit):
    cache = await kit.open(memory_bytes=32 * MIB)
    for key, size in (("memory", 2 * MIB), ("disk", 20 * MIB)):
        await kit.put(cache, key, kit.content(size))
        assert max([len(piece) async for piece in cache.read(key)]) <= 512 * KIB


async def test_what_is_not_there_is_not_found(kit):
    cache = await kit.open()
    with pytest.raises(NotFound):
        await kit.read(cache, "cid")
    assert (cache.stats().memory.misses, cache.stats().disk.misses) == (1, 1)


async def test_what_memory_evicts_is_demoted_to_disk(kit):
    cache = await kit.open(memory_bytes=MIB, policy="lru")
    for number in range(30):
        await kit.put(cache, kit.key(number), kit.content(60 * KIB, number))
    await cache.settled()
    stats = cache.stats()
    assert stats.memory.used_bytes <= MIB
    assert stats.memory.evictions == stats.demotions == stats.disk.entries > 10
    for number in range(30):
        assert await kit.read(cache, kit.key(number)) == kit.content(60 * KIB, number)


async def test_content_that_is_hot_on_disk_is_promoted(kit):
    cache = await kit.open(memory_bytes=MIB)
    for number in range(30):
        await kit.put(cache, kit.key(number), kit.content(60 * KIB, number))
    await cache.settled()
    cold = next(kit.key(number) for number in range(30) if cache.find(kit.key(number)).tier == "disk")
    for _ in range(20):
        await kit.read(cache, cold)
    assert cache.find(cold).tier == "memory"
    assert cache.stats().promotions >= 1


async def test_a_short_range_of_a_large_object_does_not_load_all_of_it(kit):
    cache = await kit.open(memory_bytes=64 * MIB, fetch_memory_bytes=4 * MIB)
    await kit.put(cache, "cid", kit.content(3 * MIB))
    assert cache.find("cid").tier == "disk"
    await kit.read(cache, "cid", 5, 1000)
    assert cache.find("cid").tier == "disk"
    await kit.read(cache, "cid")
    assert cache.find("cid").tier == "memory"


async def test_the_index_hears_of_every_move(kit):
    cache = await kit.open(memory_bytes=MIB, disk_bytes=2 * MIB)
    for number in range(60):
        await kit.put(cache, kit.key(number), kit.content(60 * KIB, number))
        if number % 3 == 0:
            await kit.read(cache, kit.key(number // 2))
    cache.invalidate([kit.key(1), kit.key(59)])
    await cache.settled()
    where = dict(kit.moves)
    for number in range(60):
        found = cache.find(kit.key(number))
        assert where.get(kit.key(number)) == (found.tier if found else None), number


async def test_a_hook_that_fails_harms_nobody(kit, caplog):
    cache = await kit.open()
    cache._on_move = lambda key, tier: 1 / 0
    assert await kit.put(cache, "cid", b"content")
    assert await kit.read(cache, "cid") == b"content"
    assert "ZeroDivisionError" in caplog.text


async def test_invalidated_content_is_gone_from_every_tier(kit):
    cache = await kit.open(memory_bytes=MIB)
    await kit.put(cache, "small", kit.content(1000))
    await kit.put(cache, "large", kit.content(2 * MIB))
    assert cache.invalidate(["small", "large", "unknown"]) == 2
    assert cache.find("small") is cache.find("large") is None
    for key in ("small", "large"):
        with pytest.raises(NotFound):
            await kit.read(cache, key)


async def test_a_fetch_that_runs_when_its_content_is_invalidated_is_not_kept(kit):
    cache = await kit.open()
    origin = kit.Origin(kit.content(MIB // 2))
    origin.go.clear()
    origin.pause_at = 64 * KIB
    served = await cache.fetch_through("cid", origin)
    cache.invalidate(["cid"])
    origin.go.set()
    assert await kit.whole(served) == origin.data
    await cache.settled()
    assert cache.find("cid") is None


@pytest.mark.parametrize("tier", ["memory", "disk", None])
async def test_a_tier_is_emptied_or_all_of_them(kit, tier):
    cache = await kit.open(memory_bytes=MIB)
    await kit.put(cache, "small", b"content")
    await kit.put(cache, "large", kit.content(2 * MIB))
    await cache.clear(tier)
    assert (cache.find("small") is None) == (tier != "disk")
    assert (cache.find("large") is None) == (tier != "memory")
    with pytest.raises(BadRequest):
        await cache.clear("tape")


async def test_a_restart_begins_with_what_both_tiers_held(kit):
    cache = await kit.open(memory_bytes=4 * MIB)
    for number in range(20):
        await kit.put(cache, kit.key(number), kit.content(30 * KIB, number))
    await kit.put(cache, "large", kit.content(2 * MIB))
    await cache.close()
    cache = await kit.open(memory_bytes=4 * MIB)
    assert cache.find(kit.key(3)) == ("disk", 30 * KIB)
    for number in range(20):
        assert await kit.read(cache, kit.key(number)) == kit.content(30 * KIB, number)
    assert await kit.read(cache, "large") == kit.content(2 * MIB)


async def test_two_caches_do_not_share_a_folder(kit):
    await kit.open()
    with pytest.raises(Conflict):
        await kit.open()


@pytest.mark.parametrize("policy", POLICIES)
async def test_another_policy_goes_on_with_what_is_there(kit, policy):
    cache = await kit.open(memory_bytes=MIB)
    for number in range(30):
        await kit.put(cache, kit.key(number), kit.content(60 * KIB, number))
    await cache.settled()
    before = {number: cache.find(kit.key(number)) for number in range(30)}
    cache.set_policy(policy)
    await cache.settled()
    assert cache.policy() == cache.stats().policy == policy
    assert {number: cache.find(kit.key(number)) for number in range(30)} == before
    for number in range(30, 60):
        await kit.put(cache, kit.key(number), kit.content(60 * KIB, number))
    assert cache.stats().memory.used_bytes <= MIB
    with pytest.raises(BadRequest):
        cache.set_policy("fifo")


async def test_an_unknown_policy_does_not_open(kit):
    with pytest.raises(BadRequest, match="policy"):
        await kit.open(policy="magic")


async def test_damage_is_repaired_from_the_source_in_the_middle_of_a_read(kit):
    cache = await kit.open(memory_bytes=0)
    origin = kit.Origin(kit.content(3 * MIB))
    await kit.whole(await cache.fetch_through("cid", origin))
    await cache.settled()
    damage(kit, 1_700_000)
    served = await cache.fetch_through("cid", origin)
    assert served.tier == "disk"
    assert await kit.whole(served) == origin.data
    assert origin.opened == 2
    assert cache.stats().disk.bad == 1
    await cache.settled()
    assert await kit.read(cache, "cid") == origin.data


async def test_damage_without_a_source_ends_in_an_error_after_pieces_that_are_right(kit):
    cache = await kit.open(memory_bytes=0)
    data = kit.content(3 * MIB)
    await kit.put(cache, "cid", data)
    damage(kit, 1_700_000)
    got = b""
    with pytest.raises(CorruptBlock):
        async for piece in cache.read("cid"):
            got += bytes(piece)
    assert got == data[: len(got)]
    assert len(got) == 3 * 512 * KIB
    assert cache.find("cid") is None
    assert ("cid", None) in kit.moves


async def test_a_range_beside_the_damage_is_still_served(kit):
    cache = await kit.open(memory_bytes=0)
    data = kit.content(3 * MIB)
    await kit.put(cache, "cid", data)
    damage(kit, 1_700_000)
    assert await kit.read(cache, "cid", 0, MIB) == data[:MIB]


async def test_damage_in_content_that_would_be_promoted_is_repaired(kit):
    cache = await kit.open(memory_bytes=16 * MIB)
    data = kit.content(100 * KIB)
    await kit.put(cache, "cid", data)
    await cache.close()
    damage(kit, 50_000)
    cache = await kit.open(memory_bytes=16 * MIB)
    assert await kit.whole(await cache.fetch_through("cid", kit.Origin(data))) == data
    assert cache.stats().disk.bad == 1


async def test_put_refuses_another_length_than_said(kit):
    cache = await kit.open()
    for size in (999, 1001):
        with pytest.raises(Unavailable):
            await cache.put("cid", kit.chunks(kit.content(1000)), size)
    assert cache.find("cid") is None


async def test_what_is_too_large_for_the_tiers_is_not_put_and_not_read_from_its_iterator(kit):
    cache = await kit.open(memory_bytes=MIB, disk_bytes=4 * MIB)
    origin = kit.Origin(kit.content(3 * MIB))
    assert not await cache.put("cid", origin.chunks(), 3 * MIB)
    assert origin.sent == 0


async def test_a_put_of_what_is_there_takes_nothing_from_its_iterator(kit):
    cache = await kit.open()
    await kit.put(cache, "cid", b"content")
    origin = kit.Origin(b"content")
    assert await cache.put("cid", origin.chunks(), 7)
    assert origin.sent == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_the_memory_tier_counts_what_its_entries_really_take(policy):
    tier = MemoryTier(2 * MIB, policy)
    tracemalloc.start()
    for number in range(8_000):
        tier.put(
            f"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa{number:06d}", bytes([number % 256]) * 100
        )
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tier) > 2_000
    # The history of the heat policy may take a sixteenth more.
    assert taken < 2 * MIB * 17 / 16


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["fetch", "fetch", "read", "put", "range", "drop", "policy", "restart"]),
            st.integers(0, 12),
            st.integers(0, 3),
        ),
        max_size=25,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_served_is_always_right_or_absent(kit, steps):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(type(kit), Path(folder), steps))


async def walk(kit_class, folder, steps) -> None:
    async with AsyncExitStack() as stack:
        kit = kit_class(folder / "cache", stack)
        options = {"memory_bytes": 200 * KIB, "disk_bytes": 1200 * KIB, "fetch_memory_bytes": 200 * KIB}
        cache = await kit.open(**options)
        for what, number, size in steps:
            data = kit.content([0, 900, 20 * KIB, 150 * KIB][size], number)
            key = f"{kit.key(number)}{size}"
            if what == "fetch":
                assert await kit.whole(await cache.fetch_through(key, kit.Origin(data))) == data
            elif what == "put":
                await kit.put(cache, key, data)
            elif what in ("read", "range"):
                start, end = (0, len(data)) if what == "read" else (len(data) // 3, len(data) // 2)
                if cache.find(key) is not None:
                    assert await kit.read(cache, key, start, end - start) == data[start:end]
            elif what == "drop":
                cache.invalidate([key])
                assert cache.find(key) is None
            elif what == "policy":
                cache.set_policy(list(POLICIES)[size % 3])
            else:
                await cache.close()
                cache = await kit.open(**options)
            stats = cache.stats()
            assert stats.memory.used_bytes <= options["memory_bytes"]
            assert stats.disk.used_bytes <= options["disk_bytes"]
            assert stats.disk.bad == stats.disk.failed_writes == 0


def damage(kit, at: int) -> None:
    [path] = kit.files()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
