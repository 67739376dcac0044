"""Streams both ways: whole, in order, bounded, and over at once when one side goes away."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import orjson
import pytest
from waiting import until

from cidbus.bus import CHUNK_BYTES, Actor, Host, answers_at_once, handles, serving, streams
from cidbus.bus.testing import connect, hosted
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import BadRequest, Cancelled, DeadlineExceeded, NotFound, Unavailable

from .conftest import pattern

BIG = 40 * CHUNK_BYTES + 12345


async def read(bus, **fields) -> bytes:
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="abc", **fields)) as stream:
        return b"".join([chunk async for chunk in stream])


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 7 * CHUNK_BYTES - 1, BIG]
)
async def test_a_stream_of_any_size_arrives_whole_and_in_order(bus, size):
    assert await read(bus, length=size) == pattern(0, size)


async def test_small_content_is_one_plain_reply(bus):
    msg = await bus.link.control.request("cidbus.ipfs.cat", b'{"cid":"abc","length":5}')
    assert (msg.data, msg.reply, msg.headers) == (pattern(0, 5), "", None)


async def test_the_head_comes_before_the_bytes(bus):
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="abc", path="x", length=BIG)) as stream:
        assert stream.head == ipfs.FileHead(cid="abc", size_bytes=BIG, length=BIG)
        assert stream.whole is None


async def test_an_error_in_the_middle_is_raised_by_the_reader(bus, host):
    with pytest.raises(NotFound) as caught:
        await read(bus, length=BIG, offset=3 * CHUNK_BYTES)
    assert caught.value.name == "missing"
    assert len(host._streams) == 0


class Crumbling(Actor):
    """Sends its content in crumbs, and breaks after the third."""

    name = "ipfs"

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        yield ipfs.FileHead(cid=ask.cid, size_bytes=BIG, length=BIG)
        for _ in range(3):
            yield b"crumb"
        raise NotFound("block", "missing")


async def test_an_error_before_the_first_chunk_is_full_is_answered_at_once(server):
    async with hosted(server, Crumbling()) as host, await connect(server) as bus:
        with pytest.raises(NotFound):
            await read(bus)
        assert len(host._streams) == 0


async def test_items_arrive_as_models(bus):
    items = [item async for item in bus.items(subjects.LS, ipfs.PathRequest(cid="abc", path="3000"))]
    assert [item.size_bytes for item in items] == list(range(3000))


async def test_no_items_is_an_empty_stream(bus):
    assert [item async for item in bus.items(subjects.LS, ipfs.PathRequest(cid="abc", path="0"))] == []


async def test_a_reader_that_leaves_early_frees_the_actor(bus, host, actor):
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="left", length=1 << 40)) as stream:
        await anext(aiter(stream))
    await until(lambda: actor.finished == ["left"])
    assert len(host._streams) == 0
    assert bus.link.streams == 0
    assert not bus.link.bulk_inbox._waiting


async def test_the_actor_sends_no_more_than_was_asked_for(bus, host, actor):
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="abc", length=1 << 40)) as stream:
        chunks = aiter(stream)
        for _ in range(3):
            await anext(chunks)
        await until(lambda: len(stream._talk._answers) >= bus.link.window - 3)
        assert len(stream._talk._answers) <= bus.link.window


async def test_a_gap_in_the_requests_ends_the_stream(bus):
    nc = bus.link.control
    first = await nc.request("cidbus.ipfs.cat", b'{"cid":"abc","length":10000000}')
    answer = await nc.request(f"{first.reply}.2", b"")
    assert orjson.loads(answer.data)["code"] == 400


async def test_a_stream_nobody_knows_is_not_found(bus, host):
    answer = await bus.link.control.request(f"cidbus.at.{host.instance}.ipfs.stream.abc.1", b"")
    assert orjson.loads(answer.data)["code"] == 404


async def test_a_plain_client_pulls_a_stream_with_requests_alone(bus):
    nc, size = bus.link.control, 3 * CHUNK_BYTES + 17
    msg = await nc.request("cidbus.ipfs.cat", orjson.dumps({"cid": "abc", "length": size}))
    control, content, number = msg.reply, msg.data, 0
    while not (msg.headers and "Cidbus-End" in msg.headers):
        number += 1
        msg = await nc.request(f"{control}.{number}", b"")
        content += msg.data
    assert int(msg.headers["Cidbus-End"]) == size
    assert content == pattern(0, size)


async def test_a_silent_receiver_is_dropped(bus, host, actor, monkeypatch):
    monkeypatch.setattr(serving, "IDLE_S", 0.05)
    await bus.link.control.request("cidbus.ipfs.cat", b'{"cid":"silent","length":10000000}')
    await until(lambda: actor.finished == ["silent"])
    assert len(host._streams) == 0


async def test_a_slow_receiver_that_holds_is_not_dropped(bus, host, monkeypatch):
    monkeypatch.setattr(serving, "IDLE_S", 0.2)
    monkeypatch.setattr(streams, "HOLD_EVERY_S", 0.02)
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="abc", length=BIG * 2)) as stream:
        received = bytearray()
        async for chunk in stream:
            received += chunk
            if len(received) == CHUNK_BYTES:
                await asyncio.sleep(0.5)  # slowness is what is tested
        assert bytes(received) == pattern(0, BIG * 2)


async def test_an_actor_that_dies_in_the_middle_is_unavailable_soon(bus, host, actor, monkeypatch):
    monkeypatch.setattr(streams, "PROBE_AFTER_S", 0.05)
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="abc", length=1 << 40)) as stream:
        chunks = aiter(stream)
        await anext(chunks)
        await host.bus.close()
        with pytest.raises(Unavailable):
            await drained(chunks)


async def drained(chunks) -> None:
    async for _ in chunks:
        pass


# ---- handlers that yield nothing ------------------------------------------------------------------------


class Brooding(Actor):
    """Yields as many chunks as `length` says, and then computes for ever, giving others their turns."""

    name = "ipfs"

    def __init__(self) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        try:
            for _ in range(ask.length or 0):
                yield bytes(CHUNK_BYTES)
            self.begun.put_nowait(ask.cid)
            while True:
                await asyncio.sleep(0)
        finally:
            self.ended.put_nowait(ask.cid)


@pytest.fixture
def brooding() -> Brooding:
    return Brooding()


async def test_a_reader_that_leaves_ends_a_handler_that_yields_nothing(server, brooding):
    async with hosted(server, brooding) as host, await connect(server) as bus:
        async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="left", length=4)) as stream:
            await anext(aiter(stream))
            assert await soon(brooding.begun.get()) == "left"
        assert await soon(brooding.ended.get()) == "left"
        await until(lambda: host._load() == {"running": 0, "waiting": 0, "streams": 0})
        (stats,) = await bus.discover("STATS")
        assert stats["endpoints"][0]["num_errors"] == 0


async def test_a_caller_that_gives_up_before_the_first_chunk_ends_the_handler(server, brooding):
    async with hosted(server, brooding) as host, await connect(server) as bus:
        opening = asyncio.create_task(bus.open(subjects.CAT, ipfs.CatRequest(cid="gone")))
        assert await soon(brooding.begun.get()) == "gone"
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert await soon(brooding.ended.get()) == "gone"
        await until(lambda: host._load()["running"] == 0)


async def test_a_first_chunk_that_nobody_waits_for_any_more_is_not_computed(server, brooding):
    async with hosted(server, brooding) as host, await connect(server) as bus:
        with pytest.raises(DeadlineExceeded):
            await bus.open(subjects.CAT, ipfs.CatRequest(cid="late"), timeout_s=0.1)
        assert await soon(brooding.ended.get()) == "late"
        await until(lambda: host._load()["running"] == 0)


async def test_a_word_that_comes_before_its_request_is_remembered(server, brooding):
    async with hosted(server, brooding), await connect(server) as bus:
        nc, reply = bus.link.control, bus.link.control.new_inbox()
        await nc.publish("cidbus.at.every.ipfs.stream.gone", reply.encode())
        await nc.publish("cidbus.ipfs.cat", b'{"cid":"early"}', reply=reply)
        assert await soon(brooding.ended.get()) == "early"


@pytest.mark.parametrize("length", [0, 4])
async def test_stopping_ends_a_handler_that_yields_nothing_and_tells_its_caller(server, brooding, length):
    async with await connect(server) as bus:
        host = Host(brooding, await connect(server, "ipfs"))
        await host.start()
        reading = asyncio.create_task(read(bus, length=length))
        await soon(brooding.begun.get())
        await soon(host.stop(grace_s=0.05))
        assert brooding.ended.get_nowait() == "abc"
        with pytest.raises(Cancelled, match="the actor is stopping"):
            await soon(reading)


async def soon(awaited):
    async with asyncio.timeout(5):
        return await awaited


# ---- uploads --------------------------------------------------------------------------------------------


async def pieces(*sizes: int):
    at = 0
    for size in sizes:
        yield pattern(at, size)
        at += size


@pytest.mark.parametrize(
    "sizes",
    [
        (),
        (0,),
        (1,),
        (CHUNK_BYTES,),
        (CHUNK_BYTES - 1, 1, 1),
        (100,) * 1000,
        (3 * CHUNK_BYTES + 5, 7),
        (BIG, BIG),
    ],
    ids=str,
)
async def test_an_upload_in_any_pieces_arrives_whole(bus, sizes):
    added = await bus.upload(subjects.ADD, ipfs.AddRequest(), pieces(*sizes))
    assert added.content_size_bytes == sum(sizes)
    assert added.cid == hashlib.sha256(pattern(0, sum(sizes))).hexdigest()


async def test_content_inside_the_request_needs_no_stream(bus, host):
    msg = await bus.link.control.request("cidbus.ipfs.add", b'{"content":"hi"}')
    assert orjson.loads(msg.data)["cid"] == hashlib.sha256(b"hi").hexdigest()
    assert msg.reply == ""


async def test_an_upload_that_the_actor_refuses_ends_with_its_error(bus, host):
    with pytest.raises(BadRequest):
        await bus.upload(subjects.ADD, ipfs.AddRequest(filename="refused"), pieces(BIG, BIG, BIG))
    assert len(host._streams) == 0
    assert bus.link.streams == 0


async def test_an_upload_whose_end_the_actor_does_not_need_is_answered(bus, host):
    added = await bus.upload(subjects.ADD, ipfs.AddRequest(filename="early"), pieces(BIG, BIG))
    assert added.content_size_bytes == CHUNK_BYTES
    assert len(host._streams) == 0


async def test_a_source_that_fails_cancels_the_upload(bus, host, actor):
    async def broken():
        yield b"x" * BIG
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await bus.upload(subjects.ADD, ipfs.AddRequest(filename="broken"), broken())
    await until(lambda: actor.finished == ["broken"])
    assert len(host._streams) == 0


async def test_cancelling_an_upload_frees_the_actor(bus, host, actor):
    arrived = asyncio.Event()

    async def endless():
        yield b"x" * CHUNK_BYTES
        arrived.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(bus.upload(subjects.ADD, ipfs.AddRequest(filename="gone"), endless()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: actor.finished == ["gone"])
    assert len(host._streams) == 0


async def test_an_upload_that_lies_about_its_length_is_refused(bus):
    nc = bus.link.control
    grant = await nc.request("cidbus.ipfs.add", b"{}")
    assert grant.data == b""
    await nc.publish(f"{grant.reply}.1", b"abc", reply=nc.new_inbox())
    answer = await nc.request(f"{grant.reply}.2", b"", headers={"Cidbus-End": "4"})
    told = orjson.loads(answer.data)
    assert (told["code"], told["details"]["field"]) == (400, "content")


# ---- shortcuts ------------------------------------------------------------------------------------------


class Quick(Actor):
    """Answers one CID from memory and everything else as a stream."""

    name = "ipfs"

    @answers_at_once(subjects.CAT)
    def cat_at_once(self, ask: ipfs.CatRequest) -> bytes | None:
        if ask.cid == "none":
            raise NotFound("block", ask.cid)
        return b"at hand" if ask.cid == "quick" else None

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        yield b"from the handler"


async def test_what_is_at_hand_is_answered_without_the_handler(server):
    async with hosted(server, Quick()), await connect(server) as bus:
        contents = [
            (await bus.open(subjects.CAT, ipfs.CatRequest(cid=cid))).whole for cid in ("quick", "other")
        ]
        assert contents == [b"at hand", b"from the handler"]
        with pytest.raises(NotFound):
            await bus.open(subjects.CAT, ipfs.CatRequest(cid="none"))
        (stats,) = await bus.discover("STATS")
        assert (stats["endpoints"][0]["num_requests"], stats["endpoints"][0]["num_errors"]) == (3, 1)


@pytest.mark.parametrize("word", ["²", "-1", "x", "1" * 30])
async def test_a_word_that_is_no_number_is_answered_by_an_error(bus, word):
    nc = bus.link.control
    first = await nc.request("cidbus.ipfs.cat", b'{"cid":"abc","length":10000000}')
    assert orjson.loads((await nc.request(f"{first.reply}.{word}", b"")).data)["code"] == 400


async def test_an_end_that_is_no_number_is_answered_by_an_error(bus):
    nc = bus.link.control
    grant = await nc.request("cidbus.ipfs.add", b"{}")
    answer = await nc.request(f"{grant.reply}.1", b"", headers={"Cidbus-End": "abc"})
    assert orjson.loads(answer.data)["code"] == 400
