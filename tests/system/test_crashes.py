"""kill -9 and SIGTERM of every part under load: nothing acknowledged is lost, and all is well again soon.

`CIDBUS_ROUNDS=20` for the long form.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time

import aiohttp
import pytest
from waiting import until

from .conftest import Running, running_system

FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError)
RECOVERY_S = 5.0
ROUNDS = int(os.environ.get("CIDBUS_ROUNDS", "6"))


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * ROUNDS)
async def test_what_was_acknowledged_survives_kills():
    async with running_system(scale={"ipfs": 2}) as system:
        acknowledged: dict[str, bytes] = {}
        slowest = 0.0
        for number in range(ROUNDS):
            victim = ("ipfs", "bridge", "nats")[number % 3]
            recovery_s = await one_round(system, number, victim, acknowledged)
            slowest = max(slowest, recovery_s)
        # On a machine that has much else to do, no longer than the whole system took to start.
        assert slowest < max(RECOVERY_S, system.start_s)
        assert len(acknowledged) > 1000 * ROUNDS
        await in_parallel(64, [check(system, cid, content) for cid, content in acknowledged.items()])
        verified = await system.post("/ipfs/repo/verify")
        assert verified["bad_blocks"] == 0
        assert verified["checked_blocks"] >= len(acknowledged)


async def one_round(system: Running, number: int, victim: str, acknowledged: dict[str, bytes]) -> float:
    """2,000 adds with a kill in the middle; returns how long it took until an add went through again."""
    random_sizes = random.Random(number)
    adds = [
        add(system, os.urandom(random_sizes.choice((20, 300, 5_000, 40_000))), acknowledged)
        for _ in range(2000)
    ]
    killed = asyncio.create_task(kill_and_recover(system, victim, len(acknowledged) + 700, acknowledged))
    await in_parallel(32, adds)
    return await killed


async def kill_and_recover(system: Running, victim: str, after: int, acknowledged: dict[str, bytes]) -> float:
    while len(acknowledged) < after:
        await asyncio.sleep(0.005)
    system.kill(victim)
    began = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(1):
                await system.add(os.urandom(16))
                return time.monotonic() - began
        except FAILURES:
            assert time.monotonic() - began < 4 * RECOVERY_S
            await asyncio.sleep(0.02)


async def add(system: Running, content: bytes, acknowledged: dict[str, bytes]) -> None:
    """One add, tried until it is acknowledged, as a client would."""
    for _ in range(200):
        try:
            async with asyncio.timeout(10):
                acknowledged[(await system.add(content))["cid"]] = content
            return
        except FAILURES:
            await asyncio.sleep(0.05)
    raise AssertionError("an add was not acknowledged in 200 tries")


async def check(system: Running, cid: str, content: bytes) -> None:
    assert await system.cat(cid) == content


async def in_parallel(limit: int, jobs: list) -> None:
    waiting = iter(jobs)

    async def worker() -> None:
        for job in waiting:
            await job

    await asyncio.gather(*(worker() for _ in range(limit)))


@pytest.mark.slow
async def test_all_instances_share_the_work_and_the_death_of_one_is_survived():
    async with running_system(scale={"ipfs": 3}) as system:
        content = os.urandom(8 << 20)
        cid = (await system.add(content))["cid"]
        outcomes = [asyncio.create_task(cat_until_whole(system, cid, content)) for _ in range(100)]
        await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        system.kill("ipfs", 1)
        tries = await asyncio.gather(*outcomes)
        assert max(tries) < 20
        assert len(await instances(system)) == 3 or await comes_back(system)


async def cat_until_whole(system: Running, cid: str, content: bytes) -> int:
    """Read until it succeeds; a read that is answered whole has the right bytes. Returns the tries it took."""
    for number in range(1, 30):
        try:
            async with asyncio.timeout(40):
                assert await system.cat(cid) == content
            return number
        except FAILURES:
            await asyncio.sleep(0.1)
    raise AssertionError("a read did not succeed in 30 tries")


async def comes_back(system: Running) -> bool:
    for _ in range(100):
        if len(await instances(system)) == 3:
            return True
    return False


@pytest.mark.slow
async def test_every_instance_is_seen_serving_in_the_statistics():
    async with running_system(scale={"ipfs": 3, "cache": 0}) as system:
        cid = (await system.add(b"shared"))["cid"]
        await in_parallel(16, [system.cat(cid) for _ in range(600)])
        instances = (await system.get("/stats"))["actors"]
        of_ipfs = [instance["endpoints"] for instance in instances if instance["actor"] == "ipfs"]
        counts = [sum(e["requests"] for e in endpoints if e["name"] == "cat") for endpoints in of_ipfs]
        assert len(counts) == 3
        assert min(counts) > 0
        assert sum(counts) == 600


@pytest.mark.slow
async def test_sigterm_of_an_actor_under_load_loses_no_request():
    async with running_system(scale={"ipfs": 2}) as system:
        failed: list[str] = []
        done = 0

        async def work() -> None:
            nonlocal done
            content = os.urandom(2000)
            try:
                cid = (await system.add(content))["cid"]
                assert await system.cat(cid) == content
            except aiohttp.ClientResponseError as error:
                failed.append(f"{error.status} {error.request_info.url}")
            done += 1

        load = asyncio.create_task(in_parallel(32, [work() for _ in range(3000)]))
        for number in range(4):
            await until(lambda n=number: done >= 500 * (n + 1), within_s=60)
            before = await instances(system)
            system.kill("ipfs", number % 2, signal.SIGTERM)
            while len(await instances(system) - before) != 1 or len(await instances(system)) != 2:
                pass
        await load
        assert failed == []


async def instances(system: Running) -> set[str]:
    actors = (await system.get("/stats"))["actors"]
    return {actor["instance"] for actor in actors if actor["actor"] == "ipfs"}


@pytest.mark.slow
async def test_sigterm_of_the_system_finishes_what_was_accepted():
    async with running_system() as system:
        content = os.urandom(64 << 20)

        async def slowly():
            for start in range(0, len(content), 1 << 20):
                yield content[start : start + (1 << 20)]
                await asyncio.sleep(0.01)  # an upload that is under way for a while

        upload = asyncio.create_task(
            system.http.post(f"{system.api}/ipfs/add", data=slowly(), headers={"Content-Type": "text/plain"})
        )
        await asyncio.sleep(0.2)
        await system.system.stop()
        async with await upload as answer:
            assert answer.status == 200
            assert (await answer.json())["content_size_bytes"] == len(content)
