"""What a request to a path of the tree asks, read from its path, query and headers."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from pydantic import Field

from ...bus import Bus
from ...schemas.cid import CID
from ...schemas.errors import BadRequest, BusError, Conflict, NotFound
from ...schemas.ipfs import EntryType, ProfileName
from ...schemas.journal import Changing, Seen, StatPath
from ...schemas.subjects import FS_STAT
from ...schemas.tree import Mode, Mtime, Offset, TreePath
from ...schemas.wire import CidText, Wire
from ..asking import loose_fields
from ..naming import percent_decoded, says_yes
from ..problems import PreconditionFailed

__all__ = [
    "GetPath", "MovePath", "PutPath", "RemovePath",
    "asked", "conditions", "destination", "how", "refused",
]  # fmt: skip

T = TypeVar("T", bound=Wire)

# How `MOVE` and `COPY` name where to (RFC 4918, section 10.3).
DESTINATION = "Destination"
OVERWRITE = "Overwrite"


class GetPath(Seen):
    """`stat` answers with what stands there instead of its content; `glob`, `type` and `max_depth` list what
    is below a directory."""

    path: TreePath
    stat: bool = False
    recursive: bool = False
    glob: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    type: EntryType | None = None
    max_depth: Annotated[int | None, Field(ge=0, le=256)] = None
    limit: Annotated[int | None, Field(ge=1)] = None
    filename: str | None = None
    download: str | None = None


class PutPath(Changing):
    """A body is the new content, or with `offset` or `append` a part of it; `cid` places content instead."""

    path: TreePath
    cid: CidText | None = None
    offset: Offset | None = None
    append: bool = False
    truncate: bool | None = None
    create: bool = True
    parents: bool = True
    mode: Mode | None = None
    mtime: Mtime | None = None
    profile: ProfileName = "unixfs-v1-2025"


class RemovePath(Changing):
    path: TreePath
    recursive: bool = False
    missing_ok: bool = False


class MovePath(Changing):
    path: TreePath
    parents: bool = False


def asked(model: type[T], request: web.Request) -> T:
    """The model of a path of the tree and the query; raises BadRequest naming the field that is wrong."""
    # aiohttp would take what cannot be decoded as it stands.
    percent_decoded(request.rel_url.raw_path, "path")
    fields: dict[str, Any] = loose_fields(model, request) | {"path": "/" + request.match_info.get("path", "")}
    for name in ("stat", "recursive", "append", "missing_ok", "parents"):
        if fields.get(name) == "":
            fields[name] = says_yes("")
    return model.from_fields(fields)


def how(ask: Changing) -> dict[str, Any]:
    """What all changes take."""
    return ask.model_dump(include=set(Changing.model_fields))


async def conditions(bus: Bus, request: web.Request, ask: PutPath | RemovePath | MovePath) -> dict[str, Any]:
    """What If-Match and If-None-Match ask of a change: `if_cid`, and `overwrite` that is False.

    `If-Match: *` is whatever stands there now. Raises PreconditionFailed if nothing does or no entry could
    ever have the tag, BadRequest for more than one tag.
    """
    found: dict[str, Any] = {}
    match = request.headers.get(hdrs.IF_MATCH)
    if match is not None:
        tag = match.strip()
        found["if_cid"] = await _cid_there(bus, ask) if tag == "*" else _cid_of(tag, ask)
    unless = request.headers.get(hdrs.IF_NONE_MATCH)
    if unless is not None:
        if unless.strip() != "*":
            raise BadRequest(hdrs.IF_NONE_MATCH, "only `*` says something about a change")
        found["overwrite"] = False
    return found


async def _cid_there(bus: Bus, ask: PutPath | RemovePath | MovePath) -> str:
    try:
        return (await bus.request(FS_STAT, StatPath(path=ask.path, transaction=ask.transaction))).cid
    except NotFound as error:
        raise PreconditionFailed(error) from error


def _cid_of(tag: str, ask: PutPath | RemovePath | MovePath) -> str:
    if len(tag) < 3 or not (tag.startswith('"') and tag.endswith('"')) or "," in tag:
        raise BadRequest(hdrs.IF_MATCH, "`*`, or one entity tag, the CID in quotes")
    cid = tag.strip('"')
    try:
        CID.parse(cid)
    except BadRequest as error:
        conflict = Conflict("the file is not the expected one", path=ask.path, expected=cid)
        raise PreconditionFailed(conflict) from error
    return cid


def refused(request: web.Request, error: Conflict) -> BusError:
    """The error as one of HTTP: a conflict that the request's own conditions have brought about is a 412."""
    conditional = hdrs.IF_MATCH in request.headers or hdrs.IF_NONE_MATCH in request.headers
    return PreconditionFailed(error) if conditional else error


def destination(request: web.Request, root: str) -> tuple[str, bool]:
    """Where MOVE and COPY lead, below `root` (the route of the tree), and whether they may replace.

    Raises BadRequest naming the header.
    """
    given = request.headers.get(DESTINATION)
    if given is None:
        raise BadRequest(DESTINATION, "missing: a path below the tree, or its URL")
    try:
        parts = urlsplit(given)
    except ValueError:
        raise BadRequest(DESTINATION, "neither a path nor a URL") from None
    if parts.netloc and parts.netloc != request.headers.get(hdrs.HOST, ""):
        raise BadRequest(DESTINATION, "on another server")
    path = percent_decoded(parts.path, DESTINATION)
    if path != root and not path.startswith(root + "/"):
        raise BadRequest(DESTINATION, f"not below {root}")
    overwrite = request.headers.get(OVERWRITE, "T").strip().upper()
    if overwrite not in ("T", "F"):
        raise BadRequest(OVERWRITE, "T or F")
    return path[len(root) :] or "/", overwrite == "T"
