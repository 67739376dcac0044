"""The commit loop: one patch and one entry for what has queued up, on whichever tree is the newest."""

from __future__ import annotations

import asyncio

import pytest

from cidbus.actors.journal.chain import GENESIS, Position
from cidbus.actors.journal.changes import Change
from cidbus.schemas.errors import Busy, Conflict, NotFound, StorageFull
from cidbus.schemas.journal import Changed

from .engine import Process, mkdir, process, remove, write
from .memory import MemoryLog, MemoryTrees


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def trees() -> MemoryTrees:
    return MemoryTrees()


@pytest.fixture
async def one(log, trees):
    async with process(log, trees) as running:
        yield running


async def entries_of(log: MemoryLog, empty: str):
    position = Position(0, empty)
    found = []
    async for kept in log.read():
        found.append(position.next(kept.sequence, kept.body))
        position = found[-1].position
    return found


async def test_a_change_is_one_entry_whose_root_is_the_tree_that_is_answered(one: Process, log, trees):
    empty = one.head.position.root
    changed = await one.do(write("/a", "1"))
    [entry] = await entries_of(log, empty)
    assert (changed.sequence, changed.root) == (1, entry.record.root)
    assert trees.trees[changed.root] == {"/a": "1"}
    assert entry.record.previous == GENESIS
    assert entry.record.changes[0].operations == {"create": 1}
    assert trees.names[f"fs/{entry.record.id}"] == changed.root


async def test_what_queues_up_while_a_commit_is_on_its_way_is_one_more(one: Process, log, trees):
    answers = await asyncio.gather(*(one.do(write(f"/{n}", "x")) for n in range(100)))
    assert len(log.entries) <= 3
    assert len(trees.trees[answers[-1].root]) == 100


async def test_a_group_that_fails_leaves_the_others_and_is_in_no_entry(one: Process, log):
    empty = one.head.position.root
    results = await asyncio.gather(
        one.do(mkdir("/a")),
        one.do(write("/b", "1"), remove("/none")),
        one.do(write("/c", "1")),
        return_exceptions=True,
    )
    assert isinstance(results[1], NotFound)
    entries = await entries_of(log, empty)
    assert sum(len(entry.record.changes) for entry in entries) == 2
    assert one.head.position.totals.statuses == {"completed": 2}


async def test_a_change_that_changes_nothing_needs_no_entry(one: Process, log):
    first = await one.do(mkdir("/a"))
    again = await one.do(mkdir("/a", exist_ok=True))
    assert (again.root, again.sequence) == (first.root, None)
    assert len(log.entries) == 1


async def test_if_root_of_another_tree_is_a_conflict_that_names_both(one: Process):
    first = await one.do(write("/a", "1"))
    second = await one.do(write("/a", "2"), if_root=first.root)
    with pytest.raises(Conflict) as caught:
        await one.do(write("/a", "3"), if_root=first.root)
    assert caught.value.details == {"expected": first.root, "root": second.root}


