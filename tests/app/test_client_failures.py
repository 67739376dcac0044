"""What a client is told when an answer goes wrong on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest

from cidbus.bus import Actor, handles
from cidbus.client import Client
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import BadRequest, BusError, DeadlineExceeded, Internal, StorageFull, Unavailable

T = TypeVar("T")

CID = "bafkqaaa"
CHUNK = bytes(512 * 1024)


class FaultyActor(Actor):
    """An ipfs actor of which everything that can fail does."""

    name = "ipfs"

    def __init__(self) -> None:
        self.taken = 0
        self.left = asyncio.Event()

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        """Two chunks, then an error; with a path the content never ends."""
        yield ipfs.FileHead(cid=ask.cid, size_bytes=1 << 40, length=1 << 40)
        try:
            yield CHUNK
            yield CHUNK
            while ask.path:
                yield CHUNK
        finally:
            self.left.set()
        raise StorageFull("the disk is full")

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        for number in range(5000):
            yield ipfs.DirEntry(name=str(number), cid=ask.cid, type="file", size_bytes=number)
        raise RuntimeError("a bug")

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        async for chunk in content:
            self.taken += len(chunk)
            raise BadRequest("filename", "refused in the middle")
        raise StorageFull("the disk is full")

    @handles(subjects.STAT)
    async def stat(self, ask: ipfs.PathRequest) -> ipfs.Stat:
        raise RuntimeError("the password is hunter2")

    @handles(subjects.ID)
    async def id(self, ask: ipfs.IdRequest) -> ipfs.Id:
        await asyncio.Event().wait()
        raise AssertionError


async def all_of(source: AsyncIterator[T]) -> tuple[list[T], BusError | None]:
    """What comes before the end, and the error that it is."""
    found: list[T] = []
    try:
        async for item in source:
            found.append(item)
    except BusError as error:
        return found, error
    return found, None


@pytest.fixture
def actor() -> FaultyActor:
    return FaultyActor()


async def test_content_that_breaks_off_is_an_error_and_never_an_end(client: Client):
    # Over HTTP a broken connection is all that is left to say it with.
    chunks, error = await all_of(client.ipfs.cat(CID))
    assert isinstance(error, StorageFull | Unavailable)
    assert sum(map(len, chunks)) <= 2 * len(CHUNK)


async def test_a_list_that_breaks_off_is_an_error_and_never_an_end(client: Client):
    entries, error = await all_of(client.ipfs.ls(CID))
    assert isinstance(error, Internal | Unavailable)
    assert 0 < len(entries) <= 5000


async def test_a_defect_is_told_without_its_secrets(client: Client):
    with pytest.raises(Internal) as raised:
        await client.ipfs.stat(CID)
    assert "hunter2" not in str(raised.value)
    assert raised.value.error_id


async def test_an_answer_that_does_not_come_in_time_is_told(client: Client):
    with pytest.raises(DeadlineExceeded):
        await client.ipfs.id(timeout_s=0.2)


async def test_content_that_is_left_is_not_read_to_its_end(client: Client, actor: FaultyActor):
    async with client.ipfs.cat(CID, path="endless") as content:
        assert await anext(content)
    async with asyncio.timeout(10):
        await actor.left.wait()


async def test_an_upload_that_is_refused_in_the_middle_tells_why(client: Client):
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield CHUNK

    with pytest.raises(BadRequest, match="refused in the middle"):
        await client.ipfs.add(endless())


async def test_two_paths_of_one_name_are_refused(client: Client, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with pytest.raises(BadRequest, match="same"):
        await client.ipfs.add([tmp_path / "one" / "same", tmp_path / "two" / "same"])
