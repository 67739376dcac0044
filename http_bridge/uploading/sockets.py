"""Uploads over a WebSocket: frames of bytes go in, progress and the CID of what has come so far come out.

    GET /uploads/ws
    -> {"type": "begin", "filename": …, "size_bytes": …}         or {"type": "begin", "upload_id": …} to go on
    <- {"type": "ready", "upload_id": …, "offset": 0}
    -> bytes, bytes, …
    <- {"type": "progress", "offset": …, "cid": …}               these bytes are safe; twice a second at most
    -> {"type": "finish"}                                        where the size was not told
    <- {"type": "complete", "cid": …, "size_bytes": …}

`pause` answers the offset that is safe, `cancel` gives the upload up, and the text `ping` is answered by
`pong`. Whatever came before a connection was lost is kept; the upload goes on by its id, here or by tus.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any, Literal

import orjson
from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs, web

from ...bus import Bus
from ...schemas.errors import BadRequest, BusError, Busy, TooLarge
from ...schemas.ipfs import ProfileName
from ...schemas.subjects import UPLOAD_APPEND, UPLOAD_CANCEL, UPLOAD_CREATE, UPLOAD_FINISH, UPLOAD_STAT
from ...schemas.tree import (
    Offset,
    UploadAppend,
    UploadCreate,
    UploadFinish,
    UploadId,
    UploadRequest,
    UploadState,
)
from ...schemas.wire import Wire
from ..bridge import Bridge
from ..events import message
from ..problems import OPERATION_ID, SERVER, conceal
from .body import to_its_end
from .placing import check_place, place, place_of

__all__ = ["UploadSockets"]

MAX_FRAME_BYTES = 1 << 20
# What aiohttp still reads: a frame above our limit is answered in words, one above this by closing alone.
MAX_READ_BYTES = 4 << 20
HEARTBEAT_S = 30.0
FIRST_MESSAGE_S = 30.0
# One append: it is acknowledged, so that the client can be told, after so many bytes or so long.
APPEND_BYTES = 32 << 20
APPEND_S = 0.5

WORDS = ("finish", "pause", "cancel")


class Begin(Wire):
    """The client's first message: a new upload, or one that goes on."""

    type: Literal["begin"]
    upload_id: UploadId | None = None
    filename: str | None = None
    size_bytes: Offset | None = None
    profile: ProfileName = "unixfs-v1-2025"
    pin: bool = True
    path: str | None = None


class UploadSockets:
    """All uploading clients of one bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._sockets: set[web.WebSocketResponse] = set()

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """Talk to one client until it leaves."""
        self._bridge.refuse_foreign_pages(request)
        if len(self._sockets) >= self._bridge.settings.max_listeners:
            raise Busy("the upload socket", limit=self._bridge.settings.max_listeners)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_READ_BYTES, compress=False)
        if not socket.can_prepare(request):
            raise BadRequest(hdrs.UPGRADE, "open a WebSocket here")
        socket.headers.update({OPERATION_ID: operation_id, **SERVER})
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await _Client(socket, self._bridge).serve()
        finally:
            self._sockets.discard(socket)
        return socket

    async def close(self, _app: web.Application) -> None:
        """Say goodbye to every client; what it has sent is kept."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the bridge is stopping")


