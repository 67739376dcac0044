"""Nodes and CAR files as HTTP content.

A node in a JSON codec comes inside the documented envelope, `{"success": true, …, "object": <node>}`, unless
the client accepts `application/octet-stream` or an `application/vnd.ipld.…`; any other codec comes as the
bytes themselves.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import orjson
from aiohttp import hdrs, web

from ..schemas.dag import DagExport, DagGet, DagHead
from ..schemas.tree import TreeExport
from .asking import ask_of_body, ask_of_path
from .naming import disposition, etag_of
from .problems import OPERATION_ID
from .ranges import matches_any
from .replies import JSON, duration_ms, opening
from .sending import send
from .streams import CONTENT_SIZE, ContentRoute, Headers, Incoming, headless

__all__ = ["CAR_TYPE", "CarRoute", "NodeRoute", "media_type_of_codec"]

CAR_TYPE = "application/vnd.ipld.car"
_JSON_CODECS = frozenset({"dag-json", "json"})


def media_type_of_codec(codec: str) -> str:
    """The media type of a node's bytes."""
    plain = {"json": "application/json", "cbor": "application/cbor"}
    return plain.get(codec, f"application/vnd.ipld.{codec}")


class CarRoute(ContentRoute):
    """A DAG as a CAR file; how long it will be is not known before it ends."""

    def etag(self, ask: DagExport | TreeExport) -> str:
        if isinstance(ask, TreeExport):
            return "W/" + etag_of(ask.root, "", f".tree.car.{ask.since or ''}")
        terms = f".car.{ask.scope}.{ask.entity_bytes or ''}.{ask.order}.{int(ask.dups)}"
        return "W/" + etag_of(ask.cid, ask.path, terms)

    def describe(self, headers: Headers, stream: Incoming) -> None:
        if stream.head is None:
            raise headless(self._row)
        headers[hdrs.CONTENT_TYPE] = f"{CAR_TYPE}; version=1"
        headers[hdrs.CONTENT_DISPOSITION] = disposition(f"{stream.head.cid}.car", attachment=True)


class NodeRoute(ContentRoute):
    """One node, or what lies at a path in it."""

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = ask_of_path(self._row.ask, request)
        headers = self._headers(request, ask, operation_id)
        if matches_any(request.headers.get(hdrs.IF_NONE_MATCH, ""), headers[hdrs.ETAG]):
            return web.Response(status=304, headers=headers)
        return await self._node(request, ask, headers, operation_id)

    head = get

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = await ask_of_body(self._row.ask, request, self._bridge)
        headers = self._headers(request, ask, operation_id)
        headers[hdrs.CACHE_CONTROL] = "no-store"
        return await self._node(request, ask, headers, operation_id)

    def _headers(self, request: web.Request, ask: DagGet, operation_id: str) -> Headers:
        headers = self.base.copy()
        headers[OPERATION_ID] = operation_id
        headers[hdrs.ETAG] = etag_of(ask.cid, ask.path, f".{ask.output_codec}{'.bare' * _bare(request)}")
        headers[hdrs.VARY] = hdrs.ACCEPT
        return headers

    async def _node(
        self, request: web.Request, ask: DagGet, headers: Headers, operation_id: str
    ) -> web.StreamResponse:
        started = time.perf_counter()
        async with await self._bus.open(self._row, ask) as stream:
            if stream.head is None:
                raise headless(self._row)
            parts: AsyncIterator[bytes] = stream
            if stream.head.codec in _JSON_CODECS and not _bare(request):
                headers[hdrs.CONTENT_TYPE] = JSON
                parts = _document(stream.head, ask, stream, operation_id, started)
            else:
                headers[hdrs.CONTENT_TYPE] = media_type_of_codec(stream.head.codec)
                headers[CONTENT_SIZE] = headers[hdrs.CONTENT_LENGTH] = str(stream.head.size_bytes)
            if request.method == hdrs.METH_HEAD:
                return web.StreamResponse(headers=headers)
            if stream.whole is not None:
                return web.Response(body=b"".join([part async for part in parts]), headers=headers)
            return await send(request, headers, parts, stall_s=self._settings.write_timeout_s)


def _bare(request: web.Request) -> bool:
    """Whether the client wants the node's bytes alone."""
    accepted = request.headers.get(hdrs.ACCEPT, "")
    return "application/octet-stream" in accepted or "application/vnd.ipld." in accepted


async def _document(
    head: DagHead, ask: DagGet, node: AsyncIterator[bytes], operation_id: str, started: float
) -> AsyncIterator[bytes]:
    fields = head.model_dump(exclude_none=True, exclude={"size_bytes"}) | {"path": ask.path}
    yield opening(operation_id).encode() + b"," + orjson.dumps(fields)[1:-1] + b',"object":'
    async for part in node:
        yield part
    yield f',"duration_ms":{duration_ms(started)}}}'.encode()
