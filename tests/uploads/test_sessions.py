"""Uploads in several goes, on a real store: what is acknowledged is there, and nothing else is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import time
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until

from cidbus.actors.ipfs.store import committer
from cidbus.actors.ipfs.store.batch import Batch
from cidbus.actors.ipfs.unixfs.reader import read_file
from cidbus.actors.ipfs.uploads import append as appending
from cidbus.actors.ipfs.uploads import uploads as sessions
from cidbus.actors.ipfs.uploads.uploads import Uploads
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import (
    BadRequest,
    Busy,
    Cancelled,
    Conflict,
    InvalidContent,
    NotFound,
    StorageFull,
    TooLarge,
)
from cidbus.schemas.tree import UploadCreate

from .conftest import Desk, begin, pattern, plain_cid, stream

SIZE = 1_300_000
PROFILE = "unixfs-v0-2015"  # leaves of 256 KiB, so that this is several of them
KIB = 1 << 10


@pytest.fixture
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(appending, "CHECKPOINT_BYTES", 512 * KIB)
    return 512 * KIB


class Feed:
    """A stream that the test feeds; `fail` breaks it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self.say = self._queue.put_nowait
        self.taken = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._queue.empty():
            self.taken.set()
        said = await self._queue.get()
        self.taken.clear()
        if isinstance(said, BaseException):
            raise said
        if said is None:
            raise StopAsyncIteration
        return said


async def content_of(desk: Desk, cid: CID | None) -> bytes:
    assert cid is not None
    return b"".join([piece async for piece in read_file(desk.store, cid)])


# ---- the file of the bytes so far -----------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(0, SIZE), max_size=6).map(sorted),
    piece=st.sampled_from([7_001, 262_144, 400_000]),
    checkpoint=st.sampled_from([256 * KIB, 1 << 20]),
)
async def test_any_split_into_appends_gives_the_cid_of_a_plain_add(
    cuts: list[int], piece: int, checkpoint: int
):
    content = pattern(SIZE)
    with (
        TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool, pytest.MonkeyPatch.context() as patch,
    ):  # fmt: skip
        patch.setattr(appending, "CHECKPOINT_BYTES", checkpoint)
        desk = Desk(Path(folder), pool)
        try:
            uploads = await desk.open()
            upload = await begin(uploads, SIZE, profile=PROFILE)
            for start, end in itertools.pairwise([0, *cuts, SIZE]):
                part = content[start:end]
                pieces = [part[at : at + piece] for at in range(0, len(part), piece)]
                record = await uploads.append(upload, start, stream(*pieces))
                assert record.offset == end
                assert str(record.cid) == await plain_cid(content[:end], PROFILE)
            assert record.complete
            assert await content_of(desk, record.cid) == content
        finally:
            await desk.close()


async def test_an_upload_of_no_bytes_is_complete_at_once(uploads: Uploads, desk: Desk):
    record = await uploads.create(UploadCreate(size_bytes=0))
    assert record.complete
    assert str(record.cid) == await plain_cid(b"")
    assert desk.moments(record.id) == ["created", "complete"]


async def test_an_upload_of_unknown_size_is_complete_when_that_is_said(uploads: Uploads):
    upload = await begin(uploads)
    await uploads.append(upload, 0, stream(b"ab"))
    assert not uploads.get(upload).complete
    with pytest.raises(Conflict):
        await uploads.finish(upload, 1)
    assert (await uploads.finish(upload, 4)).size_bytes == 4
    with pytest.raises(Conflict, match="2 bytes are missing"):
        await uploads.finish(upload)
    with pytest.raises(Conflict):
        await uploads.finish(upload, 5)
    record = await uploads.append(upload, 2, stream(b"cd"))
    assert record.complete
    assert await uploads.finish(upload) == record
    other = await begin(uploads)
    await uploads.append(other, 0, stream(b"abcd"))
    assert (await uploads.finish(other)).cid == record.cid


# ---- what is kept and what is not -----------------------------------------------------------------------


@pytest.mark.parametrize("error", [Cancelled("gone"), ConnectionError("gone"), asyncio.CancelledError()])
async def test_what_came_before_a_stream_broke_is_kept(uploads: Uploads, error: BaseException):
    content = pattern(700_000)
    upload, feed = await begin(uploads, SIZE), Feed()
    for said in (content[:300_000], content[300_000:], error):
        feed.say(said)
    with pytest.raises(type(error)):
        await uploads.append(upload, 0, feed)
    record = uploads.get(upload)
    assert record.offset == 700_000
    assert str(record.cid) == await plain_cid(content)


