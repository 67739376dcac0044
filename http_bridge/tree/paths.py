"""The file tree as paths with methods, below `/fs`:

    GET, HEAD     a file's bytes (ranges, ETag = CID), or a directory's entries; `?at=` reads an earlier state
    PUT           the body becomes the file, or is written into it (`?offset=`, `?append`); `?cid=` places
                  content that has a CID
    POST          one operation as JSON (`{"op": "mkdir"}`), or a form whose files go into the directory
    DELETE        the entry, a directory with `?recursive`
    MOVE, COPY    to the `Destination` header's path, over what is there unless `Overwrite: F`

Every answer to a change names the tree's root after it and the journal's sequence.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, get_args

import orjson
from aiohttp import hdrs, web

from ...schemas.errors import BadRequest, Conflict, NotAFile
from ...schemas.ipfs import AddRequest, CatRequest, PathRequest
from ...schemas.journal import (
    Apply,
    Changed,
    FindPath,
    ListPath,
    PathStat,
    PutContent,
    RemoveEntry,
    StatPath,
)
from ...schemas.keeping import KEPT_S, new_keep
from ...schemas.subjects import (
    ADD,
    FS_APPLY,
    FS_FIND,
    FS_LS,
    FS_PUT,
    FS_RM,
    FS_STAT,
    LS,
    ROOTS_RM,
)
from ...schemas.tree import MAX_OPERATIONS, AnyOperation, Operation, Outcome, Put, RootsRemove
from ..asking import is_json, json_object, merged
from ..bodies import expectation, media_type_of, pieces, whole
from ..bridge import Bridge, Handler
from ..items import ItemsRoute
from ..naming import etag_of
from ..problems import OPERATION_ID, SERVER, UnsupportedMediaType
from ..ranges import matches_any
from ..replies import reply
from . import moving
from .asked import GetPath, PutPath, RemovePath, asked, conditions, how, refused
from .entries import EntryRoute, described
from .writing import Writing, write_stream

__all__ = ["TreeRoutes"]

POST_HINT = 'send one operation as JSON, such as {"op": "mkdir"}, or a form with files (curl -F file=@name)'
# What POST does, by its `op`.
OPERATIONS: dict[str, type[Operation]] = {
    model.model_fields["op"].default: model for model in get_args(get_args(AnyOperation)[0])
}


class Placed(Outcome):
    """A change of one path, and the tree that it has made."""

    root: str
    sequence: int | None = None
    transaction: str | None = None


class TreeRoutes:
    """What answers at `/fs` and below."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._list = ItemsRoute(bridge, FS_LS)
        self._find = ItemsRoute(bridge, FS_FIND)
        self._root = bridge.settings.prefix.rstrip("/") + "/fs"
        self.expect = expectation(bridge, lambda _request: bridge.settings.max_upload_bytes)
        self.changes: dict[str, Handler] = {
            hdrs.METH_PUT: self.put,
            hdrs.METH_POST: self.post,
            hdrs.METH_DELETE: self.delete,
            "MOVE": self.move,
            "COPY": self.copy,
        }

    # ---- reading ----------------------------------------------------------------------------------------

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """Also HEAD, which says the same without the bytes."""
        started = time.perf_counter()
        ask = asked(GetPath, request)
        entry = await self._bus.request(
            FS_STAT, StatPath(path=ask.path, at=ask.at, transaction=ask.transaction, follow=not ask.stat)
        )
        if ask.stat:
            return described(reply(entry, operation_id, started), entry)
        if entry.type == "directory":
            return await self._directory(request, ask, entry, operation_id)
        if entry.type != "file":
            raise NotAFile(entry.cid, "symbolic link that leads nowhere")
        return await EntryRoute(self._bridge, entry).answer(request, CatRequest(cid=entry.cid), operation_id)

    async def _directory(
        self, request: web.Request, ask: GetPath, entry: PathStat, operation_id: str
    ) -> web.StreamResponse:
        etag = etag_of(entry.cid, "")
        if matches_any(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag) and not _searches(ask):
            return described(web.Response(status=304, headers={OPERATION_ID: operation_id, **SERVER}), entry)
        if request.method == hdrs.METH_HEAD:
            return described(web.Response(headers={OPERATION_ID: operation_id, **SERVER}), entry)
        # Of the state that the path was looked up in, whatever has changed since.
        state = {"path": ask.path, "transaction": ask.transaction}
        state["at"] = None if ask.transaction else entry.root
        if _searches(ask):
            find = FindPath.model_validate(
                state | {"glob": ask.glob, "type": ask.type, "max_depth": ask.max_depth, "limit": ask.limit}
            )
            return await self._find.list_items(request, find, operation_id)
        listing = ListPath.model_validate(state | {"recursive": ask.recursive})
        return await self._list.list_items(request, listing, operation_id)

    # ---- changing ---------------------------------------------------------------------------------------

    async def put(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = asked(PutPath, request)
        only_if = await conditions(self._bus, request, ask)
        given = {"mode": ask.mode, "mtime": ask.mtime, **how(ask), **only_if}
        try:
            if ask.cid is not None:
                put = PutContent(path=ask.path, cid=ask.cid, parents=ask.parents, **given)
                changed = await self._bus.request(FS_PUT, put)
            else:
                changed = await write_stream(
                    self._bus, self._writing(request, ask, given), self._body(request)
                )
        except Conflict as error:
            raise refused(request, error) from error
        return _placed(changed, operation_id, started)

    def _writing(self, request: web.Request, ask: PutPath, given: dict[str, Any]) -> Writing:
        part = ask.append or ask.offset is not None
        if hdrs.CONTENT_RANGE in request.headers:
            raise BadRequest(hdrs.CONTENT_RANGE, "not with PUT: say `?offset=` to write a part of a file")
        return Writing(
            path=ask.path, offset=ask.offset or 0, append=ask.append, create=ask.create, parents=ask.parents,
            truncate=not part if ask.truncate is None else ask.truncate, profile=ask.profile, **given,
        )  # fmt: skip

    def _body(self, request: web.Request) -> AsyncIterator[bytes]:
        return pieces(request, self._bridge.settings.max_upload_bytes, self._bridge)

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        media_type = media_type_of(request)
        if media_type == "multipart/form-data":
            return reply(await self._form(request), operation_id, started)
        if not is_json(media_type):
            raise UnsupportedMediaType(media_type or "nothing", POST_HINT)
        ask = asked(RemovePath, request)  # for its path, and how the change is to be made
        async with whole(request, self._bridge.settings.max_json_bytes, self._bridge) as body:
            operation = merged({"path": ask.path}, json_object(body))
        change = Apply.model_validate({"operations": [_operation(operation)], **how(ask)})
        return _placed(await self._bus.request(FS_APPLY, change), operation_id, started)

    async def _form(self, request: web.Request) -> Changed:
        """The files of a form, each under its own name below the path."""
        ask, keep = asked(PutPath, request), new_keep()
        form = AddRequest(
            content_type=request.headers[hdrs.CONTENT_TYPE], wrap=True, pin=False, profile=ask.profile,
            keep=keep, keep_s=KEPT_S,
        )  # fmt: skip
        added = await self._bus.upload(ADD, form, self._body(request))
        base = "" if ask.path == "/" else ask.path
        places: list[Put] = []
        async for entry in self._bus.items(LS, PathRequest(cid=added.cid)):
            places.append(Put(path=f"{base}/{entry.name}", cid=entry.cid, parents=ask.parents))
            if len(places) > MAX_OPERATIONS:
                raise BadRequest("body", "too many entries for one form", limit=MAX_OPERATIONS)
        changed = await self._bus.request(FS_APPLY, Apply.model_validate({"operations": places, **how(ask)}))
        await self._bus.request(ROOTS_RM, RootsRemove(names=[keep]))
        return changed

    async def delete(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = asked(RemovePath, request)
        only_if = await conditions(self._bus, request, ask)
        only_if.pop("overwrite", None)
        remove = RemoveEntry(
            path=ask.path, recursive=ask.recursive, missing_ok=ask.missing_ok, **how(ask), **only_if
        )
        return await self._change(request, self._bus.request(FS_RM, remove), operation_id, started)

    async def move(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        change = moving.move(self._bus, request, self._root)
        return await self._change(request, change, operation_id, started)

    async def copy(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        change = moving.copy(self._bus, request, self._root)
        return await self._change(request, change, operation_id, started)

    async def _change(
        self, request: web.Request, change: Awaitable[Changed], operation_id: str, started: float
    ) -> web.StreamResponse:
        try:
            changed = await change
        except Conflict as error:
            raise refused(request, error) from error
        return _placed(changed, operation_id, started)


def _searches(ask: GetPath) -> bool:
    return any(given is not None for given in (ask.glob, ask.type, ask.max_depth, ask.limit))


def _operation(fields: dict[str, Any]) -> Operation:
    """One operation on the path of the request; raises BadRequest naming the field that is wrong."""
    model = OPERATIONS.get(str(fields.get("op")))
    if model is None:
        raise BadRequest("op", f"the operation, one of {', '.join(OPERATIONS)}")
    if "source" in model.model_fields:
        fields = fields | {"source": fields["path"]}
        del fields["path"]
    return model.from_wire(orjson.dumps(fields))


def _placed(changed: Changed, operation_id: str, started: float) -> web.Response:
    """The answer to a change of one path: 201 where nothing was before."""
    outcome = changed.outcome
    facts = {"root": changed.root, "sequence": changed.sequence, "transaction": changed.transaction}
    response = reply(Placed(**outcome.model_dump(), **facts), operation_id, started)
    if outcome.created:
        response.set_status(201)
    if outcome.cid is not None and outcome.op != "remove":
        response.headers[hdrs.ETAG] = etag_of(outcome.cid, "")
    return response
