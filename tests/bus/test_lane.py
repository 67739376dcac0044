"""Lanes: so many at once, so many waiting, in order."""

from __future__ import annotations

import asyncio
import logging

from cidbus.bus.lane import Lane


class Jobs:
    def __init__(self) -> None:
        self.started: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}

    def job(self, number: int):
        self.gates[number] = asyncio.Event()

        async def run() -> None:
            self.started.append(number)
            await self.gates[number].wait()

        return run


async def test_jobs_beyond_the_limit_wait_in_order_and_then_run():
    lane, jobs = Lane(2, 2), Jobs()
    assert [lane.submit(jobs.job(number)) for number in range(5)] == [True] * 4 + [False]
    await asyncio.sleep(0)
    assert (jobs.started, lane.running, lane.waiting) == ([0, 1], 2, 2)
    for gate in jobs.gates.values():
        gate.set()
    await lane.drain()
    assert jobs.started == [0, 1, 2, 3]
    assert (lane.running, lane.waiting) == (0, 0)


async def test_cancelling_drops_what_waits_and_ends_what_runs():
    lane, jobs = Lane(1, 5), Jobs()
    for number in range(3):
        lane.submit(jobs.job(number))
    await asyncio.sleep(0)
    await lane.cancel()
    assert (jobs.started, lane.running, lane.waiting) == ([0], 0, 0)


async def test_a_job_that_fails_is_logged_and_gives_its_place_up(caplog):
    lane = Lane(1, 1)

    async def broken() -> None:
        raise RuntimeError("broken job")

    lane.submit(broken)
    with caplog.at_level(logging.ERROR):
        await lane.drain()
    assert "broken job" in caplog.text
    assert lane.submit(broken)
    await lane.drain()
