"""The table as routes: each row's handlers at each of its paths.

A path below a CID may follow where the row has a `path` field: `/ipfs/ls/{cid}` also serves
`/ipfs/ls/{cid}/{path}`. Every GET serves HEAD as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from ..schemas.cache import CachedHead, TableHead
from ..schemas.dag import CarHead, DagHead
from ..schemas.errors import BusError
from ..schemas.ipfs import BlockHead, FileHead, TarHead
from ..schemas.media import CancelMedia, Making
from ..schemas.rows import Call, Request, Stream, Upload
from ..schemas.subjects import FS_READ, MEDIA_CANCEL, calls
from .asking import ask_of_body, ask_of_path
from .bodies import Expect, json_expectation
from .bridge import Bridge, Handler
from .dags import CarRoute, NodeRoute
from .items import ItemsRoute
from .paths import served_paths
from .replies import reply
from .streams import BlockRoute, ContentRoute, FileRoute, TarRoute
from .tables import AS_ARROW, RowsRoute, TableRoute
from .tree.entries import ReadRoute
from .uploads import UploadRoute

__all__ = ["Route", "routes_of", "table_routes"]


@dataclass(frozen=True)
class Route:
    """One method at one path below the prefix, and how to answer it."""

    method: str
    path: str
    row: Call[Any]
    handler: Handler
    expect: Expect


def table_routes(bridge: Bridge) -> Iterator[Route]:
    """Every route that the table has, the documented ones of each row first."""
    for row in calls():
        if row.http:
            yield from routes_of(bridge, row)


def routes_of(bridge: Bridge, row: Call[Any]) -> Iterator[Route]:
    handlers = _handlers(bridge, row)
    expect = handlers.expect if isinstance(handlers, UploadRoute) else json_expectation(bridge)
    for line in row.http:
        method, _, path = line.partition(" ")
        for served in served_paths(row, path):
            if method == hdrs.METH_GET:
                yield Route(hdrs.METH_GET, served, row, handlers.get, expect)
                yield Route(hdrs.METH_HEAD, served, row, handlers.head, expect)
            else:
                yield Route(method, served, row, handlers.post, expect)


def _handlers(bridge: Bridge, row: Call[Any]) -> Any:
    if row is FS_READ:
        return ReadRoute(bridge)
    if isinstance(row, Request):
        return (JobRoute if issubclass(row.ask, Making) else RequestRoute)(bridge, row)
    if isinstance(row, Upload):
        return UploadRoute(bridge, row)
    assert isinstance(row, Stream)
    if row.item is bytes:
        return content_route(bridge, row)
    return RowsRoute(bridge, row, AS_ARROW[row]) if row in AS_ARROW else ItemsRoute(bridge, row)


class RequestRoute:
    """One reply to one request."""

    def __init__(self, bridge: Bridge, row: Request[Any, Any]) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._row = row

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = ask_of_path(self._row.ask, request)
        return reply(await self._bus.request(self._row, ask), operation_id, started)

    head = get

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = await ask_of_body(self._row.ask, request, self._bridge)
        return reply(await self._bus.request(self._row, ask), operation_id, started)


class JobRoute(RequestRoute):
    """Work that takes a while: a client that is gone before it is done is not waited for."""

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask: Making = await ask_of_body(self._row.ask, request, self._bridge)
        if ask.id is None:
            ask = ask.model_copy(update={"id": operation_id})
        try:
            return reply(await self._bus.request(self._row, ask), operation_id, started)
        except asyncio.CancelledError:
            assert ask.id is not None
            with contextlib.suppress(BusError):  # then its deadline ends it
                await self._bus.request(MEDIA_CANCEL, CancelMedia(id=ask.id))
            raise


def content_route(bridge: Bridge, row: Stream[Any, Any, bytes]) -> ContentRoute:
    """The handlers of a row of bytes, by what comes before the bytes; raises TypeError for another head."""
    if row.head not in _CONTENT:
        raise TypeError(f"{row.name}: the bridge does not know how to present {row.head.__name__}")
    return _CONTENT[row.head](bridge, row)


_CONTENT: dict[Any, type[ContentRoute]] = {
    FileHead: FileRoute,
    CachedHead: FileRoute,
    TableHead: TableRoute,
    BlockHead: BlockRoute,
    TarHead: TarRoute,
    CarHead: CarRoute,
    DagHead: NodeRoute,
}
