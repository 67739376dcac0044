"""Worker processes: what they answer, what ends them, and what a hostile file does to them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from cidbus.actors.media.workers import Job, Workers
from cidbus.schemas.errors import BusError, Busy, DeadlineExceeded, InvalidContent, NotFound

from .samples import sample

PICTURE = {"kind": "thumbnail", "at_s": 0.5, "width": 80, "format": "jpeg"}
MIB = 1 << 20


@pytest.fixture(scope="module")
def short() -> bytes:
    return sample(1, size="160x120")


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    running = Workers(limit=1, waiting=1, memory_bytes=1024 * MIB, idle_s=60)
    yield running
    await running.close()


def job(content: bytes, task: dict[str, Any] | None = None, **options: Any) -> Job:
    async def read(offset: int, length: int) -> bytes:
        return content[offset : offset + length]

    task = {"size_bytes": len(content)} | (task or {"kind": "probe"})
    return Job(task, **({"read": read, "timeout_s": 60.0} | options))


class Stuck:
    """A source whose bytes never come; `asked` says that the worker waits for them."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, offset: int, length: int) -> bytes:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_worker_answers_and_is_used_again(workers: Workers, short: bytes):
    taken: dict[str, bytes] = {}

    async def take(name: str, pieces: AsyncIterator[bytes]) -> None:
        taken[name] = b"".join([piece async for piece in pieces])

    told = await workers.run(job(short))
    assert [stream["codec"] for stream in told["streams"]] == ["h264", "aac"]
    first = workers.pids
    told = await workers.run(job(short, PICTURE, take=take))
    assert taken["content"].startswith(b"\xff\xd8\xff")
    assert told["size_bytes"] == len(taken["content"])
    assert workers.pids == first


async def test_a_job_that_is_cancelled_takes_its_process_with_it(workers: Workers, short: bytes):
    source = Stuck()
    running = asyncio.create_task(workers.run(job(short, read=source)))
    await source.asked.wait()
    (pid,) = workers.pids
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(pid)
    assert workers.pids == []


async def test_a_job_ends_after_its_time(workers: Workers, short: bytes):
    with pytest.raises(DeadlineExceeded):
        await workers.run(job(short, read=Stuck(), timeout_s=0.5))
    assert workers.pids == []


async def test_a_process_that_dies_is_the_end_of_one_job_only(workers: Workers, short: bytes):
    async def read(offset: int, length: int) -> bytes:
        (pid,) = workers.pids
        os.kill(pid, signal.SIGKILL)
        return short[offset : offset + length]

    with pytest.raises(InvalidContent, match="died"):
        await workers.run(job(short, read=read))
    assert workers.pids == []
    assert (await workers.run(job(short)))["size_bytes"] == len(short)


async def test_more_jobs_than_may_wait_are_refused(workers: Workers, short: bytes):
    source = Stuck()
    running = asyncio.create_task(workers.run(job(short, read=source)))
    await source.asked.wait()
    waiting = asyncio.create_task(workers.run(job(short)))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await workers.run(job(short))
    running.cancel()
    assert (await waiting)["size_bytes"] == len(short)


async def test_an_idle_worker_ends(short: bytes):
    workers = Workers(limit=2, waiting=1, memory_bytes=1024 * MIB, idle_s=0.05)
    await workers.run(job(short))
    (pid,) = workers.pids
    async with asyncio.timeout(5):
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.01)
    assert workers.pids == []
    assert (await workers.run(job(short)))["size_bytes"] == len(short)
    await workers.close()


async def test_what_the_source_cannot_give_is_what_the_job_raises(workers: Workers, short: bytes):
    async def read(offset: int, length: int) -> bytes:
        raise NotFound("block", "bafymissing")

    with pytest.raises(NotFound, match="bafymissing"):
        await workers.run(job(short, read=read))


# ---- hostile files --------------------------------------------------------------------------------------


def png(side: int) -> bytes:
    """A black square: much of it in few bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side * 3)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


NO_MEDIA = {
    "nothing": b"",
    "random": random.Random(1).randbytes(300_000),
    "text": b"hello, world\n" * 1000,
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 1234 RTP/AVP 96\n",
    "manifest": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period/></MPD>',
    "bomb": png(8200),
}


@pytest.mark.parametrize("name", NO_MEDIA)
async def test_what_is_no_media_is_invalid_content(workers: Workers, short: bytes, name: str):
    tasks = [{"kind": "probe"}, PICTURE, {"kind": "waveform", "points": 10, "points_per_s": None}]
    for task in [PICTURE] if name == "bomb" else [*tasks, {"kind": "hls", "segment_s": 6}]:
        with pytest.raises(InvalidContent):
            await workers.run(job(NO_MEDIA[name], task))
    assert (await workers.run(job(short)))["size_bytes"] == len(short)


async def test_a_cut_or_damaged_file_is_an_answer_or_an_error(workers: Workers, short: bytes):
    """Never a crash that somebody else notices, and never a job that does not end."""
    random_ = random.Random(3)
    outcomes = set()

    async def take(name: str, pieces: AsyncIterator[bytes]) -> None:
        async for _ in pieces:
            pass

    for number in range(40):
        damaged = bytearray(short[: random_.randrange(len(short))] if number % 4 == 0 else short)
        index = short.index(b"moov")
        for _ in range(random_.randrange(1, 30)):
            damaged[random_.randrange(len(damaged))] ^= 1 << random_.randrange(8)
            if len(damaged) > index:  # most of the damage where the structure is
                damaged[random_.randrange(index, len(damaged))] ^= 1 << random_.randrange(8)
        tasks = [
            PICTURE,
            {"kind": "waveform", "points": 10, "points_per_s": None},
            {"kind": "hls", "segment_s": 1},
        ]
        try:
            await workers.run(job(bytes(damaged), tasks[number % 3], take=take, timeout_s=20))
            outcomes.add("answer")
        except BusError as error:
            outcomes.add(error.kind)
    assert outcomes <= {"answer", "invalid_content", "not_supported"}
    assert {"answer", "invalid_content"} <= outcomes
    assert (await workers.run(job(short)))["size_bytes"] == len(short)
