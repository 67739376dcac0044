"""Explicit transactions: they see their own tree, and are committed only where a serial order allows it."""

from __future__ import annotations

import asyncio
import random

import pytest

from cidbus.schemas.errors import Busy, Conflict, NotFound, TooLarge
from cidbus.schemas.tree import TreeLookup

from .engine import Process, mkdir, process, put, remove, write
from .memory import MemoryLog, MemoryTrees


@pytest.fixture
def trees() -> MemoryTrees:
    return MemoryTrees()


@pytest.fixture
async def one(trees):
    async with process(MemoryLog(), trees) as running:
        yield running


async def begin(one: Process):
    return await one.transactions.begin(await one.head.fresh(), 60.0)


async def read(one: Process, trees: MemoryTrees, transaction, path: str) -> str | None:
    """As `journal.stat` does in a transaction."""
    try:
        found = (await trees.stat(TreeLookup(root=transaction.root, path=path))).cid
    except NotFound:
        transaction.reads.add("missing", path)
        return None
    transaction.reads.add("entry", path)
    return found


async def test_what_it_does_is_seen_by_nobody_else_until_it_is_committed(one, trees):
    transaction = await begin(one)
    await one.transactions.apply(transaction.id, [write("/a", "1"), mkdir("/d")])
    assert trees.trees[one.head.position.root] == {}
    await one.do(write("/b", "2"))
    assert "/b" not in trees.trees[transaction.root]
    changed = await one.transactions.commit(transaction.id)
    assert trees.trees[changed.root] == {"/a": "1", "/d": "dir", "/b": "2"}
    record = one.told[-1].record.changes[0]
    assert (record.transaction, record.operations, record.status) == (
        transaction.id,
        {"create": 2},
        "completed",
    )


async def test_the_tree_of_an_open_one_is_kept_and_let_go_when_it_ends(one, trees):
    transaction = await begin(one)
    await one.transactions.apply(transaction.id, [write("/a", "1")])
    assert trees.names[f"fs/tx/{transaction.id}"] == transaction.root
    await one.transactions.roll_back(transaction.id)
    await one.do(write("/b", "1"))
    assert not [name for name in trees.names if name.startswith("fs/tx/")]


async def test_a_write_to_what_it_has_read_is_a_conflict_that_names_both_trees(one, trees):
    await one.do(write("/a", "1"), write("/b", "1"))
    transaction = await begin(one)
    await read(one, trees, transaction, "/a")
    await one.transactions.apply(transaction.id, [write("/b", "2")])
    other = await one.do(write("/a", "9"))
    with pytest.raises(Conflict) as caught:
        await one.transactions.commit(transaction.id)
    assert caught.value.details["base"] == transaction.base.root
    assert caught.value.details["root"] == other.root
    assert caught.value.details["path"] == "/a"
    assert trees.trees[one.head.position.root] == {"/a": "9", "/b": "1"}
    assert one.head.position.totals.statuses == {"completed": 2, "failed": 1}
    with pytest.raises(NotFound):
        await one.transactions.commit(transaction.id)


async def test_two_that_write_one_path_cannot_both_commit(one):
    first, second = await begin(one), await begin(one)
    for transaction in (first, second):
        await one.transactions.apply(transaction.id, [write("/same", transaction.id)])
    await one.transactions.commit(first.id)
    with pytest.raises(Conflict):
        await one.transactions.commit(second.id)


async def test_two_that_make_files_in_one_directory_both_commit(one, trees):
    await one.do(mkdir("/d"))
    first, second = await begin(one), await begin(one)
    for number, transaction in enumerate((first, second)):
        await one.transactions.apply(transaction.id, [put(f"/d/{number}", "content")])
    await one.transactions.commit(first.id)
    changed = await one.transactions.commit(second.id)
    assert {"/d/0", "/d/1"} <= set(trees.trees[changed.root])


async def test_a_group_that_fails_inside_leaves_the_transaction_as_it_was(one, trees):
    transaction = await begin(one)
    await one.transactions.apply(transaction.id, [write("/a", "1")])
    with pytest.raises(NotFound):
        await one.transactions.apply(transaction.id, [write("/b", "1"), remove("/none")])
    changed = await one.transactions.commit(transaction.id)
    assert trees.trees[changed.root] == {"/a": "1"}


async def test_one_that_is_rolled_back_is_noted_and_changes_nothing(one):
    transaction = await begin(one)
    await one.transactions.apply(transaction.id, [write("/a", "1")])
    info = await one.transactions.roll_back(transaction.id)
    assert (info.status, info.sequence, info.paths) == ("rolled_back", 1, ["/a"])
    record = one.told[-1].record
    assert record.root == record.before
    assert one.head.position.totals.statuses == {"rolled_back": 1}
    assert one.head.position.totals.operations == {}


async def test_one_that_is_not_used_in_time_is_rolled_back(one):
    transaction = await one.transactions.begin(one.head.position, 0.01)
    await one.head.until_moved()
    assert one.told[-1].record.changes[0].status == "rolled_back"
    with pytest.raises(NotFound, match="is not open"):
        await one.transactions.apply(transaction.id, [write("/a", "1")])


async def test_too_many_at_once_are_refused(one):
    for _ in range(4):
        await begin(one)
    with pytest.raises(Busy):
        await begin(one)


async def test_too_many_operations_are_refused(one, monkeypatch):
    monkeypatch.setattr("cidbus.actors.journal.transactions.MAX_OPERATIONS", 2)
    transaction = await begin(one)
    with pytest.raises(TooLarge):
        await one.transactions.apply(transaction.id, [write(f"/{n}", "x") for n in range(3)])


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_committed_equals_a_serial_order(seed):
    """Transfers between accounts by three processes at once: the sum of all never changes, and each commit
    is what the same transaction would have done alone on the tree before it."""
    choose = random.Random(seed)
    log, trees = MemoryLog(), MemoryTrees()
    accounts = [f"/{n}" for n in range(4)]

    async def transfers(one: Process) -> int:
        done = 0
        for _ in range(15):
            source, target = choose.sample(accounts, 2)
            transaction = await begin(one)
            left = int(await read(one, trees, transaction, source))
            there = int(await read(one, trees, transaction, target))
            await asyncio.sleep(0)
            operations = [write(source, str(left - 1)), write(target, str(there + 1))]
            await one.transactions.apply(transaction.id, operations)
            try:
                await one.transactions.commit(transaction.id)
                done += 1
            except Conflict:
                continue
        return done

    async with (
        process(log, trees, "a" * 16) as a,
        process(log, trees, "b" * 16) as b,
        process(log, trees, "c" * 16) as c,
    ):
        await a.do(*[write(path, "100") for path in accounts])
        done = await asyncio.gather(*(transfers(one) for one in (a, b, c)))
        position = await a.head.fresh()
        balances = trees.trees[position.root]
        assert sum(map(int, balances.values())) == 400
        assert position.totals.statuses == {"completed": sum(done) + 1, "failed": 45 - sum(done)}
        assert sum(done) >= 10