async def test_checkpoints_are_there_while_an_append_goes_on(
    uploads: Uploads, desk: Desk, small_checkpoints: int
):
    upload, feed = await begin(uploads, SIZE), Feed()
    running = asyncio.create_task(uploads.append(upload, 0, feed))
    feed.say(pattern(700_000))
    await feed.taken.wait()
    other = await desk.open()  # as another process reads it, or this one after kill -9
    await until(lambda: other.get(upload).offset)
    assert other.get(upload).offset == small_checkpoints
    assert str(other.get(upload).cid) == await plain_cid(pattern(small_checkpoints))
    feed.say(None)
    assert (await running).offset == 700_000


async def test_bytes_beyond_the_size_are_refused_and_not_kept(uploads: Uploads, small_checkpoints: int):
    upload = await begin(uploads, 600_000)
    with pytest.raises(TooLarge):
        await uploads.append(upload, 0, stream(pattern(600_000), b"surplus"))
    record = uploads.get(upload)
    assert (record.offset, record.complete) == (small_checkpoints, False)
    record = await uploads.append(upload, record.offset, stream(pattern(600_000)[record.offset :]))
    assert record.complete
    assert str(record.cid) == await plain_cid(pattern(600_000))
    assert await uploads.append(upload, 600_000, stream(b"")) == record
    with pytest.raises(TooLarge):
        await uploads.append(upload, 600_000, stream(b"x"))


async def test_an_offset_that_lies_is_told_the_right_one(uploads: Uploads):
    upload = await begin(uploads, 10)
    await uploads.append(upload, 0, stream(b"abc"))
    for offset in (0, 2, 4, 1 << 40):
        with pytest.raises(Conflict) as conflict:
            await uploads.append(upload, offset, stream(b"x"))
        assert conflict.value.offset == 3
    assert uploads.get(upload).offset == 3


def digest(algorithm: str, data: bytes) -> str:
    found = (
        zlib.crc32(data).to_bytes(4, "big") if algorithm == "crc32" else hashlib.new(algorithm, data).digest()
    )
    return f"{algorithm} {base64.b64encode(found).decode()}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5", "crc32"])
async def test_an_append_is_kept_only_if_its_checksum_is_right(
    uploads: Uploads, algorithm: str, small_checkpoints: int
):
    content = pattern(SIZE)
    upload = await begin(uploads, SIZE)
    await uploads.append(upload, 0, stream(b"" + content[:100]))
    with pytest.raises(InvalidContent, match="checksum"):
        await uploads.append(upload, 100, stream(content[101:]), digest(algorithm, content[100:]))
    broken = Feed()
    broken.say(content[100:])
    broken.say(Cancelled("gone"))
    with pytest.raises(Cancelled):
        await uploads.append(upload, 100, broken, digest(algorithm, content[100:]))
    assert uploads.get(upload).offset == 100
    record = await uploads.append(upload, 100, stream(content[100:]), digest(algorithm, content[100:]))
    assert str(record.cid) == await plain_cid(content)


@pytest.mark.parametrize("text", ["sha3 AAAA", "sha1 ?", "sha1 AAAA", "", "crc32"])
async def test_what_is_no_checksum_is_refused(uploads: Uploads, text: str):
    upload = await begin(uploads, 3)
    with pytest.raises(BadRequest, match="checksum"):
        await uploads.append(upload, 0, stream(b"abc"), text)
    assert uploads.get(upload).offset == 0


# ---- one at a time --------------------------------------------------------------------------------------


async def test_one_append_runs_at_a_time_over_all_processes(uploads: Uploads, desk: Desk):
    other = await desk.open()
    upload, feed = await begin(uploads, 6), Feed()
    running = asyncio.create_task(uploads.append(upload, 0, feed))
    feed.say(b"abc")
    await feed.taken.wait()
    for rival in (uploads, other):
        with pytest.raises(Conflict) as conflict:
            await rival.append(upload, 0, stream(b"x"))
        assert conflict.value.locked
    feed.say(None)
    await running
    assert (await other.append(upload, 3, stream(b"def"))).complete
    assert list((desk.folder / "uploads").iterdir()) == []


async def test_a_stream_that_has_fallen_silent_gives_way_to_the_next(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sessions, "SILENT_S", 0.0)
    upload, feed = await begin(uploads, 6), Feed()
    running = asyncio.create_task(uploads.append(upload, 0, feed))
    feed.say(b"abc")
    await feed.taken.wait()
    assert (await uploads.append(upload, 3, stream(b"def"))).complete
    with pytest.raises(Conflict, match="taken over"):
        await running


async def test_a_cancelled_upload_is_gone_and_so_is_what_is_appended_to_it(uploads: Uploads, desk: Desk):
    upload, feed = await begin(uploads, 6), Feed()
    running = asyncio.create_task(uploads.append(upload, 0, feed))
    feed.say(b"abc")
    await feed.taken.wait()
    await uploads.cancel(upload)
    with pytest.raises(NotFound):
        await running
    for gone in (uploads.get, uploads.cancel, lambda id_: uploads.append(id_, 0, stream(b"x"))):
        with pytest.raises(NotFound):
            found = gone(upload)
            assert asyncio.iscoroutine(found)
            await found
    assert desk.moments(upload)[-1] == "cancelled"
    assert list(uploads.list()) == []


