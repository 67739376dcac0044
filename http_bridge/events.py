"""Events to browsers and scripts: a WebSocket, or server-sent events where the client asks for them.

    GET /distributed/events    WebSocket; the client's first message gives the parameters, {} for everything
        Accept: text/event-stream    SSE; the query gives them: ?types=ipfs.added&cid_prefix=bafy

Parameters: `types` (or `event_types`), names such as `ipfs.added` or the documented `content_added`, and
`all_events`; `cid_prefix`. One bus subscription serves every client; each has a bounded queue, and a client
that is too slow is told how many events it has missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from ..bus import Subscription
from ..schemas.errors import BadRequest, Busy
from ..schemas.subjects import events
from .bridge import Bridge
from .problems import OPERATION_ID, SERVER, conceal
from .sending import send

__all__ = ["EventRoute", "Filter", "Listener"]

log = logging.getLogger(__name__)

ALL = "all_events"
EVENT_STREAM = "text/event-stream"
MAX_MESSAGE_BYTES = 64 * 1024
HEARTBEAT_S = 30.0
KEEP_ALIVE_S = 15.0
FIRST_MESSAGE_S = 30.0
PARAMS = frozenset({"types", "event_types", "cid_prefix"})

# Both names of every event, and the documented one where there is one.
_NAMES = {name: row.name for row in events() for name in (row.name, row.also) if name}
_ALSO = {row.name: row.also or row.name for row in events()}


@dataclass(frozen=True)
class Filter:
    """Which events a client wants: these names, or all if None, of CIDs that begin so."""

    names: frozenset[str] | None = None
    cid_prefix: str = ""

    @classmethod
    def read(cls, params: Any) -> Filter:
        """A filter from a client's parameters; raises BadRequest naming what is wrong."""
        if not isinstance(params, dict):
            raise BadRequest("params", "not a JSON object")
        for name in params.keys() - PARAMS:
            raise BadRequest(
                str(name)[:100], "no such parameter; there are types, event_types and cid_prefix"
            )
        types = params.get("types", params.get("event_types")) or []
        types = [types] if isinstance(types, str) else types
        if not isinstance(types, list) or len(types) > 100:
            raise BadRequest("types", "not a list of event names", limit=100)
        for name in types:
            if not isinstance(name, str) or (name != ALL and name not in _NAMES):
                raise BadRequest("types", f"no such event: {str(name)[:100]}; there are {', '.join(_NAMES)}")
        prefix = params.get("cid_prefix") or ""
        if not isinstance(prefix, str) or len(prefix) > 512:
            raise BadRequest("cid_prefix", "not a text of at most 512 characters", limit=512)
        names = None if not types or ALL in types else frozenset(_NAMES[name] for name in types)
        return cls(names, prefix)

    def params(self) -> dict[str, Any]:
        """What the client is told it has subscribed to."""
        return {
            "types": sorted(self.names) if self.names is not None else [ALL],
            "cid_prefix": self.cid_prefix,
        }

    def takes(self, name: str, data: dict[str, Any]) -> bool:
        return (self.names is None or name in self.names) and (
            not self.cid_prefix or str(data.get("cid", "")).startswith(self.cid_prefix)
        )


class Listener:
    """One client's events: a bounded queue that drops what is too much, and counts it."""

    def __init__(self, wanted: Filter, limit: int) -> None:
        self.wanted = wanted
        self._limit = limit
        self._queue: deque[bytes] = deque()
        self._dropped = 0
        self._closed = False
        self._arrived = asyncio.Event()

    def offer(self, name: str, data: dict[str, Any], message: bytes) -> None:
        """Queue an event if the client wants it."""
        if not self.wanted.takes(name, data):
            return
        if len(self._queue) < self._limit:
            self._queue.append(message)
        else:
            self._dropped += 1
        self._arrived.set()

    def miss(self, count: int) -> None:
        """Count events that never reached this process."""
        self._dropped += count
        self._arrived.set()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()

    async def next(self) -> bytes | None:
        """The next message for the client, None at the end; after a gap, the message that counts it."""
        while not self._queue and not self._dropped and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        if self._queue:
            return self._queue.popleft()
        if self._closed:
            return None
        dropped, self._dropped = self._dropped, 0
        return message("error", message="events dropped", dropped=dropped)


