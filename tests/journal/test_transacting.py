"""Transactions over the bus: open in one process, reached through any, gone with it."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import pairwise

import pytest

from cidbus.schemas import journal, journaling, subjects, tree
from cidbus.schemas.errors import Conflict, NotFound

from .conftest import System


async def infos(fs: System, **fields) -> list[journal.TransactionInfo]:
    return [info async for info in fs.bus.items(subjects.FS_TRANSACTIONS, journal.TransactionList(**fields))]


async def test_every_row_reaches_a_transaction_through_any_process(three: System):
    await three.write("/a", "before")
    name = await three.begin()
    for number in range(6):  # spread over all three
        await three.write(f"/in/{number}", "inside", transaction=name)
    await three.write_stream("/in/streamed", b"x" * 600_000, transaction=name)
    await three.bus.request(subjects.FS_RESTORE, journal.Restore(path="/a", at="1", transaction=name))
    for _ in range(4):
        assert await three.names("/in", transaction=name) == ["0", "1", "2", "3", "4", "5", "streamed"]
        assert await three.read("/in/streamed", transaction=name) == b"x" * 600_000
        assert (await three.stat("/in/3", transaction=name)).type == "file"
        found = journal.FindPath(glob="streamed", transaction=name)
        assert len([e async for e in three.bus.items(subjects.FS_FIND, found)]) == 1
        assert (await three.bus.request(subjects.FS_DU, journal.UsePath(transaction=name))).files == 8
        await three.bus.request(subjects.FS_EXPORT, journal.ExportPath(transaction=name))
        with pytest.raises(NotFound):
            await three.stat("/in")
        assert [info.transaction for info in await infos(three, status="pending")] == [name]
        assert (await three.status()).pending_entries == 1
    changed = await three.commit(name)
    assert (changed.transaction, changed.sequence) == (name, 2)
    assert len(await three.names("/in")) == 7
    assert (await three.status()).pending_entries == 0


async def test_what_is_rolled_back_was_never_there_and_is_counted(three: System):
    name = await three.begin()
    await three.write("/a", "1", transaction=name)
    info = await three.bus.request(subjects.FS_ROLLBACK, journal.End(transaction=name))
    assert (info.status, info.operations, info.paths) == ("rolled_back", {"create": 1}, ["/a"])
    assert await three.names() == []
    [told] = await infos(three, status="rolled_back")
    assert (told.transaction, told.sequence) == (name, 1)
    status = await three.status()
    assert (status.rolled_back_entries, status.completed_entries, status.total_entries) == (1, 0, 1)


async def test_a_conflict_is_told_with_both_roots_and_counted(three: System):
    await three.write("/a", "1")
    name = await three.begin()
    base = (await three.stat("/a", transaction=name)).root
    other = await three.write("/a", "2")
    await three.write("/b", "3", transaction=name)
    with pytest.raises(Conflict) as caught:
        await three.commit(name)
    assert (caught.value.details["base"], caught.value.details["root"]) == (base, other.root)
    [failed] = await infos(three, status="failed")
    assert failed.error == "/a was changed by another transaction"
    assert await three.names() == ["a"]
    assert (await three.status()).failed_entries == 1


async def test_a_transaction_ends_with_its_process(fs: System):
    async with fs.journal() as second:
        begun = await fs.bus.request(subjects.FS_BEGIN, journal.Begin(), at=second.instance)
        await fs.write("/a", "1", transaction=begun.transaction)
    with pytest.raises(NotFound, match="its process has"):
        await fs.write("/a", "2", transaction=begun.transaction)
    with pytest.raises(NotFound):
        await fs.names(transaction=begun.transaction)
    assert [info.status for info in await infos(fs)] == ["rolled_back"]


async def test_what_a_killed_process_had_open_is_not_pending(three: System):
    """It leaves the named root of its transaction, which keeps its tree until that expires."""
    root = (await three.write("/a", "1")).root
    name = f"{'k' * 16}-{int(time.time() * 1000):x}-00"
    left = tree.RootSet(name=f"fs/tx/{name}", cid=root, expires_in_s=600)
    await three.bus.request(subjects.ROOT_SET, left)
    lives = await three.begin()
    for _ in range(4):  # by each process
        assert [info.transaction for info in await infos(three, status="pending")] == [lives]
        assert (await three.status()).pending_entries == 1


async def test_clients_racing_through_three_processes_equal_a_serial_order(three: System):
    """Each client takes something from one account and gives it to another, in transactions, while others
    move the accounts about. The entries, done again one by one, give each state that the journal tells."""
    accounts = [f"/bank/{n}" for n in range(4)]
    for path in accounts:
        await three.write(path, "100")

    async def transfers(seed: int) -> int:
        choose, done = random.Random(seed), 0
        for _ in range(12):
            source, target = choose.sample(accounts, 2)
            name = await three.begin()
            try:
                left = int(await three.read(source, transaction=name))
                there = int(await three.read(target, transaction=name))
                await three.write(source, str(left - 1), transaction=name)
                await three.write(target, str(there + 1), transaction=name)
                await three.commit(name)
                done += 1
            except Conflict:
                continue
        return done

    async def noise() -> None:
        for number in range(25):
            await three.write("/noise", str(number))

    *done, _ = await asyncio.gather(transfers(1), transfers(2), noise())
    balances = [int(await three.read(path)) for path in accounts]
    assert sum(balances) == 400
    assert sum(done) >= 5
    await replayed(three)
    verified = await three.bus.request(subjects.JOURNAL_VERIFY, journaling.VerifyJournal())
    assert (verified.ok, verified.problems) == (True, [])


async def replayed(fs: System) -> None:
    """Each entry's tree differs from the one before in what the entry says that it has written, and the sum
    over the bank is the same in every one of them."""
    entries = [
        e async for e in fs.bus.items(subjects.JOURNAL_LOG, journaling.LogRequest(after=4, limit=10_000))
    ]
    for before, after in pairwise(entries):
        assert (after.before, after.sequence) == (before.root, before.sequence + 1)
    for entry in entries:
        differences = [
            d.path
            async for d in fs.bus.items(
                subjects.TREE_DIFF, tree.TreeDiff(before=entry.before, after=entry.root)
            )
        ]
        assert set(differences) <= set(entry.paths)
        bank = [int(await fs.read(f"/bank/{n}", at=str(entry.sequence))) for n in range(4)]
        assert sum(bank) == 400
