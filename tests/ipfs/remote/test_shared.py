"""Several who want the same work share one run of it."""

import asyncio

import pytest

from cidbus.actors.ipfs.remote.shared import Shared
from cidbus.schemas.errors import NotFound


class Work:
    """Counts its runs; each ends when it is told to."""

    def __init__(self) -> None:
        self.runs = self.cancelled = 0
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.error = None

    async def __call__(self) -> str:
        self.runs += 1
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return "done"


async def test_those_who_want_the_same_at_the_same_time_share_one_run():
    work, shared = Work(), Shared[str, str]()
    waiting = [asyncio.create_task(shared.run("a", work)) for _ in range(5)]
    await work.started.wait()
    work.go.set()
    assert await asyncio.gather(*waiting) == ["done"] * 5
    assert work.runs == 1


async def test_an_error_reaches_everybody_and_the_next_one_runs_again():
    work, shared = Work(), Shared[str, str]()
    work.error = NotFound("block", "a")
    waiting = [asyncio.create_task(shared.run("a", work)) for _ in range(2)]
    await work.started.wait()
    work.go.set()
    assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [NotFound] * 2
    work.error = None
    assert await shared.run("a", work) == "done"
    assert work.runs == 2


async def test_one_who_leaves_does_not_stop_the_others():
    work, shared = Work(), Shared[str, str]()
    leaves, stays = (asyncio.create_task(shared.run("a", work)) for _ in range(2))
    await work.started.wait()
    leaves.cancel()
    await asyncio.wait([leaves])
    work.go.set()
    assert await stays == "done"
    assert work.cancelled == 0


async def test_a_run_that_nobody_waits_for_is_cancelled_and_not_joined():
    work, shared = Work(), Shared[str, str]()
    leaves = asyncio.create_task(shared.run("a", work))
    await work.started.wait()
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    work.go.set()
    assert await shared.run("a", work) == "done"
    assert (work.runs, work.cancelled) == (2, 1)
