"""Several processes on one store: what one commits the others see, and none loses anything by dying."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time

import pytest

from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.cid import CID


async def line(process) -> str:
    return (await asyncio.to_thread(process.stdout.readline)).strip()


def answer(process) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


async def ended(process) -> int:
    return await asyncio.to_thread(process.wait, 60)


async def test_another_process_sees_a_commit_at_once(kit, store):
    worker = kit.worker("put", "from elsewhere")
    cid = CID.parse(await line(worker))
    assert store.get_now(cid) == b"from elsewhere"
    assert store.pins.get(cid)
    await kit.add(store, kit.leaf("from here"))
    assert len(kit.packs()) == 2
    answer(worker)
    assert await ended(worker) == 0


async def test_two_handles_in_one_process_see_each_other(kit, store):
    other = await kit.open()
    await kit.add(store, kit.leaf("a"), pin=kit.leaf("a"))
    await kit.add(other, kit.leaf("b"))
    assert await kit.held(other, [kit.leaf("a")]) == await kit.held(store, [kit.leaf("b")]) == [True]
    assert (await other.collect()).removed_blocks == 1
    assert await kit.held(store, [kit.leaf("a"), kit.leaf("b")]) == [True, False]


async def test_a_session_in_another_process_is_protected_while_it_lives(kit, store):
    worker = kit.worker("hold", "being added")
    cid = CID.parse(await line(worker))
    assert (await store.collect()).removed_blocks == 0
    answer(worker)
    assert await line(worker) == "done"
    assert await ended(worker) == 0
    assert (await store.collect()).removed_blocks == 0
    assert store.get_now(cid) == b"being added"


async def test_a_session_of_a_killed_process_protects_nothing(kit, store):
    worker = kit.worker("hold", "never finished")
    await line(worker)
    worker.send_signal(signal.SIGKILL)
    await ended(worker)
    assert (await store.collect()).removed_blocks == 1
    assert len(list((kit.path / "owners").iterdir())) == 1


async def test_collections_never_take_what_another_process_adds(kit, store):
    """Two others add, pin, read and unpin the same few leaves while this one collects."""
    workers = [kit.worker("churn", "150", name) for name in ("one", "two")]
    for worker in workers:
        assert await line(worker) == "ready"
    finished = asyncio.gather(*(ended(worker) for worker in workers))
    collections = removed = 0
    while not finished.done():
        removed += (await store.collect()).removed_blocks
        collections += 1
    assert await finished == [0, 0]
    assert collections > 5
    assert removed > 5
    assert (await store.verify()).bad_blocks == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_killed_processes_lose_nothing_that_they_acknowledged(kit):
    """Twenty rounds of kill -9 at random moments, with a collection every few of them."""
    chance = random.Random(20)
    acknowledged: list[CID] = []
    checked = 0
    for number in range(20):
        workers = [kit.worker("add", f"{number} {which}") for which in range(1 + number % 2)]
        for worker in workers:
            assert await line(worker) == "ready"
        for worker in workers:
            for _ in range(chance.randrange(40)):
                acknowledged.append(CID.parse(await line(worker)))
        for worker in workers:
            worker.kill()
        for worker in workers:
            rest = await asyncio.to_thread(worker.stdout.read)
            acknowledged += [CID.parse(text) for text in rest.split("\n")[:-1]]
        began = time.monotonic()
        store = await kit.open()
        assert time.monotonic() - began < 5
        if number % 4 == 3:
            await store.collect()
            checked = 0
        await everything_is_here(store, acknowledged[checked:])
        checked = len(acknowledged)
        await kit.close(store)
    store = await kit.open()
    assert store.rebuilt is None
    assert (await store.verify()).bad_blocks == 0
    assert len(acknowledged) > 100


async def test_a_killed_collection_loses_nothing(kit):
    """Ten rounds of kill -9 while another process removes and compacts, most of the time."""
    chance = random.Random(10)
    pinned = []
    for number in range(10):
        store = await kit.open(max_pack_bytes=100_000)
        block = kit.leaf(chance.randbytes(10_000))
        root = kit.node(block, salt=number)
        await kit.add(store, block, *(kit.leaf(chance.randbytes(10_000)) for _ in range(5)), root, pin=root)
        pinned.append(root.cid)
        worker = kit.worker("collect")
        for _ in range(chance.randrange(1, 8)):
            assert await line(worker) == "collecting"
        worker.kill()
        await ended(worker)
        await everything_is_here(store, pinned)
        assert (await store.verify()).bad_blocks == 0
        await kit.close(store)
    store = await kit.open()
    assert (await store.collect()).kept_blocks == 20
    assert (await store.stat()).packs == len(kit.packs())


async def everything_is_here(store: BlockStore, roots: list[CID]) -> None:
    for root in roots:
        data = await store.get(root)
        assert root.matches(data)
        assert store.pins.get(root)
        for text in json.loads(data)["links"]:
            cid = CID.parse(text)
            assert cid.matches(await store.get(cid))
