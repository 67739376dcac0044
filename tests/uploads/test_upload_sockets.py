"""Uploads over a WebSocket: bytes in, progress and CIDs out, and nothing lost when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType
from waiting import until

from cidbus.http_bridge import BridgeServer
from cidbus.http_bridge.uploading import sockets

from .conftest import API, TUS, Web, pattern, plain_cid

FRAME = 1 << 20


class Socket:
    """One client's end."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, kind: str, **facts: Any) -> None:
        await self.socket.send_str(orjson.dumps({"type": kind, **facts}).decode())

    async def send(self, content: bytes, frame: int = FRAME) -> None:
        for start in range(0, len(content), frame):
            await self.socket.send_bytes(content[start : start + frame])

    async def hear(self, *kinds: str) -> dict[str, Any]:
        """The next message of one of these kinds; progress in between is passed over."""
        while True:
            msg = await self.socket.receive(20)
            assert msg.type is WSMsgType.TEXT, msg
            said: dict[str, Any] = orjson.loads(msg.data)
            if said["type"] in kinds:
                return said
            assert said["type"] == "progress", said

    async def begin(self, **facts: Any) -> dict[str, Any]:
        await self.say("begin", **facts)
        return await self.hear("ready")


@pytest.fixture
def open_socket(web: Web):
    @asynccontextmanager
    async def opened(**options: Any):
        async with web.session.ws_connect(f"{web.base}/uploads/ws", **options) as socket:
            yield Socket(socket)

    return opened


async def test_an_upload_tells_how_far_it_is_and_ends_with_its_cid(open_socket, web: Web):
    content = pattern(5_000_000)
    async with open_socket() as socket:
        ready = await socket.begin(size_bytes=len(content), filename="x.bin")
        assert ready["offset"] == 0
        await socket.send(content[:2_000_000])
        progress = await socket.hear("progress")
        assert progress["cid"] == await plain_cid(content[: progress["offset"]])
        await socket.send(content[2_000_000:], 300_000)
        done = await socket.hear("complete")
        assert (done["cid"], done["size_bytes"]) == (await plain_cid(content), len(content))
        assert (await web.ask("GET", f"/ipfs/cat/{done['cid']}")).body == content
        await socket.begin()  # another one on the same socket
        await socket.send(b"abc")
        await socket.say("finish")
        assert (await socket.hear("complete"))["cid"] == await plain_cid(b"abc")


async def test_an_upload_is_paused_and_resumed_on_another_socket_and_by_tus(open_socket, web: Web):
    async with open_socket() as socket:
        upload = (await socket.begin(size_bytes=9))["upload_id"]
        await socket.send(b"abc")
        await socket.say("pause")
        paused = await socket.hear("paused")
        assert (paused["offset"], paused["cid"]) == (3, await plain_cid(b"abc"))
    async with open_socket() as socket:
        assert (await socket.begin(upload_id=upload))["offset"] == 3
        await socket.send(b"def")
        assert (await socket.hear("progress"))["offset"] == 6
    done = await web.patch(f"{API}/uploads/{upload}", 6, b"ghi")
    assert done.headers["Cidbus-Cid"] == await plain_cid(b"abcdefghi")
    async with open_socket() as socket:
        await socket.begin(upload_id=upload)
        assert (await socket.hear("complete"))["cid"] == await plain_cid(b"abcdefghi")


async def test_what_was_sent_before_the_connection_broke_is_kept(open_socket, web: Web):
    content = pattern(3_000_000)
    async with open_socket() as socket:
        upload = (await socket.begin(size_bytes=4_000_000))["upload_id"]
        await socket.send(content)
        writer = socket.socket._writer
        await until(lambda: not writer.transport.get_write_buffer_size())
        writer.transport.close()
    path = f"{API}/uploads/{upload}"
    await until(lambda: reached(web, path, len(content)))
    assert orjson.loads((await web.ask("GET", path)).body)["cid"] == await plain_cid(content)


async def reached(web: Web, path: str, offset: int) -> bool:
    return await web.offset(path) == offset


