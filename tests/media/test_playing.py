"""Files played from the streaming routes: by Chromium, and by FFmpeg's own HTTP reader."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.async_api import Page, Request, async_playwright

from cidbus.bus import Bus, Host
from cidbus.schemas import media, subjects

from ..interop.node import INSTALL_S, Packages
from .conftest import Web, add, add_tree, chromium

pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALL_S + 60)]

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
HERE = Path(__file__).parent

PLAYER = """<!doctype html><meta charset="utf-8"><title>player</title>
<style>body { margin: 0; background: #222 } video { width: 640px; height: 360px }</style>
<video id="video" muted playsinline></video>
<script src="hls.js"></script>
<script>
const video = document.getElementById("video");
const play = async () => { await video.play(); };
const direct = async (url) => { video.src = url; await play(); };
const packaged = (url) => new Promise((done, fail) => {
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, what) => { if (what.fatal) fail(new Error(what.details)); });
  hls.on(Hls.Events.MANIFEST_PARSED, () => play().then(done, fail));
  hls.loadSource(url);
  hls.attachMedia(video);
});
// Where the picture is that is shown next once the player has gone to a time.
const seek = (at) => new Promise((done) => {
  video.addEventListener("seeked", () => video.requestVideoFrameCallback((_, shown) => done(shown.mediaTime)),
                         { once: true });
  video.currentTime = at;
});
</script>
"""


@asynccontextmanager
async def player(bus: Bus, web: Web, tmp_path: Path, packages: Packages) -> AsyncIterator[Page]:
    """A page, itself content, in a browser of its own."""
    script = (packages.folder / "node_modules/hls.js/dist/hls.min.js").read_bytes()
    site = await add_tree(bus, {"index.html": PLAYER.encode(), "hls.js": script})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=chromium(),
            args=FLAGS,
            headless=True,
            viewport={"width": 640, "height": 360},
        )
        try:
            page = await browser.new_page()
            await page.goto(f"{web.origin}/ipfs/{site}/")
            yield page
        finally:
            await browser.close()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return Packages(HERE / "package.json", tmp_path_factory.mktemp("node"))


async def test_chromium_plays_a_video_by_cid_and_seeks_in_it(
    bus: Bus, web: Web, movie: bytes, tmp_path: Path, packages: Packages
):
    cid = await add(bus, movie)
    url = f"{web.base}/cli/stream/media/{cid}"
    asked: list[tuple[str | None, int, str | None]] = []

    async with player(bus, web, tmp_path, packages) as page:

        async def note(request: Request) -> None:
            if request.url.startswith(url) and (answer := await request.response()) is not None:
                told = await answer.all_headers()
                asked.append((request.headers.get("range"), answer.status, told.get("content-range")))

        page.on("requestfinished", note)
        page.on("requestfailed", note)  # the browser breaks off what it has enough of
        await page.evaluate(f"direct({url!r})")
        await page.wait_for_function("video.currentTime > 0.2")
        for at in (8.0, 2.0, 5.5):
            shown = await page.evaluate(f"seek({at})")
            assert abs(shown - at) < 0.1
            await page.wait_for_function(f"video.currentTime > {at} + 0.1")
        assert await page.evaluate("video.duration") == pytest.approx(10, abs=0.1)
        await show(page, tmp_path / "playing.png")
    assert asked
    for range_, status, told in asked:
        assert range_ is not None
        assert range_.startswith("bytes=")
        assert status == 206
        assert told is not None
        assert told.endswith(f"/{len(movie)}")


async def test_chromium_plays_the_packaged_form_from_the_gateway(
    media_host: Host, bus: Bus, web: Web, movie: bytes, tmp_path: Path, packages: Packages
):
    """By hls.js, because Chromium itself plays no HLS; the segments are what `/ipfs/<cid>/…` serves."""
    cid = await add(bus, movie)
    packaged = await bus.request(subjects.HLS, media.PackageHls(cid=cid, segment_s=2))
    fetched: set[str] = set()
    async with player(bus, web, tmp_path, packages) as page:
        page.on("requestfinished", lambda request: fetched.add(request.url.rpartition("/")[2]))
        await page.evaluate(f"packaged('/ipfs/{packaged.cid}/master.m3u8')")
        await page.wait_for_function("video.currentTime > 0.2")
        for at in (8.5, 1.5, 5.5):
            shown = await page.evaluate(f"seek({at})")
            assert abs(shown - at) < 0.1
            await page.wait_for_function(f"video.currentTime > {at} + 0.1")
        await show(page, tmp_path / "packaged.png")
    assert {"master.m3u8", "index.m3u8", "init.mp4", "segment-00000.m4s"} <= fetched


async def show(page: Page, path: Path) -> None:
    """Keep a picture of the page, and check that it shows the pattern and no blank or broken player."""
    await page.evaluate("video.pause()")
    await page.screenshot(path=path)
    with av.open(path) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert len(set(map(tuple, picture[::20, ::20].reshape(-1, 3)))) > 20


async def test_ffmpeg_seeks_in_the_stream(bus: Bus, web: Web, movie: bytes):
    """Each seek is a range request of FFmpeg's own HTTP client; it finds what it finds in the file itself."""
    cid = await add(bus, movie)

    def times(file: Any) -> list[float]:
        found = []
        with av.open(file) as container:
            stream = container.streams.video[0]
            for at in (9.0, 1.0, 5.0):
                assert stream.time_base is not None
                container.seek(int(at / stream.time_base), stream=stream)
                found.append(next(container.decode(stream)).time)
        return found

    streamed = await asyncio.to_thread(times, f"{web.base}/cli/stream/media/{cid}")
    assert streamed == times(io.BytesIO(movie))
    assert streamed[1] < streamed[2] < streamed[0]
