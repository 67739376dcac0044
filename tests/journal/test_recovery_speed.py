"""How long a journal of 100,000 entries takes to begin again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from waiting import until

from cidbus.actors.journal.actor import JournalActor
from cidbus.actors.journal.chain import Position, seal
from cidbus.bus import server
from cidbus.bus.log import Log
from cidbus.bus.testing import connect
from cidbus.schemas import journaling, subjects
from cidbus.schemas.journaling import ChangeRecord, Record, Totals
from cidbus.schemas.tree import TreePatch

from .conftest import system_in

ENTRIES = 100_000
RECOVERY_S = 5.0


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_hundred_thousand_entries_are_checked_soon(tmp_path: Path, monkeypatch):
    """With no checkpoint to begin at: every entry is read and its place in the chain proven."""
    whole = server.render_config
    # The disk is not waited for 100,000 times only to have something to read.
    monkeypatch.setattr(
        server,
        "render_config",
        lambda *a, **k: whole(*a, **k).replace("sync_interval: always", 'sync_interval: "2m"'),
    )
    async with system_in(tmp_path, journals=0) as fs:
        async with await connect(fs.server, "journal") as bus:
            log = await Log.open(bus, subjects.JOURNAL_ENTRIES)
            root = (await bus.request(subjects.TREE_PATCH, TreePatch(groups=[]))).root
            await fill(log, bus, root)
        began = time.process_time()
        async with fs.journal() as actor:
            await until(lambda: is_recovered(actor))
            status = await fs.status()
            assert (status.sequence, status.total_entries) == (ENTRIES, ENTRIES)
            assert actor.recovered.replayed == ENTRIES
            assert status.recovery_ms == actor.recovered.duration_ms
            # Of the processor: how long that takes also depends on what else the machine does.
            assert time.process_time() - began < RECOVERY_S
            told = [e async for e in fs.bus.items(subjects.JOURNAL_LOG, journaling.LogRequest(limit=3))]
            assert [entry.sequence for entry in told] == [ENTRIES, ENTRIES - 1, ENTRIES - 2]


async def is_recovered(actor: JournalActor) -> bool:
    return actor.recovered is not None


async def fill(log: Log, bus, root: str) -> None:
    """As many small entries, without waiting for the disk after each."""
    position = Position(0, root)
    for sequence in range(1, ENTRIES + 1):
        change = ChangeRecord(
            status="completed", operations={"write": 1}, writes=["e/a/file"], started_at=1.0
        )
        record = Record(
            sequence=sequence, id=f"{sequence:012x}-aaaaaaaa-00000000", previous=position.digest, before=root, root=root,
            at=float(sequence), instance="a" * 16, changes=[change], totals=Totals(statuses={"completed": sequence}),
        )  # fmt: skip
        sealed = seal(record)
        position = sealed.position
        await bus.link.inbox.publish(log.subject, sealed.body)
        if sequence % 5000 == 0:
            await bus.link.flush()
    while (await log.state()).last < ENTRIES:
        pass
