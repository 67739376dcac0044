"""A log on a real server: in order, once, and only by who owns it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import nats
import pytest

from cidbus.bus import Bus
from cidbus.bus.log import Log
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect
from cidbus.schemas.errors import Conflict, NotFound
from cidbus.schemas.subjects import JOURNAL_ENTRIES


@pytest.fixture
async def journal(server: EmbeddedServer) -> AsyncIterator[Bus]:
    async with await connect(server, "journal") as bus:
        yield bus


@pytest.fixture
async def log(journal: Bus) -> Log:
    return await Log.open(journal, JOURNAL_ENTRIES)


async def fill(log: Log, number: int) -> None:
    for sequence in range(number):
        await log.append(b"entry %d" % (sequence + 1), expected=sequence, msg_id=f"id{sequence + 1}")


async def read(log: Log, after: int = 0, to: int | None = None) -> list[tuple[int, bytes]]:
    return [(kept.sequence, kept.body) async for kept in log.read(after, to=to)]


async def test_entries_are_numbered_and_read_back_in_order(log: Log):
    assert await log.last() is None
    assert await read(log) == []
    await fill(log, 5)
    assert await read(log) == [(n, b"entry %d" % n) for n in range(1, 6)]
    assert await read(log, after=2, to=4) == [(3, b"entry 3"), (4, b"entry 4")]
    last = await log.last()
    assert (last.sequence, last.body, last.msg_id) == (5, b"entry 5", "id5")
    assert (await log.get(2)).body == b"entry 2"
    assert (await log.next(2)).body == b"entry 3"
    assert await log.next(5) is None
    with pytest.raises(NotFound):
        await log.get(6)


async def test_more_entries_than_a_batch_come_in_order_and_once(log: Log, monkeypatch):
    monkeypatch.setattr("cidbus.bus.log.BATCH", 7)
    await fill(log, 30)
    assert [sequence for sequence, _ in await read(log)] == list(range(1, 31))


async def test_an_entry_that_is_not_the_next_is_a_conflict(log: Log):
    await fill(log, 2)
    for expected in (0, 1, 3):
        with pytest.raises(Conflict):
            await log.append(b"x", expected=expected, msg_id=f"x{expected}")
    assert (await log.state()).last == 2


async def test_the_same_entry_again_is_the_one_that_is_there(log: Log):
    """As when the answer to the first try was lost."""
    await fill(log, 2)
    assert await log.append(b"entry 2", expected=1, msg_id="id2") == 2
    assert (await log.state()).messages == 2


async def test_of_many_that_append_at_once_one_is_first(server, log: Log):
    async with await connect(server, "journal") as other:
        logs = [log, Log(other, JOURNAL_ENTRIES)]
        tries = [logs[n % 2].append(b"%d" % n, expected=0, msg_id=f"m{n}") for n in range(20)]
        results = await asyncio.gather(*tries, return_exceptions=True)
    assert [result for result in results if isinstance(result, int)] == [1]
    assert sum(isinstance(result, Conflict) for result in results) == 19


async def test_old_entries_go_from_the_front_and_numbers_go_on(log: Log):
    await fill(log, 5)
    assert await log.purge(4) == 3
    state = await log.state()
    assert (state.first, state.last, state.messages) == (4, 5, 2)
    assert [sequence for sequence, _ in await read(log)] == [4, 5]
    assert (await log.next(1)).sequence == 4
    assert await log.purge(6) == 2
    assert await log.next(1) is None
    assert await read(log) == []
    assert await log.last() is None
    assert await log.append(b"6", expected=5, msg_id="six") == 6


async def test_a_log_is_made_once_and_may_begin_where_another_ended(journal: Bus, log: Log):
    await fill(log, 2)
    assert (await (await Log.open(journal, JOURNAL_ENTRIES, first=9)).state()).last == 2
    await log.delete()
    assert await log.state() is None
    with pytest.raises(NotFound):
        await log.last()
    with pytest.raises(NotFound):
        await log.append(b"x", expected=2, msg_id="x")
    again = await Log.open(journal, JOURNAL_ENTRIES, first=100)
    assert (await again.state()).first == 100
    assert await again.append(b"100", expected=99, msg_id="hundred") == 100


async def test_an_append_waits_for_a_server_that_restarts(server: EmbeddedServer, log: Log):
    await fill(log, 3)
    server.kill()
    await server.wait()
    waiting = asyncio.create_task(log.append(b"4", expected=3, msg_id="four"))
    reading = asyncio.create_task(read(log))
    await server.start()
    assert await waiting == 4
    assert [sequence for sequence, _ in await reading][:3] == [1, 2, 3]


async def test_what_is_read_over_damaged_entries_keeps_its_numbers(server, log: Log, monkeypatch):
    monkeypatch.setattr("cidbus.bus.log.BATCH", 4)
    await fill(log, 12)
    await server.stop()
    [block] = server.data_dir.rglob("CIDBUS_JOURNAL/msgs/*.blk")
    content = block.read_bytes()
    for number in (3, 6, 7):
        content = content.replace(b"entry %d" % number, b"Entry %d" % number)
    block.write_bytes(content)
    await server.start()
    sound = [1, 2, 4, 5, 8, 9, 10, 11, 12]
    assert await read(log) == [(n, b"entry %d" % n) for n in sound]
    assert await read(log, after=2, to=9) == [(n, b"entry %d" % n) for n in (4, 5, 8, 9)]


@pytest.mark.parametrize("user", ["client", "bridge", "ipfs", "cache"])
@pytest.mark.parametrize(
    "subject",
    ["cidbus.log.journal", "$JS.API.STREAM.PURGE.CIDBUS_JOURNAL", "$JS.API.STREAM.DELETE.CIDBUS_JOURNAL"],
)
async def test_nobody_else_writes_or_shortens_it(server: EmbeddedServer, log: Log, user: str, subject: str):
    credentials = server.keyring.credentials(user)
    violations: asyncio.Queue[str] = asyncio.Queue()

    async def collect(error: Exception) -> None:
        violations.put_nowait(str(error).lower())

    nc = await nats.connect(
        server.url, nkeys_seed=str(credentials.seed), inbox_prefix=credentials.inbox_prefix, error_cb=collect
    )
    try:
        await nc.publish(subject, b"{}")
        assert "permissions violation for publish" in await asyncio.wait_for(violations.get(), 2)
    finally:
        await nc.close()
    assert (await log.state()).messages == 0


async def test_its_owner_may_touch_no_other_stream(server: EmbeddedServer):
    credentials = server.keyring.credentials("journal")
    violations: asyncio.Queue[str] = asyncio.Queue()

    async def collect(error: Exception) -> None:
        violations.put_nowait(str(error).lower())

    nc = await nats.connect(
        server.url, nkeys_seed=str(credentials.seed), inbox_prefix=credentials.inbox_prefix, error_cb=collect
    )
    try:
        for subject in (
            "$JS.API.STREAM.CREATE.OTHER",
            "$JS.API.CONSUMER.CREATE.CIDBUS_JOURNAL",
            "cidbus.log.x",
        ):
            await nc.publish(subject, b"{}")
            assert "permissions violation for publish" in await asyncio.wait_for(violations.get(), 2)
    finally:
        await nc.close()