class EventRoute:
    """All clients of one bridge, and the bus subscription that they share."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._settings = bridge.settings
        self._listeners: set[Listener] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._subscription: Subscription | None = None
        self._pump: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """A WebSocket, or an event stream if the client asks for one."""
        self._bridge.refuse_foreign_pages(request)
        if len(self._listeners) + len(self._sockets) >= self._settings.max_listeners:
            raise Busy("the event stream", limit=self._settings.max_listeners)
        if EVENT_STREAM in request.headers.get(hdrs.ACCEPT, ""):
            return await self._sse(request, operation_id)
        return await self._web_socket(request, operation_id)

    async def close(self, _app: web.Application) -> None:
        """Say goodbye to every client and leave the bus."""
        for listener in self._listeners:
            listener.close()
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the bridge is stopping")
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump
        if self._subscription is not None:
            await self._subscription.aclose()

    # ---- one bus subscription ---------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _listening(self, wanted: Filter) -> AsyncIterator[Listener]:
        """A listener that hears events for as long as the block runs."""
        async with self._opening:
            if self._pump is None:
                self._subscription = await self._bridge.bus.subscribe()
                self._pump = asyncio.create_task(self._forward(self._subscription))
        listener = Listener(wanted, self._settings.max_queued_events)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _forward(self, subscription: Subscription) -> None:
        missed = 0
        async for name, body in subscription:
            try:
                data = orjson.loads(body)
            except orjson.JSONDecodeError:
                log.warning("an event %s is not JSON", name)
                continue
            text = event_message(name, data)
            for listener in self._listeners:
                if subscription.dropped > missed:
                    listener.miss(subscription.dropped - missed)
                listener.offer(name, data, text)
            missed = subscription.dropped

    # ---- WebSocket --------------------------------------------------------------------------------------

    async def _web_socket(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False)
        if not socket.can_prepare(request):
            raise BadRequest("Upgrade", f"open a WebSocket here, or send Accept: {EVENT_STREAM}")
        socket.headers.update({OPERATION_ID: operation_id, **SERVER})
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await self._converse(_Client(socket))
        except ConnectionError:
            pass  # the client is gone
        except Exception as failure:
            # The answer has become a WebSocket: a problem document would be no frame of it.
            await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=conceal(failure).message.encode())
        finally:
            self._sockets.discard(socket)
        return socket

    async def _converse(self, client: _Client) -> None:
        """Wait for the parameters, confirm them, then send events while the client goes on talking."""
        wanted = await client.first_params()
        if wanted is None:
            return
        async with self._listening(wanted) as listener:
            await client.confirm("subscription_confirmed", wanted)
            sender = asyncio.create_task(client.send_events(listener))
            try:
                await client.hear_updates(listener)
            finally:
                sender.cancel()
                await asyncio.wait({sender})

    # ---- server-sent events -----------------------------------------------------------------------------

    async def _sse(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        wanted = Filter.read(_query_params(request))
        headers = {
            hdrs.CONTENT_TYPE: EVENT_STREAM,
            hdrs.CACHE_CONTROL: "no-store",
            OPERATION_ID: operation_id,
            **SERVER,
        }
        async with self._listening(wanted) as listener:
            if request.method == hdrs.METH_HEAD:
                return web.StreamResponse(headers=headers)
            chunks = _sse_chunks(listener, secrets.token_hex(8))
            return await send(request, headers, chunks, stall_s=self._settings.write_timeout_s)


class _Client:
    """One WebSocket: what the client says, and what it is told."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._subscription_id = secrets.token_hex(8)

    async def first_params(self) -> Filter | None:
        """The filter of the first message that can be understood; None if the client leaves before it."""
        while (text := await self._hear(FIRST_MESSAGE_S)) is not None:
            try:
                return Filter.read(_json(text))
            except BadRequest as error:
                await self._tell("error", message=error.message)
        return None

    async def hear_updates(self, listener: Listener) -> None:
        """Change the filter as the client says; returns when it leaves."""
        while (text := await self._hear(None)) is not None:
            try:
                listener.wanted = Filter.read(_update(_json(text)))
                await self.confirm("subscription_updated", listener.wanted)
            except BadRequest as error:
                await self._tell("error", message=error.message)

    async def confirm(self, kind: str, wanted: Filter) -> None:
        await self._tell(kind, subscription_id=self._subscription_id, params=wanted.params())

    async def send_events(self, listener: Listener) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await listener.next()) is not None:
                await self._socket.send_frame(text, WSMsgType.TEXT)

    async def _hear(self, timeout_s: float | None) -> str | None:
        """The client's next text that is not a ping; None once it has left or said nothing for too long."""
        while True:
            try:
                msg = await self._socket.receive(timeout_s)
            except TimeoutError:
                await self._tell("error", message=f"no parameters came within {timeout_s:g} s")
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)
                return None
            if msg.type is WSMsgType.TEXT and msg.data.strip() == "ping":
                await self._socket.send_str("pong")
            elif msg.type is WSMsgType.TEXT:
                return str(msg.data)
            elif msg.type is WSMsgType.BINARY:
                await self._tell("error", message="send text, not bytes")
            else:
                return None

    async def _tell(self, kind: str, **facts: Any) -> None:
        await self._socket.send_frame(message(kind, **facts), WSMsgType.TEXT)


async def _sse_chunks(listener: Listener, subscription_id: str) -> AsyncIterator[bytes]:
    """The events in the syntax of the HTML standard, section 9.2; a comment where none came for a while."""
    confirmed = message(
        "subscription_confirmed", subscription_id=subscription_id, params=listener.wanted.params()
    )
    yield b"event: subscription_confirmed\ndata: %b\n\n" % confirmed
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                text = await listener.next()
        except TimeoutError:
            yield b": keep-alive\n\n"
            continue
        if text is None:
            return
        kind = orjson.loads(text)["type"].encode()
        yield b"event: %b\ndata: %b\n\n" % (kind, text)


def message(kind: str, **facts: Any) -> bytes:
    """One message to a client: `{"type": kind, …facts, "timestamp": …}`."""
    return orjson.dumps({"type": kind, **facts, "timestamp": time.time()})


def event_message(name: str, data: dict[str, Any]) -> bytes:
    """An event as clients get it; its time is that of what happened, where the event says it."""
    happened_at = data.get("at", time.time())
    return orjson.dumps(
        {"type": name, "event": _ALSO.get(name, name), "data": data, "timestamp": happened_at}
    )


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest("message", f"not JSON: {error}") from None


def _update(said: Any) -> Any:
    if not isinstance(said, dict) or said.get("type") != "update_subscription":
        raise BadRequest("type", 'send "ping" or {"type": "update_subscription", "params": {…}}')
    return said.get("params")


def _query_params(request: web.Request) -> dict[str, Any]:
    params: dict[str, Any] = dict(request.query)
    for name in ("types", "event_types"):
        if name in params:
            params[name] = [part for value in request.query.getall(name) for part in value.split(",") if part]
    return params
