"""An ASGI application that hands every request to the bridge of a running system.

[ASGI scope] -> http or websocket to <bridge>/api/v0/mcp/… -> [ASGI messages]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
from yarl import URL

from ..data_dir import Info

__all__ = ["BridgeProxy"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BRIDGE_PREFIX = "/api/v0/mcp"
# Headers that belong to one connection and not to the message (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade host".split()
)


class BridgeProxy:
    """Mount it under any prefix; it calls `start` for each request, which starts the system if it must."""

    def __init__(self, start: Callable[[], Awaitable[Info]]) -> None:
        self._start = start
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _target(self, scope: Scope) -> tuple[aiohttp.ClientSession, URL]:
        info = await self._start()
        if self._session is None:
            # Content is passed on as it is, whatever its size and however long it takes.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        mounted = scope.get("root_path", "").encode()
        tail = raw.removeprefix(mounted).decode("ascii", "surrogateescape")
        query = scope.get("query_string", b"").decode("ascii", "surrogateescape")
        return self._session, URL(
            f"{info.http}{BRIDGE_PREFIX}{tail}" + (f"?{query}" if query else ""), encoded=True
        )

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        session, url = await self._target(scope)
        headers = _end_to_end(scope["headers"])
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        body = _body(receive) if has_body else None
        async with session.request(
            scope["method"], url, headers=headers, data=body, allow_redirects=False
        ) as response:
            raw_headers = [(k.lower(), v) for k, v in response.raw_headers if k.lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": response.status, "headers": raw_headers})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        session, url = await self._target(scope)
        await receive()  # websocket.connect
        async with session.ws_connect(url) as socket:
            await send({"type": "websocket.accept"})
            upward = asyncio.create_task(_to_bridge(socket, receive))
            try:
                async for message in socket:
                    await send({"type": "websocket.send", "text": message.data})
            finally:
                upward.cancel()
                await asyncio.gather(upward, return_exceptions=True)
        if not upward.cancelled() and upward.exception() is None:
            return  # the client has closed it
        await send({"type": "websocket.close", "code": 1000})


async def _to_bridge(socket: aiohttp.ClientWebSocketResponse, receive: Receive) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await socket.send_str(message.get("text") or (message.get("bytes") or b"").decode("utf-8", "replace"))
    await socket.close()


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(k.decode("latin-1"), v.decode("latin-1")) for k, v in headers if k.lower() not in HOP_BY_HOP]


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client is gone")
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body", False):
            return
