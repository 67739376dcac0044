"""Resumable uploads by the tus protocol, version 1.0.0 (https://tus.io/protocols/resumable-upload).

    POST    /uploads         Upload-Length, Upload-Metadata -> 201, Location
    HEAD    /uploads/{id}    -> Upload-Offset
    PATCH   /uploads/{id}    Upload-Offset, bytes -> 204, Upload-Offset; with the last byte Cidbus-Cid
    DELETE  /uploads/{id}    -> 204
    GET     /uploads/{id}    the same facts as JSON

Extensions: creation, creation-with-upload, creation-defer-length, expiration, checksum, termination. Of the
metadata `filename`, `profile`, `pin` and `path` (a place in the file tree) mean something here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiohttp import hdrs, web

from ...schemas.errors import BadRequest, BusError, Conflict, TooLarge
from ...schemas.subjects import UPLOAD_APPEND, UPLOAD_CANCEL, UPLOAD_CREATE, UPLOAD_FINISH, UPLOAD_STAT
from ...schemas.tree import UploadAppend, UploadCreate, UploadFinish, UploadRequest, UploadState
from ..bodies import Expect, expectation, media_type_of
from ..bridge import AiohttpHandler, Bridge
from ..problems import OPERATION_ID, SERVER, MethodNotAllowed, UnsupportedMediaType, problem
from ..replies import reply
from . import headers as tus
from .body import Body, to_its_end
from .origins import cross_origin
from .placing import check_place, place, place_of
from .refusals import UnknownVersion, Unplaced, as_tus_says

__all__ = ["TusRoute", "TusRoutes"]

BYTES = "application/offset+octet-stream"
BYTES_HINT = f"bytes of an upload are sent as {BYTES}"


class TusRoute(NamedTuple):
    """One method at one path below the prefix."""

    method: str
    path: str
    handler: AiohttpHandler
    expect: Expect


class TusRoutes:
    """The handlers of one bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._max_bytes = bridge.settings.max_upload_bytes
        self._handlers = {
            (hdrs.METH_POST, False): self._create,
            (hdrs.METH_OPTIONS, False): self._options,
            (hdrs.METH_OPTIONS, True): self._options,
            (hdrs.METH_HEAD, True): self._head,
            (hdrs.METH_GET, True): self._get,
            (hdrs.METH_PATCH, True): self._patch,
            (hdrs.METH_DELETE, True): self._delete,
        }

    def __iter__(self) -> Iterator[TusRoute]:
        """Every route. One upload also takes POST, for what a proxy lets through in no other way."""
        handler = self._bridge.guard(self._answer, tell=_refusal)
        expect = expectation(self._bridge, lambda _request: self._max_bytes)
        for method, is_one in [*self._handlers, (hdrs.METH_POST, True)]:
            yield TusRoute(method, "/uploads/{id}" if is_one else "/uploads", handler, expect)

    async def _answer(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """What a method answers, or its error, with what tus and browsers want of every answer."""
        try:
            response = await self._dispatch(request, operation_id)
        except BusError as error:
            response = _refusal(error, operation_id)
        response.headers.update(
            {
                tus.RESUMABLE: tus.VERSION,
                OPERATION_ID: operation_id,
                **SERVER,
                **cross_origin(request, self._bridge.settings.allowed_origins),
            }
        )
        return response

    async def _dispatch(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        method = request.headers.get(tus.METHOD_OVERRIDE, request.method).upper()
        is_one = "id" in request.match_info
        handler = self._handlers.get((method, is_one))
        if handler is None:
            raise MethodNotAllowed(method[:20], sorted(name for name, one in self._handlers if one == is_one))
        if method not in (hdrs.METH_OPTIONS, hdrs.METH_GET):
            _require_version(request)
        return await handler(request, operation_id)

    async def _options(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        return web.Response(status=204, headers=tus.capabilities(self._max_bytes))

    # ---- creation ---------------------------------------------------------------------------------------

    async def _create(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        state = await self._bus.request(UPLOAD_CREATE, self._creation(request))
        if request.can_read_body:
            state = await self._create_with(state, request)
        elif state.complete:
            await self._place(state)
        location = {hdrs.LOCATION: f"{request.path}/{state.id}"}
        return web.Response(status=201, headers=tus.state_headers(state) | location)

    def _creation(self, request: web.Request) -> UploadCreate:
        if request.can_read_body and media_type_of(request) != BYTES:
            raise UnsupportedMediaType(media_type_of(request), BYTES_HINT)
        said = request.headers.get(tus.METADATA, "")
        given = tus.metadata(said)
        is_placed = "path" in given
        if is_placed:
            check_place(given["path"])
        fields: dict[str, Any] = {name: given[name] for name in ("filename", "profile") if given.get(name)}
        fields["pin"] = False if is_placed else given.get("pin") or True
        return UploadCreate.from_fields(fields | {"size_bytes": self._length(request), "metadata": said})

    def _length(self, request: web.Request) -> int | None:
        """How long the whole upload will be; None if that is to be told later."""
        length = tus.number(request, tus.LENGTH)
        deferred = request.headers.get(tus.DEFER_LENGTH)
        if deferred not in (None, "1"):
            raise BadRequest(tus.DEFER_LENGTH, "not 1")
        if (length is None) == (deferred is None):
            raise BadRequest(tus.LENGTH, f"give this or {tus.DEFER_LENGTH}: 1, and not both")
        self._check_length(length)
        return length

    def _check_length(self, length: int | None) -> None:
        if length is not None and length > self._max_bytes:
            raise TooLarge(tus.LENGTH, limit=self._max_bytes)

    async def _create_with(self, state: UploadState, request: web.Request) -> UploadState:
        """An upload whose first bytes come with the request for it; if these are refused there is none."""
        try:
            return await self._append(state.id, 0, request)
        except BusError:
            await self._bus.request(UPLOAD_CANCEL, UploadRequest(id=state.id))
            raise

    # ---- one upload -------------------------------------------------------------------------------------

    async def _head(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        state = await self._stat(request)
        return web.Response(headers=tus.state_headers(state) | {hdrs.CACHE_CONTROL: "no-store"})

    async def _get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        state = await self._stat(request)
        response = reply(state, operation_id, started)
        response.headers.update(tus.state_headers(state) | {hdrs.CACHE_CONTROL: "no-store"})
        return response

    async def _patch(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        if media_type_of(request) != BYTES:
            raise UnsupportedMediaType(media_type_of(request) or "missing", BYTES_HINT)
        offset = tus.number(request, tus.OFFSET)
        if offset is None:
            raise BadRequest(tus.OFFSET, "missing")
        upload_id, length = request.match_info["id"], tus.number(request, tus.LENGTH)
        if length is not None:
            self._check_length(length)
            await self._bus.request(UPLOAD_FINISH, UploadFinish(id=upload_id, size_bytes=length))
        state = await self._append(upload_id, offset, request)
        return web.Response(status=204, headers=tus.state_headers(state))

    async def _delete(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        await self._bus.request(UPLOAD_CANCEL, UploadRequest(id=request.match_info["id"]))
        return web.Response(status=204)

    # ---- what they share --------------------------------------------------------------------------------

    async def _stat(self, request: web.Request) -> UploadState:
        state = await self._bus.request(UPLOAD_STAT, UploadRequest(id=request.match_info["id"]))
        await self._place(state)
        return state

    async def _append(self, upload_id: str, offset: int, request: web.Request) -> UploadState:
        """Pass on the body of a request: all of it that comes, or with a checksum all or nothing."""
        checksum = request.headers.get(tus.CHECKSUM)
        ask = UploadAppend(id=upload_id, offset=offset, checksum=checksum)
        # An offset above the limit is wrong, and the actor will say so.
        room = self._max_bytes - offset if offset <= self._max_bytes else self._max_bytes
        body = Body(request, room, self._bridge, whole=checksum is not None)
        state = await to_its_end(self._bus.upload(UPLOAD_APPEND, ask, body))
        body.require_whole()
        await self._place(state)
        return state

    async def _place(self, state: UploadState) -> None:
        """Give a complete upload the place that its metadata name; raises Unplaced for what stands there."""
        if state.complete and (path := place_of(state)) is not None:
            try:
                await place(self._bus, state, path)
            except Conflict as error:
                raise Unplaced(error, state.cid) from error


def _require_version(request: web.Request) -> None:
    given = request.headers.get(tus.RESUMABLE)
    if given != tus.VERSION:
        raise UnknownVersion(given)


def _refusal(error: BusError, operation_id: str) -> web.Response:
    """A problem document with the status that tus clients expect."""
    response = problem(as_tus_says(error), operation_id)
    response.headers[tus.RESUMABLE] = tus.VERSION
    if isinstance(error, UnknownVersion):
        response.headers[tus.VERSIONS] = tus.VERSION
    return response