# ---- space ----------------------------------------------------------------------------------------------


async def test_an_abandoned_upload_expires_and_frees_its_space(uploads: Uploads, desk: Desk):
    upload = await begin(uploads, SIZE, expires_in_s=100)
    cid = (await uploads.append(upload, 0, stream(pattern(700_000)))).cid
    desk.now += 99
    assert await uploads.expire_due() == 0
    await desk.store.collect()
    assert await content_of(desk, cid) == pattern(700_000)
    await uploads.append(upload, 700_000, stream(b"more"))  # begins its rest anew
    desk.now += 99
    assert uploads.get(upload).offset == 700_004
    desk.now += 1
    with pytest.raises(NotFound):
        uploads.get(upload)
    assert await uploads.expire_due() == 1
    assert desk.moments(upload)[-1] == "expired"
    await desk.store.collect()
    assert (await desk.store.stat()).blocks == 0


async def test_complete_content_is_kept_by_its_pin_or_as_long_as_the_upload_is_known(
    uploads: Uploads, desk: Desk
):
    kept = await begin(uploads, 4, expires_in_s=10)
    loose = await begin(uploads, 5, expires_in_s=10, pin=False)
    kept_cid = (await uploads.append(kept, 0, stream(b"kept"))).cid
    loose_cid = (await uploads.append(loose, 0, stream(b"loose"))).cid
    assert kept_cid is not None
    assert loose_cid is not None
    await desk.store.collect()
    assert [await desk.store.has(cid) for cid in (kept_cid, loose_cid)] == [True, True]
    assert [root.name for root in desk.store.roots.list("upload/")] == [f"upload/{loose}"]
    desk.now += 10
    assert await uploads.expire_due() == 2
    await desk.store.collect()
    assert [await desk.store.has(cid) for cid in (kept_cid, loose_cid)] == [True, False]


async def test_uploads_are_remembered_when_the_index_of_the_store_is_lost(uploads: Uploads, desk: Desk):
    upload = await begin(uploads, SIZE, metadata="filename eA==", filename="x")
    before = await uploads.append(upload, 0, stream(pattern(400_000)))
    await desk.close()
    (desk.folder / "index" / "data.mdb").unlink()
    again = await desk.open()
    assert desk.store.rebuilt is not None
    assert again.get(upload) == before
    await desk.store.collect()
    record = await again.append(upload, 400_000, stream(pattern(SIZE)[400_000:]))
    assert str(record.cid) == await plain_cid(pattern(SIZE))


@pytest.mark.parametrize("good_writes", range(6))
async def test_a_full_disk_leaves_the_upload_at_its_last_checkpoint(
    uploads: Uploads, desk: Desk, small_checkpoints: int, good_writes: int, monkeypatch: pytest.MonkeyPatch
):
    """Whichever write fails: of blocks alone, of a checkpoint, or of the end."""
    content = pattern(3_000_000)
    upload = await begin(uploads, len(content))
    monkeypatch.setattr(committer, "BATCH_BYTES", 300 * KIB)
    writer = desk.store._committer._writer
    write, written = writer.write, itertools.count()

    def full(batch: Batch) -> None:
        if batch.blocks and next(written) >= good_writes:
            raise StorageFull("no room")
        write(batch)

    monkeypatch.setattr(writer, "write", full)
    with pytest.raises(StorageFull):
        await uploads.append(
            upload, 0, stream(*[content[at : at + 100_000] for at in range(0, 3_000_000, 100_000)])
        )
    monkeypatch.undo()
    record = uploads.get(upload)
    assert record.offset < len(content)
    assert record.cid is None or await content_of(desk, record.cid) == content[: record.offset]
    record = await uploads.append(upload, record.offset, stream(content[record.offset :]))
    assert str(record.cid) == await plain_cid(content)
    assert await content_of(desk, record.cid) == content


async def test_there_is_a_limit_to_how_many_uploads_are_begun(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sessions, "MAX_UPLOADS", 2)
    await begin(uploads)
    await begin(uploads)
    with pytest.raises(Busy):
        await begin(uploads)


async def test_progress_is_told_at_most_twice_a_second(uploads: Uploads, desk: Desk):
    upload = await begin(uploads, 100)
    began = time.monotonic()
    for number in range(100):
        await uploads.append(upload, number, stream(b"x"))
    told = desk.moments(upload)
    assert (told[0], told[-1]) == ("created", "complete")
    assert len(told) - 2 <= 2 * (time.monotonic() - began)
