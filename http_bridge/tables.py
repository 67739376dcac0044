"""Rows of the index as HTTP content: lists of JSON like any other, Arrow IPC streams and Parquet files.

A query is answered with an Arrow stream where `Accept` names its media type, so that pandas, Polars and
DuckDB read it directly; how many rows come, and the cursor of the next page, are then in the header
`Cidbus-Head`.
"""

from __future__ import annotations

import time
from typing import Any

from aiohttp import hdrs, web

from ..bus import head_header
from ..schemas.rows import Stream
from ..schemas.subjects import QUERY, QUERY_ARROW
from .asking import ask_of_body, ask_of_path
from .bridge import Bridge
from .items import ItemsRoute
from .naming import disposition
from .problems import OPERATION_ID, SERVER
from .streams import ContentRoute, Headers, Incoming, headless

__all__ = ["ARROW", "AS_ARROW", "PARQUET", "RowsRoute", "TableRoute"]

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
# Rows of items -> the rows that answer the same with a table.
AS_ARROW: dict[Any, Stream[Any, Any, bytes]] = {QUERY: QUERY_ARROW}


class TableRoute(ContentRoute):
    """A table as it is now: nothing about it is immutable."""

    base = Headers({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **SERVER})

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        return await self.table(request, ask_of_path(self._row.ask, request), operation_id)

    head = get

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = await ask_of_body(self._row.ask, request, self._bridge)
        return await self.table(request, ask, operation_id)

    async def table(self, request: web.Request, ask: Any, operation_id: str) -> web.StreamResponse:
        """The table that answers `ask`."""
        started = time.perf_counter()
        headers = self.base.copy()
        headers[OPERATION_ID] = operation_id
        return await self._opened(request, ask, headers, started)

    def describe(self, headers: Headers, stream: Incoming) -> None:
        if stream.head is None:
            raise headless(self._row)
        parquet = stream.head.format == "parquet"
        headers[hdrs.CONTENT_TYPE] = PARQUET if parquet else ARROW
        headers.update(head_header(stream.head))
        if parquet:
            headers[hdrs.CONTENT_DISPOSITION] = disposition("cids.parquet", attachment=True)


class RowsRoute(ItemsRoute):
    """A list of rows, or where the client would rather have it so, a table."""

    def __init__(self, bridge: Bridge, row: Stream[Any, Any, Any], as_table: Stream[Any, Any, bytes]) -> None:
        super().__init__(bridge, row)
        self._table = TableRoute(bridge, as_table)

    async def list_items(self, request: web.Request, ask: Any, operation_id: str) -> web.StreamResponse:
        if ARROW in request.headers.get(hdrs.ACCEPT, ""):
            return await self._table.table(request, ask, operation_id)
        return await super().list_items(request, ask, operation_id)
