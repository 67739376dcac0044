"""Uploads: JSON with the content inside, multipart trees, or the bytes themselves.

    application/json       the row's model; `content` or `data` too long for one message goes on as a stream
    multipart/form-data    passed on untouched; the actor reads the tree from it
    anything else, or none the body is the content

In the last two the other fields stand in the query: `?pin=false&profile=unixfs-v0-2015`. Forms as browsers
and plain `curl -d` send them (application/x-www-form-urlencoded) are refused: whether their body is the
content or an encoding of it cannot be known.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import hdrs, web

from ..schemas.errors import BadRequest
from ..schemas.rows import Upload
from .asking import ask_of_json, is_json, json_object, loose_fields, merged
from .bodies import expectation, media_type_of, once, pieces, whole
from .bridge import Bridge
from .problems import UnsupportedMediaType
from .replies import reply

__all__ = ["UploadRoute"]

MULTIPART = "multipart/form-data"
FORM = "application/x-www-form-urlencoded"
FORM_HINT = (
    "send the bytes themselves (curl --data-binary @file -H 'Content-Type: application/octet-stream'), "
    'a form with files (curl -F file=@name), or JSON (curl --json \'{"content": "text"}\')'
)
# What goes inside one message: in base64 it grows by a third and still leaves room for the other fields.
INLINE_BODY_BYTES = 256 * 1024
INLINE_JSON_BYTES = 400 * 1024
# Fields that are or describe the content; a body that is the content leaves no room for them in the query.
CONTENT_FIELDS = frozenset({"content", "data", "content_type"})


class UploadRoute:
    """One upload, in whichever form it comes."""

    def __init__(self, bridge: Bridge, row: Upload[Any, Any]) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._row = row
        self._settings = bridge.settings
        self._takes_trees = "content_type" in row.ask.model_fields
        self._content_field = next(n for n in ("content", "object", "data") if n in row.ask.model_fields)
        self.expect = expectation(bridge, self._limit)

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        media_type = media_type_of(request)
        if is_json(media_type):
            added = await self._json(request)
        elif media_type == FORM:
            raise UnsupportedMediaType(media_type, FORM_HINT)
        elif media_type.startswith("multipart/"):
            added = await self._multipart(request, media_type)
        else:
            added = await self._raw(request)
        return reply(added, operation_id, started)

    def _limit(self, request: web.Request) -> int:
        as_json = is_json(media_type_of(request))
        return self._settings.max_json_bytes if as_json else self._settings.max_upload_bytes

    # ---- the three forms --------------------------------------------------------------------------------

    async def _json(self, request: web.Request) -> Any:
        async with whole(request, self._settings.max_json_bytes, self._bridge) as body:
            if len(body) > INLINE_JSON_BYTES:
                return await self._large_json(request, body)
            ask = ask_of_json(self._row.ask, request, body)
        if ask.inline is None:
            raise BadRequest(self._content_field, "missing")
        return await self._bus.upload(self._row, ask)

    async def _large_json(self, request: web.Request, body: bytes) -> Any:
        fields = json_object(body)
        content = _take_content(fields)
        ask = self._row.ask.from_wire(orjson.dumps(merged(loose_fields(self._row.ask, request), fields)))
        if content is None:
            raise BadRequest(self._content_field, "missing")
        return await self._bus.upload(self._row, ask, once(content))

    async def _multipart(self, request: web.Request, media_type: str) -> Any:
        if media_type != MULTIPART or not self._takes_trees:
            raise UnsupportedMediaType(media_type, FORM_HINT)
        fields = self._query(request) | {"content_type": request.headers[hdrs.CONTENT_TYPE]}
        return await self._bus.upload(self._row, self._row.ask.from_fields(fields), self._pieces(request))

    async def _raw(self, request: web.Request) -> Any:
        length = request.content_length
        if length is None and not request.can_read_body:
            raise BadRequest("body", f"there is none: {FORM_HINT}")
        fields = self._query(request)
        encoded = hdrs.CONTENT_ENCODING in request.headers  # then the length is not that of the content
        if length is not None and length <= INLINE_BODY_BYTES and not encoded:
            async with whole(request, INLINE_BODY_BYTES, self._bridge) as body:
                ask = self._row.ask.from_fields(fields | {"data": body})
            return await self._bus.upload(self._row, ask)
        return await self._bus.upload(self._row, self._row.ask.from_fields(fields), self._pieces(request))

    def _query(self, request: web.Request) -> dict[str, Any]:
        fields = loose_fields(self._row.ask, request)
        for name in CONTENT_FIELDS & fields.keys():
            raise BadRequest(name, "not with a body that is the content itself")
        return fields

    def _pieces(self, request: web.Request) -> AsyncIterator[bytes]:
        return pieces(request, self._settings.max_upload_bytes, self._bridge)


def _take_content(fields: dict[str, Any]) -> bytes | None:
    """The content out of a JSON body, which keeps its other fields."""
    for name in ("object", "obj"):
        if name in fields:
            return orjson.dumps(fields.pop(name))
    text, data = fields.pop("content", None), fields.pop("data", None)
    if text is not None and data is not None:
        raise BadRequest("body", "give `content` or `data`, not both")
    if isinstance(text, str):
        return text.encode()
    if isinstance(data, str):
        return _from_base64(data)
    if text is not None or data is not None:
        raise BadRequest("content" if data is None else "data", "not text")
    return None


def _from_base64(data: str) -> bytes:
    try:
        return base64.b64decode(data.translate(_URL_SAFE), validate=True)
    except ValueError as error:
        raise BadRequest("data", f"not base64: {error}") from None


_URL_SAFE = str.maketrans("-_", "+/")