async def test_a_cancelled_upload_is_gone(open_socket, web: Web):
    async with open_socket() as socket:
        upload = (await socket.begin())["upload_id"]
        await socket.send(b"abc")
        await socket.say("cancel")
        assert (await socket.hear("cancelled"))["upload_id"] == upload
    assert (await web.ask("HEAD", f"/uploads/{upload}", headers=TUS)).status == 404


@pytest.mark.parametrize("size", [FRAME + 1, 3 * FRAME])
async def test_a_frame_over_the_limit_is_refused_and_the_upload_stays(open_socket, web: Web, size: int):
    async with open_socket() as socket:
        upload = (await socket.begin(size_bytes=10 * FRAME))["upload_id"]
        await socket.send(b"abc")
        await socket.socket.send_bytes(bytes(size))
        error = await socket.hear("error")
        assert error["error"]["details"] == {"field": "frame", "limit": FRAME, "unit": "bytes"}
        closed = await socket.socket.receive(10)
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1009)
    assert await web.offset(f"{API}/uploads/{upload}") == 3


async def test_a_frame_far_over_the_limit_is_not_even_read(open_socket, web: Web):
    async with open_socket() as socket:
        upload = (await socket.begin())["upload_id"]
        with contextlib.suppress(ConnectionError):  # the socket may be closed before all of it is sent
            await socket.socket.send_bytes(bytes(5 * FRAME))
        closed = await socket.socket.receive(10)
        assert closed.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
        assert socket.socket.close_code in (1009, 1006)
    assert await web.offset(f"{API}/uploads/{upload}") == 0


async def test_more_bytes_than_were_promised_end_in_an_error(open_socket):
    async with open_socket() as socket:
        await socket.begin(size_bytes=2)
        await socket.send(b"abc")
        assert (await socket.hear("error"))["error"]["kind"] == "too_large"
        assert (await socket.socket.receive(10)).data == 1009


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "message"),
        ("[]", "type"),
        ('{"type": "finish"}', "type"),
        ('{"type": "begin", "size_bytes": -1}', "size_bytes"),
        ('{"type": "begin", "sise_bytes": 1}', "sise_bytes"),
        ('{"type": "begin", "path": "no/slash"}', "path"),
    ],
)
async def test_what_makes_no_sense_is_answered_and_the_socket_stays(open_socket, text: str, field: str):
    async with open_socket() as socket:
        await socket.socket.send_str(text)
        error = await socket.hear("error")
        assert error["error"]["details"]["field"] == field
        await socket.send(b"abc")  # before an upload was begun
        assert (await socket.hear("error"))["error"]["details"]["field"] == "message"
        await socket.begin()
        await socket.say("dance")
        assert (await socket.hear("error"))["error"]["details"]["field"] == "type"
        await socket.send(b"abc")
        await socket.socket.send_str("ping")
        assert await socket.socket.receive_str() == "pong"
        assert (await socket.hear("progress"))["offset"] == 3


async def test_an_upload_that_is_not_there_is_told_and_the_socket_closed(open_socket):
    async with open_socket() as socket:
        await socket.say("begin", upload_id="nothing")
        assert (await socket.hear("error"))["error"]["kind"] == "not_found"
        assert (await socket.socket.receive(10)).data == 1008


async def test_a_client_that_says_nothing_is_left(open_socket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sockets, "FIRST_MESSAGE_S", 0.1)
    async with open_socket() as socket:
        assert (await socket.hear("error"))["error"]["kind"] == "bad_request"
        assert (await socket.socket.receive(10)).data == 1008


async def test_pages_of_other_origins_may_not_upload(open_socket):
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        async with open_socket(headers={"Origin": "https://evil.example"}):
            pass


async def test_a_bridge_that_stops_says_goodbye_and_keeps_what_came(open_socket, bridge: BridgeServer):
    async with open_socket() as socket:
        await socket.begin()
        await socket.send(b"abc")
        await socket.hear("progress")
        stopping = asyncio.create_task(bridge.stop())
        closed = await socket.socket.receive(10)
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1001)
        await socket.socket.close()
        await stopping