async def test_of_many_with_the_same_if_root_one_wins(one: Process):
    root = (await one.do(mkdir("/a"))).root
    results = await asyncio.gather(
        *(one.do(write("/x", str(n)), if_root=root) for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, Changed) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 9


async def test_three_processes_racing_append_one_chain_and_lose_nothing(log, trees):
    async with (
        process(log, trees, "a" * 16) as a,
        process(log, trees, "b" * 16) as b,
        process(log, trees, "c" * 16) as c,
    ):
        empty = a.head.position.root

        async def client(who: Process, name: str) -> None:
            for _ in range(20):
                await who.do(write(f"/{name}", "x", append=True).model_copy(update={"truncate": False}))

        await asyncio.gather(*(client(who, name) for who in (a, b, c) for name in ("shared", "other")))
        position = await a.head.fresh()
        await entries_of(log, empty)
        assert trees.trees[position.root] == {"/shared": "x" * 60, "/other": "x" * 60}


async def test_a_refusal_holds_on_the_newest_tree_and_not_on_the_one_that_was_known(log, trees):
    """A process that is behind would refuse to make a directory that another one has removed since."""
    async with process(log, trees, "a" * 16) as a, process(log, trees, "b" * 16) as b:
        await a.do(mkdir("/d"))
        await b.head.fresh()
        await b.do(remove("/d"))
        assert a.head.position.sequence == 1
        assert (await a.do(mkdir("/d"))).sequence == 3


async def test_the_trees_of_lost_races_are_let_go(log, trees):
    async with process(log, trees, "a" * 16) as a, process(log, trees, "b" * 16) as b:
        await a.do(write("/a", "1"))
        await b.do(write("/b", "1"))  # lost its first try: it did not know of the other
        await b.do(write("/b", "2"))
        kept = {f"fs/{entry.record.id}" for entry in await entries_of(log, trees.cid({}))}
        assert {name for name in trees.names if name.startswith("fs/")} == kept


async def test_a_full_disk_fails_the_change_and_leaves_the_tree(one: Process, log):
    before = await one.do(write("/a", "1"))

    def full() -> None:
        raise StorageFull("no room")

    log.before_append = full
    with pytest.raises(StorageFull):
        await one.do(write("/a", "2"))
    log.before_append = lambda: None
    assert (await one.head.fresh()).root == before.root
    assert (await one.do(write("/a", "2"))).sequence == 2


async def test_a_batch_waits_for_company_and_a_hurried_change_ends_the_wait(one: Process, log):
    await asyncio.gather(*(one.do(write(f"/{n}", "x"), sync="batch") for n in range(10)))
    assert len(log.entries) == 1
    waiting = asyncio.create_task(one.do(write("/slow", "x"), sync="batch"))
    await one.do(write("/fast", "x"))
    assert (await waiting).sequence == 2


async def test_more_than_the_queue_takes_is_busy(one: Process, monkeypatch):
    monkeypatch.setattr("cidbus.actors.journal.commits.MAX_QUEUED", 5)
    results = await asyncio.gather(*(one.do(write(f"/{n}", "x")) for n in range(20)), return_exceptions=True)
    assert sum(isinstance(result, Busy) for result in results) == 15


async def test_a_change_whose_requester_has_gone_before_it_was_begun_is_not_made(one: Process, trees):
    first = asyncio.create_task(one.do(write("/first", "x")))
    gone = asyncio.create_task(one.do(write("/gone", "x")))
    await asyncio.sleep(0)
    gone.cancel()
    await first
    assert "/gone" not in trees.trees[(await one.do(write("/last", "x"))).root]


async def test_a_group_larger_than_a_message_is_done_whole_or_not_at_all(one: Process, trees):
    large = [write(f"/{n}", "x" * 10_000) for n in range(200)]
    patches = trees.patches
    changed = await one.do(*large)
    assert trees.patches > patches + 1
    assert len(trees.trees[changed.root]) == 200
    assert changed.sequence == 1
    with pytest.raises(NotFound):
        await one.do(*[write(f"/b{n}", "x" * 10_000) for n in range(200)], remove("/none"))
    assert (await one.head.fresh()).root == changed.root
    assert trees.names[f"fs/{one.told[-1].record.id}"] == changed.root


async def test_a_change_that_recovers_is_told_as_that(one: Process, trees):
    first = await one.do(write("/a", "1"))
    await one.do(write("/a", "2"))
    back = await one.committer.submit(Change(root=first.root, recovers=True))
    assert back.root == first.root
    assert one.told[-1].record.kind == "recover"


async def test_a_mistake_in_one_commit_does_not_end_the_loop(one: Process, trees):
    def mistake() -> None:
        raise RuntimeError("a bug")

    trees.before_patch = mistake
    with pytest.raises(RuntimeError):
        await one.do(write("/a", "1"))
    trees.before_patch = lambda: None
    assert (await one.do(write("/a", "1"))).sequence == 1
