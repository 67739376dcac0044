"""The transport that speaks to a bridge: each row's first route, with the same models and the same errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, Self, TypeVar

import aiohttp
import orjson
from yarl import URL

from cidbus.schemas.errors import BusError, Unavailable
from cidbus.schemas.rows import Call, Event, Request, Stream, Upload
from cidbus.schemas.wire import Wire

from .http_parts import (
    EVENT_STREAM,
    JSON,
    NDJSON,
    Route,
    Sending,
    break_off,
    error_of,
    head_of,
    read_as,
    said_head,
)  # fmt: skip
from .stats import ActorStats, StatsAnswer, ordered
from .transport import RawEvents, RawItems, RawStream

__all__ = ["PREFIX", "HttpTransport"]

PREFIX = "/api/v0/mcp"
CONNECT_S = 10.0
# How much longer than the bridge itself this side waits for what the bridge waits for.
LEEWAY_S = 5.0
# The bytes themselves, without an envelope around them.
BYTES = "application/octet-stream, */*;q=0.5"
# Also half the longest line of an item list.
BUFFER_BYTES = 1024 * 1024

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
M = TypeVar("M", bound=Wire)


class HttpTransport:
    """A pool of connections to one bridge; see `Transport` for what each operation promises."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    @classmethod
    async def connect(cls, url: str, timeout_s: float, headers: Mapping[str, str] | None = None) -> Self:
        """Reach the bridge at `url`; a path in it replaces the usual prefix `/api/v0/mcp`.

        `headers` are sent with every request.

        Raises Unavailable if nothing answers there in time.
        """
        given = URL(url.rstrip("/"))
        base = str(given) if given.path.strip("/") else str(given.origin()) + PREFIX
        session = aiohttp.ClientSession(read_bufsize=BUFFER_BYTES, headers=headers)
        try:
            async with asyncio.timeout(timeout_s), session.get(base + "/livez"):
                return cls(session, base)
        except (TimeoutError, aiohttp.ClientError) as error:
            await session.close()
            raise Unavailable(
                f"no bridge answers at {given.origin()}: {error or 'no answer in time'}"
            ) from None
        except BaseException:
            await session.close()
            raise

    async def aclose(self) -> None:
        await self._session.close()

    # ---- asking -----------------------------------------------------------------------------------------

    async def request(self, row: Request[A, R], ask: A, *, timeout_s: float | None = None) -> R:
        async with self._answer(row, ask, _whole(row, timeout_s)) as response:
            return read_as(row.reply, await response.read(), row.name)

    async def open(self, row: Stream[A, H, bytes], ask: A, *, timeout_s: float | None = None) -> RawStream[H]:
        with break_off(row.name, timeout_s):
            response = await self._send(row, ask, _each(row, timeout_s), accept=BYTES)
        return HttpStream(response, head_of(row, ask, response.headers), row.name, timeout_s)

    async def items(
        self, row: Stream[A, Any, M], ask: A, *, timeout_s: float | None = None
    ) -> AsyncIterator[M]:
        async with self._answer(row, ask, _each(row, timeout_s), accept=NDJSON) as response:
            async for line in response.content:
                yield read_as(row.item, line, row.name)

    async def open_items(
        self, row: Stream[A, H, M], ask: A, *, timeout_s: float | None = None
    ) -> RawItems[H, M]:
        with break_off(row.name, timeout_s):
            response = await self._send(row, ask, _each(row, timeout_s), accept=NDJSON)
        return HttpItems(response, row, timeout_s)

    async def upload(
        self,
        row: Upload[A, R],
        ask: A,
        content: AsyncIterable[bytes | memoryview] | None,
        *,
        timeout_s: float | None = None,
    ) -> R:
        if content is None:
            async with self._answer(row, ask, _whole(row, timeout_s)) as response:
                return read_as(row.reply, await response.read(), row.name)
        sending = Sending(content)
        try:
            async with self._answer(row, ask, _each(row, timeout_s), content=sending) as response:
                return read_as(row.reply, await response.read(), row.name)
        except Unavailable:
            if sending.failure is not None:
                raise sending.failure from None
            raise

    @asynccontextmanager
    async def _answer(
        self,
        row: Call[A],
        ask: A,
        waits: aiohttp.ClientTimeout,
        *,
        accept: str = JSON,
        content: Sending | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        with break_off(row.name, waits.total or waits.sock_read):
            async with await self._send(row, ask, waits, accept=accept, content=content) as response:
                yield response

    async def _send(
        self,
        row: Call[A],
        ask: A,
        waits: aiohttp.ClientTimeout,
        *,
        accept: str,
        content: Sending | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer to one request, once its head is here; raises the BusError that it tells of."""
        route = Route.of(row, ask)
        headers = {"Accept": accept}
        body: Any = None
        if content is not None:
            headers["Content-Type"] = route.take_content_type()
            body = content
        elif route.method != "GET":
            headers["Content-Type"] = JSON
            body = orjson.dumps(route.take_fields())
        url = URL(self._base + route.target(), encoded=True)
        response = await self._session.request(route.method, url, data=body, headers=headers, timeout=waits)
        if response.status >= 400:
            async with response:
                raise error_of(response.status, await response.read())
        return response

    # ---- listening --------------------------------------------------------------------------------------

    async def events(self, rows: tuple[Event[Any], ...]) -> RawEvents:
        query = "&".join(f"types={row.name}" for row in rows)
        url = URL(f"{self._base}/distributed/events" + (f"?{query}" if query else ""), encoded=True)
        return HttpEvents(await self._fetch(url, EVENT_STREAM, _QUIET))

    async def stats(self) -> list[ActorStats]:
        response = await self._fetch(URL(f"{self._base}/stats", encoded=True), JSON, _SHORT)
        with break_off("stats", LEEWAY_S):
            async with response:
                return ordered(read_as(StatsAnswer, await response.read(), "stats").actors)

    async def _fetch(self, url: URL, accept: str, waits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """The answer of a route that no row has."""
        with break_off(url.path, waits.total or waits.sock_read):
            response = await self._session.get(url, headers={"Accept": accept}, timeout=waits)
            if response.status >= 400:
                async with response:
                    raise error_of(response.status, await response.read())
        return response


class HttpStream:
    """A response's bytes as they arrive."""

    def __init__(
        self, response: aiohttp.ClientResponse, head: Any, what: str, timeout_s: float | None
    ) -> None:
        self.head = head
        self._response = response
        self._what = what
        self._timeout_s = timeout_s

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            with break_off(self._what, self._timeout_s):
                chunk = await self._response.content.readany()
        except BusError:
            self._response.close()
            raise
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Let the connection go: back to the pool if all was read, else closed."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class HttpItems(Generic[H, M]):
    """A response's lines, each an item."""

    def __init__(
        self, response: aiohttp.ClientResponse, row: Stream[Any, H, M], timeout_s: float | None
    ) -> None:
        self.head = said_head(row, response.headers)
        self._response = response
        self._row = row
        self._timeout_s = timeout_s

    async def __aiter__(self) -> AsyncIterator[M]:
        async with self._response:
            with break_off(self._row.name, self._timeout_s):
                async for line in self._response.content:
                    yield read_as(self._row.item, line, self._row.name)

    async def aclose(self) -> None:
        self._response.close()


class HttpEvents:
    """Server-sent events, as the bridge writes them: each event's data is one line of JSON."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.dropped = 0
        self._response = response

    async def __anext__(self) -> tuple[str, dict[str, Any]]:
        while True:
            with break_off("events", _QUIET.sock_read):
                line = await self._response.content.readline()
            if not line:
                raise Unavailable("events: the bridge has ended the stream")
            if not line.startswith(b"data:"):
                continue
            message = orjson.loads(line[5:])
            self.dropped += message.get("dropped", 0)
            if "data" in message:
                return message["type"], message["data"]

    async def aclose(self) -> None:
        self._response.close()


def _whole(row: Call[Any], timeout_s: float | None) -> aiohttp.ClientTimeout:
    """A limit for the whole answer."""
    return aiohttp.ClientTimeout(total=timeout_s or row.timeout_s + LEEWAY_S, sock_connect=CONNECT_S)


def _each(row: Call[Any], timeout_s: float | None) -> aiohttp.ClientTimeout:
    """A limit for each part of the answer, none for all of it."""
    waits_s = timeout_s or row.timeout_s + LEEWAY_S
    return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=waits_s)


# The bridge says at least every 15 s that it still lives.
_QUIET = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=45.0)
_SHORT = aiohttp.ClientTimeout(total=LEEWAY_S, sock_connect=CONNECT_S)
