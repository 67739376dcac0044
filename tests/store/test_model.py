"""Whatever is done in whatever order, the store agrees with a dict; hypothesis looks for the order."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.schemas.errors import Conflict, NotFound

# A small world, so that blocks meet again: leaves, nodes of two leaves, and roots over two nodes.
LEAVES, NODES, ROOTS = range(6), range(6, 10), range(10, 12)
ANY = st.integers(0, 11)
HANDLES = st.integers(0, 1)


class World(RuleBasedStateMachine):
    """Two handles on one store. `here` is what must or may be stored; `pins` what must be pinned."""

    kit_class: type[Any]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.kit = self.kit_class(self.folder / "store")
        self.loop = asyncio.new_event_loop()
        self.handles = [self.run(self.kit.open(max_pack_bytes=2000)) for _ in range(2)]
        self.blocks = [self.kit.leaf(f"{number}" * 100) for number in LEAVES]
        self.below: dict[int, set[int]] = {number: {number} for number in LEAVES}
        for number in (*NODES, *ROOTS):
            left, right = (number % 6, (number + 1) % 6) if number in NODES else (number - 4, number - 3)
            self.blocks.append(self.kit.node(self.blocks[left], self.blocks[right], salt=number))
            self.below[number] = {number} | self.below[left] | self.below[right]
        self.here: set[int] = set()
        self.pins: dict[int, str] = {}
        self.sessions: list[tuple[Any, set[int], set[int]]] = []

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        for session, _, _ in self.sessions:
            self.run(session.__aexit__(None, None, None))
        self.run(self.kit.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def reached(self) -> set[int]:
        """What pins keep."""
        kept: set[int] = set()
        for number, mode in self.pins.items():
            kept |= self.below[number] if mode == "recursive" else {number}
        return kept

    def protected(self) -> set[int]:
        """What sessions that have flushed keep."""
        return set().union(*(flushed for _, _, flushed in self.sessions))

    @rule(number=ANY, handle=HANDLES)
    def add_one(self, number: int, handle: int) -> None:
        self.run(self.kit.add(self.handles[handle], self.blocks[number]))
        self.here.add(number)

    @rule(number=ANY, handle=HANDLES)
    def add_and_pin(self, number: int, handle: int) -> None:
        blocks = [self.blocks[below] for below in self.below[number]]
        self.run(self.kit.add(self.handles[handle], *blocks, pin=self.blocks[number]))
        self.here |= self.below[number]
        self.pins[number] = "recursive"

    @precondition(lambda self: len(self.sessions) < 3)
    @rule(handle=HANDLES)
    def begin(self, handle: int) -> None:
        self.sessions.append((self.handles[handle].session(), set(), set()))

    @precondition(lambda self: self.sessions)
    @rule(number=ANY, which=st.integers(0, 2))
    def put(self, number: int, which: int) -> None:
        session, waiting, _ = self.sessions[which % len(self.sessions)]
        for below in self.below[number]:
            self.run(session.put(self.blocks[below].cid, self.blocks[below].data))
        waiting |= self.below[number]

    @precondition(lambda self: self.sessions)
    @rule(which=st.integers(0, 2))
    def flush(self, which: int) -> None:
        session, waiting, flushed = self.sessions[which % len(self.sessions)]
        self.run(session.flush())
        flushed |= waiting
        self.here |= waiting

    @precondition(lambda self: self.sessions)
    @rule(which=st.integers(0, 2), number=ANY)
    def commit(self, which: int, number: int) -> None:
        session, waiting, _ = self.sessions.pop(which % len(self.sessions))
        pin = number in waiting
        self.run(session.commit([PinRecord(self.blocks[number].cid)] if pin else []))
        self.here |= waiting
        if pin:
            self.pins[number] = "recursive"

    @precondition(lambda self: self.sessions)
    @rule(which=st.integers(0, 2))
    def drop(self, which: int) -> None:
        session, _, _ = self.sessions.pop(which % len(self.sessions))
        self.run(session.__aexit__(None, None, None))

    @rule(number=ANY, handle=HANDLES, mode=st.sampled_from(["recursive", "direct"]))
    def pin(self, number: int, handle: int, mode: Any) -> None:
        pin = PinRecord(self.blocks[number].cid, mode)
        needed = self.below[number] if mode == "recursive" else {number}
        try:
            self.run(self.handles[handle].pins.add(pin))
        except NotFound:
            assert not needed <= self.stored()
        except Conflict:
            assert (mode, self.pins.get(number)) == ("direct", "recursive")
        else:
            assert needed <= self.stored()
            self.pins[number] = mode

    @rule(number=ANY, handle=HANDLES)
    def unpin(self, number: int, handle: int) -> None:
        try:
            self.run(self.handles[handle].pins.remove(self.blocks[number].cid))
        except NotFound:
            assert number not in self.pins
        else:
            del self.pins[number]

    @rule(old=ANY, new=ANY, handle=HANDLES, unpin=st.booleans())
    def update(self, old: int, new: int, handle: int, unpin: bool) -> None:
        pins = self.handles[handle].pins
        try:
            self.run(pins.update(self.blocks[old].cid, self.blocks[new].cid, unpin=unpin))
        except NotFound:
            assert self.pins.get(old) != "recursive" or not self.below[new] <= self.stored()
        else:
            if unpin:
                del self.pins[old]
            self.pins[new] = "recursive"

    @rule(handle=HANDLES)
    def collect(self, handle: int) -> None:
        self.run(self.handles[handle].collect())
        kept = self.reached() | self.protected()
        assert kept <= self.stored()
        self.here &= self.stored()
        if not self.sessions:
            assert self.stored() == self.reached()

    @rule(number=ANY, handle=HANDLES)
    def remove(self, number: int, handle: int) -> None:
        try:
            removed = self.run(self.handles[handle].remove(self.blocks[number].cid, missing_ok=True))
        except Conflict:
            assert number in self.reached() or self.sessions
        else:
            assert number not in self.reached() | self.protected()
            assert removed == (number in self.here)
            self.here.discard(number)

    @precondition(lambda self: not self.sessions)
    @rule(rebuild=st.booleans())
    def reopen(self, rebuild: bool) -> None:
        self.run(self.kit.close())
        ledger = (self.kit.path / "ledger.log").exists()
        if rebuild and ledger:
            shutil.rmtree(self.kit.path / "index")
        self.handles = [self.run(self.kit.open(max_pack_bytes=2000)) for _ in range(2)]
        if rebuild and ledger:
            self.here = self.stored()

    def stored(self) -> set[int]:
        """What is durable, read from the index."""
        index = self.handles[0]._index
        return {number for number, block in enumerate(self.blocks) if index.has(block.cid.multihash)}

    @invariant()
    def what_is_here_is_read_and_the_rest_is_not(self) -> None:
        assert self.here <= self.stored()
        for number in self.stored():
            for handle in self.handles:
                assert self.run(handle.get(self.blocks[number].cid)) == self.blocks[number].data

    @invariant()
    def pins_are_listed(self) -> None:
        told = {pin.cid: pin.mode for pin in self.handles[1].pins.list()}
        assert told == {self.blocks[number].cid: mode for number, mode in self.pins.items()}

    @invariant()
    def totals_add_up(self) -> None:
        stat = self.run(self.handles[0].stat())
        assert stat.blocks == len(self.stored())
        assert stat.size_bytes == sum(len(self.blocks[number].data) for number in self.stored())


@pytest.mark.timeout(300)
def test_the_store_agrees_with_a_dict(kit_class):
    World.kit_class = kit_class
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=checks
        ),
    )
