"""The media actor on a real bus: every row, and what is remembered."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from cidbus.actors import make_actor
from cidbus.actors.media.actor import MediaActor
from cidbus.actors.media.source import Source
from cidbus.bus import Bus, Host, Subscription
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import hosted
from cidbus.schemas import ipfs, media, subjects, tree
from cidbus.schemas.errors import Cancelled, InvalidContent, NotAFile, NotFound, NotSupported

from .conftest import Web, add, add_tree
from .samples import sample

pytestmark = pytest.mark.usefixtures("media_host")


@pytest.fixture(scope="session")
def short() -> bytes:
    return sample(4, size="160x120", keyframe_every=30)


async def read(bus: Bus, cid: str, path: str = "") -> bytes:
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid=cid, path=path)) as stream:
        return b"".join([piece async for piece in stream])


async def roots(bus: Bus) -> dict[str, str]:
    return {root.name: root.cid async for root in bus.items(subjects.ROOTS, tree.RootList(prefix="media/"))}


def workers_of(host: Host) -> list[int]:
    assert isinstance(host.actor, MediaActor)
    return host.actor.workers.pids


async def test_probing_works_by_cid_and_by_path(bus: Bus, web: Web, short: bytes):
    folder = await add_tree(bus, {"a.mp4": short, "note.txt": b"hello"})
    told = await bus.request(subjects.PROBE, media.Probe(cid=folder, path="a.mp4"))
    assert [stream.codec for stream in told.streams] == ["h264", "aac"]
    assert told.cid == await add(bus, short)
    status, answer = await web.get(f"/media/probe/{folder}/a.mp4")
    assert (status, answer["cid"], answer["duration_s"]) == (200, told.cid, told.duration_s)
    status, answer = await web.get(f"/media/probe/{folder}/note.txt")
    assert (status, answer["field"]) == (422, "content")
    with pytest.raises(NotAFile):
        await bus.request(subjects.PROBE, media.Probe(cid=folder))
    with pytest.raises(NotFound):
        await bus.request(subjects.PROBE, media.Probe(cid=folder, path="b.mp4"))


async def test_a_packaged_video_is_a_directory_that_plays(bus: Bus, short: bytes):
    cid = await add(bus, short)
    made = await bus.request(subjects.HLS, media.PackageHls(cid=cid, segment_s=1))
    assert (made.source_cid, made.segments, made.codecs, made.cached) == (cid, 4, ["h264", "aac"], False)
    entries = {e.name: e async for e in bus.items(subjects.LS, ipfs.PathRequest(cid=made.cid))}
    segments = [f"segment-{number:05}.m4s" for number in range(4)]
    assert sorted(entries) == ["index.m3u8", "init.mp4", "master.m3u8", *segments]
    assert (entries["master.m3u8"].cid, entries["index.m3u8"].cid) == (made.master_cid, made.playlist_cid)
    assert sum(e.size_bytes for e in entries.values()) == made.size_bytes
    whole = [await read(bus, made.cid, name) for name in ["init.mp4", *segments]]
    with av.open(io.BytesIO(b"".join(whole))) as container:
        assert sum(1 for _ in container.decode(video=0)) == 120


@pytest.mark.parametrize(
    ("format_", "start"), [("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF"), ("png", b"\x89PNG")]
)
async def test_a_thumbnail_is_content(bus: Bus, short: bytes, format_: Any, start: bytes):
    cid = await add(bus, short)
    ask = media.MakeThumbnail(cid=cid, at_s=2.5, width=80, format=format_)
    made = await bus.request(subjects.THUMBNAIL, ask)
    content = await read(bus, made.cid)
    assert content.startswith(start)
    assert (made.width, made.height, made.size_bytes) == (80, 60, len(content))
    assert made.at_s == pytest.approx(2.5, abs=0.04)
    assert made.media_type == f"image/{format_}"


async def test_a_waveform_is_content(bus: Bus, web: Web, short: bytes):
    cid = await add(bus, short)
    status, made = await web.post("/media/waveform", cid=cid, points_per_s=10)
    assert (status, made["sample_rate"], made["samples_per_point"]) == (200, 48000, 4800)
    document = json.loads(await read(bus, made["cid"]))
    assert document["length"] == made["points"] == len(document["data"]) // 2
    assert 40 <= made["points"] <= 42


async def test_what_was_made_is_remembered_also_by_another_actor(
    server: EmbeddedServer, media_host: Host, bus: Bus, short: bytes, tmp_path: Path
):
    cid = await add(bus, short)
    ask = media.MakeThumbnail(cid=cid, width=80)
    first = await bus.request(subjects.THUMBNAIL, ask)
    before = media_host.actor.workers.pids
    again = await bus.request(subjects.THUMBNAIL, ask)
    assert again == first.model_copy(update={"cached": True})
    other = await bus.request(subjects.THUMBNAIL, media.MakeThumbnail(cid=cid, width=90))
    assert (other.cached, other.width) == (False, 90)
    await media_host.stop()
    async with hosted(server, make_actor("media", tmp_path / "other")) as host:
        assert (await bus.request(subjects.THUMBNAIL, ask)) == again
        assert workers_of(host) == []  # nothing had to be made
    assert before


async def test_only_results_are_kept_and_what_is_gone_is_made_again(bus: Bus, short: bytes):
    cid = await add(bus, short)
    ask = media.PackageHls(cid=cid, segment_s=2)
    made = await bus.request(subjects.HLS, ask)
    (name,) = await roots(bus)
    assert name.startswith(f"media/hls/{cid}/")
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())
    assert await read(bus, made.cid, "master.m3u8")  # kept without a pin
    assert (await bus.request(subjects.HLS, ask)).cached
    await bus.request(subjects.ROOTS_RM, tree.RootsRemove(names=[name]))
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())
    with pytest.raises(NotFound):
        await read(bus, made.cid, "master.m3u8")
    again = await bus.request(subjects.HLS, ask)
    assert (again.cid, again.cached) == (made.cid, False)


async def test_a_result_is_pinned_on_request(bus: Bus, short: bytes):
    cid = await add(bus, short, pin=False)
    ask = media.MakeThumbnail(cid=cid, pin=True)
    made = await bus.request(subjects.THUMBNAIL, ask)
    pins = {pin.cid async for pin in bus.items(subjects.PINS, ipfs.PinList())}
    assert made.cid in pins


async def test_the_same_asked_by_many_is_done_once_and_progress_is_told(
    media_host: Host, bus: Bus, short: bytes
):
    cid = await add(bus, short)
    async with await bus.subscribe(subjects.PROGRESSED) as events:
        asks = [media.PackageHls(cid=cid, id=f"job-{number}") for number in range(8)]
        made = await asyncio.gather(*(bus.request(subjects.HLS, ask) for ask in asks))
        assert len({each.cid for each in made}) == 1
        assert len(workers_of(media_host)) == 1
        told = await until_ended(events, "job-0")
    assert [each.state for each in told[:-1]] == ["running"] * (len(told) - 1)
    assert (told[-1].state, told[-1].fraction, told[-1].result) == ("done", 1.0, made[0].cid)
    assert all(each.cid == cid and each.kind == "hls" for each in told)


async def until_ended(events: Subscription, job_id: str) -> list[media.MediaProgress]:
    """What was told of a job, up to its end."""
    told: list[media.MediaProgress] = []
    async with asyncio.timeout(20):
        async for _, body in events:
            event = media.MediaProgress.from_wire(body)
            if event.id == job_id:
                told.append(event)
                if event.state != "running":
                    break
    return told


@asynccontextmanager
async def stuck_sources(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Queue[None]]:
    """Reading never ends from now on; the queue tells of each read that has begun."""
    begun: asyncio.Queue[None] = asyncio.Queue()

    async def never(source: Source, offset: int, length: int) -> bytes:
        begun.put_nowait(None)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Source, "read", never)
    yield begun


async def test_work_ends_when_the_last_who_waits_for_it_gives_up(
    media_host: Host, bus: Bus, short: bytes, monkeypatch: pytest.MonkeyPatch
):
    cid = await add(bus, short)
    async with stuck_sources(monkeypatch) as begun, await bus.subscribe(subjects.PROGRESSED) as events:
        asks = [media.PackageHls(cid=cid, id=name) for name in ("first", "second")]
        waiting = [asyncio.create_task(bus.request(subjects.HLS, ask)) for ask in asks]
        await begun.get()
        (pid,) = workers_of(media_host)
        await bus.request(subjects.MEDIA_CANCEL, media.CancelMedia(id="second"))
        with pytest.raises(Cancelled):
            await waiting[1]
        assert psutil.pid_exists(pid)
        await bus.request(subjects.MEDIA_CANCEL, media.CancelMedia(id="first"))
        with pytest.raises(Cancelled):
            await waiting[0]
        assert not psutil.pid_exists(pid)
        assert (await until_ended(events, "first"))[-1].state == "cancelled"
    assert await roots(bus) == {}


async def test_a_web_client_that_goes_away_ends_its_work(
    media_host: Host, bus: Bus, web: Web, short: bytes, monkeypatch: pytest.MonkeyPatch
):
    cid = await add(bus, short)
    async with stuck_sources(monkeypatch) as begun, await bus.subscribe(subjects.LET_GO) as events:
        asking = asyncio.create_task(web.post("/media/hls", cid=cid, id="mine"))
        await begun.get()
        (pid,) = workers_of(media_host)
        asking.cancel()
        name, body = await anext(events)
        assert (name, media.CancelledMedia.from_wire(body).id) == ("media.cancelled", "mine")
        async with asyncio.timeout(10):
            while psutil.pid_exists(pid):
                await asyncio.sleep(0.01)


async def test_what_is_no_media_is_refused_and_the_actor_goes_on(bus: Bus, web: Web, short: bytes):
    garbage = await add(bus, bytes(range(256)) * 100)
    for row, ask in (
        (subjects.HLS, media.PackageHls(cid=garbage)),
        (subjects.THUMBNAIL, media.MakeThumbnail(cid=garbage)),
        (subjects.WAVEFORM, media.MakeWaveform(cid=garbage)),
    ):
        with pytest.raises(InvalidContent):
            await bus.request(row, ask)  # type: ignore[arg-type]
    old = await add(bus, sample(1, size="160x120", video="mpeg4"))
    with pytest.raises(NotSupported, match="mpeg4"):
        await bus.request(subjects.HLS, media.PackageHls(cid=old))
    for body, field in (({"width": 5}, "width"), ({"format": "gif"}, "format"), ({"at_s": -1}, "at_s")):
        status, answer = await web.post("/media/thumbnail", cid=garbage, **body)
        assert (status, answer["field"]) == (400, field)
    status, answer = await web.post("/media/cancel", id="nobody")
    assert (status, answer["id"]) == (200, "nobody")
    assert (await bus.request(subjects.PROBE, media.Probe(cid=await add(bus, short)))).size_bytes == len(
        short
    )
    assert await roots(bus) == {}
