"""Streams of items as lists: one JSON document, or NDJSON, written as the items come.

{"success":true,"operation_id":"…",…the head's fields…,"<row.items>":[…],"count":n,"duration_ms":…}

Where there is no such document, the head of a row that has one is the header `Cidbus-Head`, in JSON.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import hdrs, web

from ..bus import IncomingStream, head_header
from ..schemas.errors import Unavailable
from ..schemas.rows import Stream
from .asking import ask_of_body, ask_of_path
from .bridge import Bridge
from .problems import OPERATION_ID, SERVER
from .replies import JSON, closing, opening
from .sending import send

__all__ = ["ItemsRoute", "NDJSON"]

NDJSON = "application/x-ndjson"


class ItemsRoute:
    """The handlers of one row of items; a list is never held, however long it is."""

    def __init__(self, bridge: Bridge, row: Stream[Any, Any, Any]) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._row = row
        self._settings = bridge.settings

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        return await self.list_items(request, ask_of_path(self._row.ask, request), operation_id)

    head = get

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = await ask_of_body(self._row.ask, request, self._bridge)
        return await self.list_items(request, ask, operation_id)

    async def list_items(self, request: web.Request, ask: Any, operation_id: str) -> web.StreamResponse:
        """The items that the row gives for `ask`."""
        started = time.perf_counter()
        as_lines = NDJSON in request.headers.get(hdrs.ACCEPT, "")
        headers = {hdrs.CONTENT_TYPE: NDJSON if as_lines else JSON, OPERATION_ID: operation_id, **SERVER}
        async with await self._bus.open(self._row, ask) as stream:
            if as_lines and stream.head is not None:
                headers |= head_header(stream.head)
            parts = _lines(stream) if as_lines else _document(stream, self._row.items, operation_id, started)
            if stream.whole is not None:
                body = b"".join([part async for part in parts])
                return web.Response(body=body, headers=headers)
            if request.method == hdrs.METH_HEAD:
                return web.StreamResponse(headers=headers)
            return await send(request, headers, parts, stall_s=self._settings.write_timeout_s)


async def _document(
    stream: IncomingStream[Any], items: str, operation_id: str, started: float
) -> AsyncIterator[bytes]:
    count = 0
    facts = b"" if stream.head is None else stream.head.to_wire()[1:-1]
    pending = opening(operation_id).encode() + (b"," + facts if facts else b"") + f',"{items}":['.encode()
    async for chunk in stream:
        found = len(_batch(chunk))
        if not found:
            continue
        # A chunk is a JSON array of its own; without its brackets it goes on in ours.
        yield pending + chunk.strip()[1:-1]
        pending = b","
        count += found
    yield (pending if not count else b"") + closing(count, started)


async def _lines(stream: IncomingStream[Any]) -> AsyncIterator[bytes]:
    async for chunk in stream:
        yield b"".join([orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE) for item in _batch(chunk)])


def _batch(chunk: bytes) -> list[Any]:
    try:
        items = orjson.loads(chunk)
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list):
        raise Unavailable("the list broke: a part of it is not a JSON array")
    return items
