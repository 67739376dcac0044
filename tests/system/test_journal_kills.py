"""kill -9 of the journal, ipfs and NATS processes under clients that know what their files have to be.

Each client has a directory of its own and a model of it. What was acknowledged is there; of what was not,
everything or nothing. `CIDBUS_ROUNDS=200` for the long form.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from cidbus.bus import Bus, Credentials
from cidbus.schemas import journal, journaling, subjects, tree
from cidbus.schemas.errors import BusError, DeadlineExceeded, Unavailable
from cidbus.schemas.tree import AnyOperation

from .conftest import Running, running_system

ROUNDS = int(os.environ.get("CIDBUS_ROUNDS", "8"))
CLIENTS = 6
OPERATIONS = 10  # of each client in a round
ANSWER_S = 3.0
COMES_BACK_S = 20.0  # a process starts and recovers, on a machine that has other work to do
LATE = (Unavailable, DeadlineExceeded)

Model = dict[str, str]


class Client:
    """One directory, the files that it has to hold, and operations on them."""

    def __init__(self, bus: Bus, number: int) -> None:
        self.bus = bus
        self.home = f"/{number}"
        self.model: Model = {}
        self.choose = random.Random(number)
        self.count = 0
        self.unsure = 0

    async def start(self) -> None:
        await self.bus.request(subjects.FS_MKDIR, journal.MakeDirectory(path=self.home))

    async def work(self) -> None:
        for _ in range(OPERATIONS):
            await self.step()

    async def step(self) -> None:
        """One operation, or several as one; where no answer comes, see which of the two states there is."""
        operations, after = self._any()
        try:
            await self._apply(operations)
        except LATE:
            self.unsure += 1
            await self._fence()
            found = await self.found()
            assert found in (self.model, after), "half of a change, or something else, is there"
            self.model = found
        else:
            self.model = after

    def _any(self) -> tuple[list[AnyOperation], Model]:
        self.count += 1
        value, after = f"{self.count}", dict(self.model)
        names = sorted(name for name in after if name not in ("a", "b"))
        kind = self.choose.choice(["write", "pair", "pair", "new", "move", "remove"])
        if kind == "pair":  # always equal: a reader would see it if they were not
            after |= {"a": value, "b": value}
            return [self._write("a", value), self._write("b", value)], after
        if kind == "move" and names:
            name = self.choose.choice(names)
            after[f"m{value}"] = after.pop(name)
            path = f"{self.home}/{name}"
            return [tree.Move(source=path, destination=f"{self.home}/m{value}", exact=True)], after
        if kind == "remove" and names:
            name = self.choose.choice(names)
            del after[name]
            return [tree.Remove(path=f"{self.home}/{name}")], after
        name = self.choose.choice(names) if names and kind == "write" else f"n{value}"
        after[name] = value
        return [self._write(name, value)], after

    def _write(self, name: str, value: str) -> tree.Write:
        return tree.Write(path=f"{self.home}/{name}", content=value, truncate=True)

    async def _apply(self, operations: list[AnyOperation]) -> None:
        ask = journal.Apply(operations=operations)
        await self.bus.request(subjects.FS_APPLY, ask, timeout_s=ANSWER_S)

    async def _fence(self) -> None:
        """An acknowledged write: what was asked before it is done by now, or never will be."""
        await patiently(
            lambda: self._apply([tree.Write(path=f"/fence{self.home[1:]}", content=str(self.count))])
        )

    async def found(self) -> Model:
        return await patiently(self._read)

    async def _read(self) -> Model:
        ask = journal.ListPath(path=self.home)
        async with asyncio.timeout(ANSWER_S):
            names = [entry.name async for entry in self.bus.items(subjects.FS_LS, ask)]
            return {name: await read(self.bus, f"{self.home}/{name}") for name in names}


async def read(bus: Bus, path: str, at: str | None = None) -> str:
    async with await bus.open(subjects.FS_READ, journal.ReadFile(path=path, at=at)) as stream:
        return b"".join([chunk async for chunk in stream]).decode()


async def patiently(ask):
    """Ask until there is an answer."""
    until = time.monotonic() + 60
    while True:
        try:
            return await ask()
        except (*LATE, TimeoutError):
            assert time.monotonic() < until
            await asyncio.sleep(0.02)


async def watch(bus: Bus, seen: list[int]) -> None:
    """A reader of whole states: in each of them both files of a pair are the same."""
    choose = random.Random(1)
    while True:
        home = f"/{choose.randrange(CLIENTS)}"
        try:
            async with asyncio.timeout(ANSWER_S):
                state = await bus.request(subjects.FS_STAT, journal.StatPath(), timeout_s=ANSWER_S)
                pair = [await read(bus, f"{home}/{name}", state.root) for name in ("a", "b")]
        except (BusError, TimeoutError):
            await asyncio.sleep(0.02)
            continue
        assert pair[0] == pair[1], "half of a transaction was seen"
        seen.append(state.sequence or 0)
        assert seen[-1] == max(seen[-2:]), "a later read saw an earlier state"


async def kill_sometime(system: Running, bus: Bus, choose: random.Random) -> float:
    """Kill a part after a random moment; returns how long it took until a change went through again."""
    await asyncio.sleep(choose.random())  # the point of the kill is not to be chosen by what is going on
    system.kill(choose.choice(["journal", "ipfs", "nats"]))
    began = time.monotonic()
    touch = journal.Touch(path="/alive")
    await patiently(lambda: bus.request(subjects.FS_TOUCH, touch, timeout_s=1.0))
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * ROUNDS)
async def test_what_was_acknowledged_survives_kills_of_every_part_at_any_point(tmp_path: Path):
    others = {"cache": 0, "media": 0, "bridge": 0}
    async with running_system(scale=others, throw_away=False, data_dir=tmp_path) as system:
        credentials = Credentials("client", Path(system.info.client_seed))
        async with await Bus.connect(system.info.nats, credentials, node=system.info.node) as bus:
            clients = [Client(bus, number) for number in range(CLIENTS)]
            for client in clients:
                await client.start()
            seen: list[int] = []
            reader = asyncio.create_task(watch(bus, seen))
            slowest, choose = 0.0, random.Random(ROUNDS)
            for _ in range(ROUNDS):
                recovery_s, *_ = await asyncio.gather(
                    kill_sometime(system, bus, choose), *(client.work() for client in clients)
                )
                slowest = max(slowest, recovery_s)
            assert not reader.done() or reader.result() is None
            reader.cancel()
            for client in clients:
                assert await client.found() == client.model
            verified = await bus.request(subjects.JOURNAL_VERIFY, journaling.VerifyJournal())
            assert (verified.ok, verified.problems) == (True, [])
            assert len(seen) > ROUNDS
            assert slowest < COMES_BACK_S