class _Client:
    """One WebSocket and the upload that it is about."""

    def __init__(self, socket: web.WebSocketResponse, bridge: Bridge) -> None:
        self._socket = socket
        self._bus: Bus = bridge.bus
        self._max_bytes = bridge.settings.max_upload_bytes
        self._state: UploadState | None = None
        # What came after the last byte of an append.
        self._next: WSMessage | None = None

    async def serve(self) -> None:
        """Answer until the client leaves, or makes a mistake that its bytes cannot survive."""
        try:
            while (msg := await self._hear()) is not None:
                try:
                    await (self._bytes(msg.data) if msg.type is WSMsgType.BINARY else self._word(msg.data))
                except BadRequest as mistake:
                    await self._tell_error(mistake)
        except ConnectionError:
            pass  # the client is gone
        except BusError as error:
            await self._tell_error(error)
            await self._socket.close(code=_close_code(error), message=error.message.encode()[:120])
        except Exception as failure:
            hidden = conceal(failure)
            await self._tell_error(hidden)
            await self._socket.close(code=WSCloseCode.INTERNAL_ERROR, message=hidden.message.encode())

    # ---- words ------------------------------------------------------------------------------------------

    async def _word(self, text: str) -> None:
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BadRequest("message", f"not JSON: {error}") from None
        kind = said.get("type") if isinstance(said, dict) else None
        if self._state is None:
            if kind != "begin":
                raise BadRequest("type", 'send {"type": "begin"} first')
            await self._begin(Begin.from_wire(text.encode()))
        elif kind not in WORDS:
            raise BadRequest("type", f"send bytes, or one of {', '.join(WORDS)}")
        else:
            await getattr(self, f"_{kind}")(self._state)

    async def _begin(self, asked: Begin) -> None:
        if asked.upload_id is not None:
            state = await self._bus.request(UPLOAD_STAT, UploadRequest(id=asked.upload_id))
        else:
            state = await self._bus.request(UPLOAD_CREATE, self._creation(asked))
        self._state = state
        await self._tell("ready", upload_id=state.id, offset=state.offset, size_bytes=state.size_bytes,
                         expires_at=state.expires_at)  # fmt: skip
        await self._after(state)

    def _creation(self, asked: Begin) -> UploadCreate:
        if asked.size_bytes is not None and asked.size_bytes > self._max_bytes:
            raise TooLarge("size_bytes", limit=self._max_bytes)
        metadata = ""
        if asked.path is not None:
            metadata = "path " + base64.b64encode(check_place(asked.path).encode()).decode()
        return UploadCreate(
            size_bytes=asked.size_bytes, filename=asked.filename, metadata=metadata, profile=asked.profile,
            pin=asked.pin and asked.path is None,
        )  # fmt: skip

    async def _finish(self, state: UploadState) -> None:
        await self._after(await self._bus.request(UPLOAD_FINISH, UploadFinish(id=state.id)))

    async def _pause(self, state: UploadState) -> None:
        await self._tell("paused", upload_id=state.id, offset=state.offset, cid=state.cid)

    async def _cancel(self, state: UploadState) -> None:
        await self._bus.request(UPLOAD_CANCEL, UploadRequest(id=state.id))
        self._state = None
        await self._tell("cancelled", upload_id=state.id)

    # ---- bytes ------------------------------------------------------------------------------------------

    async def _bytes(self, first: bytes) -> None:
        """Store this frame and those that follow, up to the end of an append, and say how far that is."""
        state = self._state
        if state is None:
            raise BadRequest("message", 'send {"type": "begin"} before bytes')
        ask = UploadAppend(id=state.id, offset=state.offset)
        state = self._state = await to_its_end(self._bus.upload(UPLOAD_APPEND, ask, self._frames(first)))
        if state.offset > self._max_bytes:
            raise TooLarge("content", limit=self._max_bytes)
        await self._tell("progress", offset=state.offset, size_bytes=state.size_bytes, cid=state.cid)
        await self._after(state)

    async def _frames(self, frame: bytes) -> AsyncIterator[bytes]:
        deadline = asyncio.get_running_loop().time() + APPEND_S
        left = APPEND_BYTES
        while True:
            yield frame
            left -= len(frame)
            msg = await self._receive(deadline) if left > 0 else None
            if msg is None or msg.type is not WSMsgType.BINARY or len(msg.data) > MAX_FRAME_BYTES:
                self._next = msg
                return
            frame = msg.data

    async def _after(self, state: UploadState) -> None:
        """Tell of an upload that is complete; the client may then begin another."""
        if not state.complete:
            return
        if (path := place_of(state)) is not None:
            await place(self._bus, state, path)
        self._state = None
        await self._tell("complete", upload_id=state.id, cid=state.cid, size_bytes=state.size_bytes)

    # ---- messages ---------------------------------------------------------------------------------------

    async def _hear(self) -> WSMessage | None:
        """The next bytes or words, None once the client has left. Raises TooLarge for too large a frame."""
        loop = asyncio.get_running_loop()
        msg, self._next = self._next, None
        if msg is None:
            msg = await self._receive(None if self._state else loop.time() + FIRST_MESSAGE_S)
        if msg is None:
            raise BadRequest("message", f"no upload was begun within {FIRST_MESSAGE_S:g} s")
        if msg.type is WSMsgType.BINARY and len(msg.data) > MAX_FRAME_BYTES:
            raise TooLarge("frame", limit=MAX_FRAME_BYTES)
        return msg if msg.type in (WSMsgType.BINARY, WSMsgType.TEXT) else None

    async def _receive(self, deadline: float | None) -> WSMessage | None:
        """The next message that is not a ping, None after the deadline (in the loop's time)."""
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    msg = await self._socket.receive()
            except TimeoutError:
                return None
            if msg.type is not WSMsgType.TEXT or msg.data.strip() != "ping":
                return msg
            await self._socket.send_str("pong")

    async def _tell_error(self, error: BusError) -> None:
        await self._tell("error", message=error.message, error=error.to_wire())

    async def _tell(self, kind: str, **facts: Any) -> None:
        if not self._socket.closed:
            await self._socket.send_frame(message(kind, **facts), WSMsgType.TEXT)


def _close_code(error: BusError) -> WSCloseCode:
    if isinstance(error, TooLarge):
        return WSCloseCode.MESSAGE_TOO_BIG
    return WSCloseCode.POLICY_VIOLATION if error.code < 500 else WSCloseCode.INTERNAL_ERROR
