"""Streaming to players: documented ranges, and reading ahead at the pace of the client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from cidbus.bus import CHUNK_BYTES, cut
from cidbus.http_bridge.streaming import MAX_AHEAD_BYTES, Pace

from .conftest import Shelf, Web

MIB = 1 << 20
CONTENT = bytes(range(256)) * 4096  # 1 MiB
PATHS = ("/cli/stream/media/{cid}", "/cli/fs/open/{cid}", "/cli/fs/open?cid={cid}")


def url(path: str, cid: str, query: str = "") -> str:
    path = path.format(cid=cid)
    return path + ("&" if "?" in path else "?") + query if query else path


@pytest.mark.parametrize("path", PATHS)
async def test_the_whole_file_comes_with_what_a_player_needs_to_know(shelf: Shelf, web: Web, path: str):
    cid = shelf.put(b"\0\0\0\x20ftypisom" + CONTENT)
    async with web.get(url(path, cid)) as answer:
        assert answer.status == 200
        assert await answer.read() == shelf.content[cid]
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["ETag"] == f'"{cid}"'
        assert answer.content_type == "video/mp4"
        assert answer.content_length == len(shelf.content[cid])
    async with web.head(url(path, cid)) as answer:
        assert (answer.status, answer.content_length) == (200, len(shelf.content[cid]))


RANGES = [
    ("start_byte=100&end_byte=199", 100, 199),
    ("start_byte=1048000", 1_048_000, MIB - 1),
    ("end_byte=0", 0, 0),
    ("start_byte=5&end_byte=99999999", 5, MIB - 1),
    ("start_byte=0", 0, MIB - 1),
    ("start_byte=524287&end_byte=524289&chunk_size=65536", 524_287, 524_289),
]


@pytest.mark.parametrize(("query", "first", "last"), RANGES)
@pytest.mark.parametrize("path", PATHS)
async def test_a_range_of_the_query_is_a_206_of_the_true_size(
    shelf: Shelf, web: Web, path: str, query: str, first: int, last: int
):
    cid = shelf.put(CONTENT)
    for method in ("GET", "HEAD"):
        async with web.request(method, url(path, cid, query)) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{MIB}"
            assert answer.content_length == last - first + 1
            assert await answer.read() == (CONTENT[first : last + 1] if method == "GET" else b"")


async def test_a_range_header_is_answered_as_any_file_answers_it(shelf: Shelf, web: Web):
    cid = shelf.put(CONTENT)
    path = f"/cli/stream/media/{cid}"
    expected = {
        "bytes=0-": (206, f"bytes 0-{MIB - 1}/{MIB}"),
        "bytes=-10": (206, f"bytes {MIB - 10}-{MIB - 1}/{MIB}"),
        "bytes=1048576-": (416, f"bytes */{MIB}"),
    }
    for given, (status, told) in expected.items():
        async with web.get(path, headers={"Range": given}) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (status, told)
    async with web.get(path + "?start_byte=7", headers={"Range": "bytes=1-2"}) as answer:
        assert await answer.read() == CONTENT[1:3]
    async with web.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'}) as answer:
        assert (answer.status, await answer.read()) == (200, CONTENT)
    async with web.get(path, headers={"If-None-Match": f'"{cid}"'}) as answer:
        assert answer.status == 304


async def test_a_path_below_the_cid_names_the_type(shelf: Shelf, web: Web):
    shelf.put(b"#EXTM3U", "dir/index.m3u8")
    shelf.put(CONTENT, "dir/seg-00000.m4s")
    async with web.get("/cli/stream/media/dir/index.m3u8") as answer:
        assert answer.content_type == "application/vnd.apple.mpegurl"
    async with web.get("/cli/fs/open/dir/seg-00000.m4s?start_byte=9") as answer:
        assert (answer.status, answer.content_type) == (206, "video/iso.segment")


WRONG = [
    ("chunk_size=many", "chunk_size"), ("chunk_size=1", "chunk_size"), ("chunk_size=99999999", "chunk_size"),
    ("start_byte=-1", "start_byte"), ("start_byte=0x10", "start_byte"), ("end_byte=1.5", "end_byte"),
    ("start_byte=10&end_byte=9", "end_byte"), ("mode=wb", "mode"), ("offset_byte=1", "offset_byte"),
    ("start_byte=1&start_byte=2", "start_byte"), ("offset=1", "offset"), ("length=1", "length"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "field"), WRONG)
async def test_a_field_that_is_wrong_is_named(shelf: Shelf, web: Web, query: str, field: str):
    cid = shelf.put(CONTENT)
    for path in PATHS:
        async with web.get(url(path, cid, query)) as answer:
            assert answer.status == 400
            assert (await answer.json())["field"] == field


async def test_a_start_behind_the_end_is_416(shelf: Shelf, web: Web):
    cid = shelf.put(CONTENT)
    for method in ("GET", "HEAD"):
        async with web.request(method, f"/cli/fs/open/{cid}?start_byte={MIB}") as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{MIB}")
    async with web.get("/cli/fs/open") as answer:
        assert (await answer.json())["field"] == "cid"


async def test_what_is_pulled_stays_near_to_what_a_slow_client_took(shelf: Shelf, web: Web):
    """Without pacing a stream pulls its whole window of 16 MiB beside what the kernel buffers."""
    cid = shelf.put(bytes(64 * MIB))
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    slow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", web.port))
    reader, writer = await asyncio.open_connection(sock=slow, limit=64 * 1024)
    path = web.url(f"/cli/stream/media/{cid}?chunk_size=65536").raw_path_qs
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    taken, most_ahead = 0, 0
    for _ in range(8):
        for _ in range(20):  # by then whatever is to be pulled has been
            async with web.head(f"/ipfs/cat/{cid}") as answer:
                assert answer.status == 200
        most_ahead = max(most_ahead, shelf.read_bytes - taken)
        taken += len(await reader.readexactly(MIB))
    writer.close()
    assert most_ahead <= 10 * MIB


async def test_what_is_written_at_once_is_as_large_as_asked():
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 100_000):
            yield CONTENT[start : start + 100_000]

    for size in (65_536, 100_000, 300_000, 16 * MIB):
        written = [bytes(piece) async for piece in cut(chunks(), size)]
        assert b"".join(written) == CONTENT
        assert {len(piece) for piece in written[:-1]} <= {size}
        assert len(written[-1]) <= size


def test_reading_ahead_follows_the_client():
    pace = Pace()
    pace.took(MIB, 0.0)
    assert pace.ahead * CHUNK_BYTES == MAX_AHEAD_BYTES == 4 * MIB
    pace.took(MIB, 2.0)  # it stalls: what it took at once before counts no more
    assert pace.ahead == 1
    for _ in range(12):
        pace.took(MIB, 0.001)
    assert pace.ahead * CHUNK_BYTES == MAX_AHEAD_BYTES
    for _ in range(12):
        pace.took(MIB, 0.125)  # 8 MiB a second
    assert 3 <= pace.ahead <= 4
