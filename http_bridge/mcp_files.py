"""The file tree in the documented words of `/ipfs/files`:

    ls      GET, POST      path="/", long         a list of entries; without `long` only what they are called
    stat    GET, POST      path
    read    GET, POST      path, offset, count    the bytes
    write   POST           path, offset, count, create, truncate, parents, flush; the body is the content,
                           or JSON with it as `content` (text) or `data` (base64)
    mkdir   POST           path, parents
    cp      POST           source (of the tree, or `/ipfs/<cid>/…`), destination, parents, force
    mv      POST           source, destination
    rm      DELETE, POST   path, recursive, force
    chmod   POST           path, mode (octal)
    touch   POST           path, mtime
    flush   GET, POST      path="/"               the CID of the path

Fields come in the query, and with POST and DELETE also in a JSON body. Every change is durable when it is
answered, so `flush` is taken and has nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, Self, TypeVar

import orjson
from aiohttp import hdrs, web
from pydantic import Field, model_validator

from ..schemas.dag import DagPath
from ..schemas.errors import BadRequest
from ..schemas.journal import (
    Chmod,
    CopyEntry,
    ListPath,
    MakeDirectory,
    MoveEntry,
    PutContent,
    ReadFile,
    RemoveEntry,
    StatPath,
    Touch,
)
from ..schemas.rows import Call
from ..schemas.subjects import (
    DAG_RESOLVE,
    FS_CHMOD,
    FS_CP,
    FS_LS,
    FS_MKDIR,
    FS_MV,
    FS_PUT,
    FS_READ,
    FS_RM,
    FS_STAT,
    FS_TOUCH,
    FS_WRITE,
)
from ..schemas.tree import Mode, Offset, TreePath
from ..schemas.wire import Wire
from .asking import ask_of_body, ask_of_path, is_json, json_object, loose_fields, merged
from .bodies import at_most, expectation, media_type_of, once, pieces, whole
from .bridge import Bridge, Handler
from .items import ItemsRoute
from .problems import UnsupportedMediaType
from .replies import reply
from .routes import RequestRoute
from .streams import PRESENTATION
from .tree.entries import send_file
from .tree.writing import Writing, write_stream
from .uploads import FORM_HINT

__all__ = ["FILES", "FILES_PATH", "FilesApi"]

M = TypeVar("M", bound=Wire)

FILES_PATH = "/ipfs/files"
CONTENT = "/ipfs/"


class FilesList(Wire):
    path: TreePath = "/"
    long: Annotated[bool, Field(description="Also say how large each is, and of which type")] = False


class FilesRead(Wire):
    path: TreePath
    offset: Annotated[int, Field(description="A negative one counts from the end")] = 0
    count: Annotated[int | None, Field(ge=0)] = None


class FilesWrite(Wire):
    """With `truncate`, which is the default, the file ends where the written bytes end."""

    path: TreePath
    offset: Offset = 0
    count: Annotated[int | None, Field(ge=0, description="At most so many bytes are written")] = None
    create: bool = True
    truncate: bool = True
    parents: bool = False
    flush: bool = True
    content: str | None = None
    data: bytes | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.content is not None and self.data is not None:
            raise ValueError("give `content` or `data`, not both")
        return self

    @property
    def inline(self) -> bytes | None:
        return self.data if self.content is None else self.content.encode()


class FilesRemove(Wire):
    """`force` removes whatever is there, and is content with nothing."""

    path: TreePath
    recursive: bool = False
    force: bool = False


class FilesCopy(Wire):
    source: TreePath
    destination: TreePath
    parents: bool = False
    force: Annotated[bool, Field(description="Over a file that stands there")] = False


class FilesChmod(Wire):
    path: TreePath
    mode: Mode


# Of each verb: its methods (GET means HEAD too), the row that answers in the end, and what it takes.
FILES: dict[str, tuple[tuple[str, ...], Call[Any], type[Wire]]] = {
    "ls": (("GET", "POST"), FS_LS, FilesList),
    "stat": (("GET", "POST"), FS_STAT, StatPath),
    "read": (("GET", "POST"), FS_READ, FilesRead),
    "flush": (("GET", "POST"), FS_STAT, StatPath),
    "write": (("POST",), FS_WRITE, FilesWrite),
    "mkdir": (("POST",), FS_MKDIR, MakeDirectory),
    "cp": (("POST",), FS_CP, FilesCopy),
    "mv": (("POST",), FS_MV, MoveEntry),
    "rm": (("DELETE", "POST"), FS_RM, FilesRemove),
    "chmod": (("POST",), FS_CHMOD, FilesChmod),
    "touch": (("POST",), FS_TOUCH, Touch),
}


class FilesApi:
    """The handlers of `/ipfs/files`, and the routes that they answer at."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._list = ItemsRoute(bridge, FS_LS)
        self._stat = RequestRoute(bridge, FS_STAT)
        self._handlers: dict[str, Handler] = {
            "ls": self.ls,
            "stat": self.stat,
            "read": self.read,
            "flush": self.stat,
            "write": self.write,
            "mkdir": RequestRoute(bridge, FS_MKDIR).post,
            "cp": self.cp,
            "mv": RequestRoute(bridge, FS_MV).post,
            "rm": self.rm,
            "chmod": self.chmod,
            "touch": RequestRoute(bridge, FS_TOUCH).post,
        }
        self.expect = expectation(bridge, self._limit)

    def routes(self) -> Iterator[tuple[str, str, Handler]]:
        """Method, path below the prefix and handler of each."""
        for verb, (methods, _, _) in FILES.items():
            for method in methods:
                yield method, f"{FILES_PATH}/{verb}", self._handlers[verb]

    def _limit(self, request: web.Request) -> int:
        settings = self._bridge.settings
        is_content = request.path.endswith("/write") and not is_json(media_type_of(request))
        return settings.max_upload_bytes if is_content else settings.max_json_bytes

    # ---- reading ----------------------------------------------------------------------------------------

    async def ls(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = await self._asked(FilesList, request)
        return await self._list.list_items(request, ListPath(path=ask.path, details=ask.long), operation_id)

    async def stat(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        asks = self._stat.post if request.method == hdrs.METH_POST else self._stat.get
        return await asks(request, operation_id)

    async def read(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The bytes, as those of any file: with their type, and in ranges. Raises NotAFile."""
        ask = await self._asked(FilesRead, request, PRESENTATION)
        read = ReadFile(path=ask.path, offset=ask.offset, length=ask.count)
        return await send_file(self._bridge, request, read, operation_id)

    async def _asked(self, model: type[M], request: web.Request, own: frozenset[str] = frozenset()) -> M:
        """The fields of a request; query fields named in `own` are left out."""
        if request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
            return ask_of_path(model, request, own)
        return await ask_of_body(model, request, self._bridge)

    # ---- changing ---------------------------------------------------------------------------------------

    async def write(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        media_type = media_type_of(request)
        if media_type.startswith("multipart/") or media_type == "application/x-www-form-urlencoded":
            raise UnsupportedMediaType(media_type, FORM_HINT)
        if is_json(media_type):
            ask = await self._json(request)
            content = once(ask.inline or b"")
        else:
            ask = ask_of_path(FilesWrite, request)
            if ask.inline is not None:
                raise BadRequest("content", "not in the query: the body is the content")
            content = pieces(request, self._bridge.settings.max_upload_bytes, self._bridge)
        asked = Writing(
            path=ask.path, offset=ask.offset, truncate=ask.truncate, create=ask.create, parents=ask.parents
        )
        if ask.count is not None:
            content = at_most(content, ask.count)
        return reply(await write_stream(self._bus, asked, content), operation_id, started)

    async def _json(self, request: web.Request) -> FilesWrite:
        """What a JSON body says: an object of fields, or a text that is the content."""
        async with whole(request, self._bridge.settings.max_json_bytes, self._bridge) as body:
            fields = {"content": orjson.loads(body)} if body[:1] == b'"' else json_object(body)
            given = merged(loose_fields(FilesWrite, request), fields)
        ask = FilesWrite.from_wire(orjson.dumps(given))
        if ask.inline is None:
            raise BadRequest("content", "missing: text as `content`, bytes in base64 as `data`")
        return ask

    async def cp(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """An entry of the tree, or content by its CID, at another path; never into what stands there."""
        started = time.perf_counter()
        ask = await self._asked(FilesCopy, request)
        target: dict[str, Any] = {"parents": ask.parents, "overwrite": ask.force}
        if ask.source.startswith(CONTENT):
            put = PutContent(path=ask.destination, cid=await self._content(ask.source), **target)
            changed = await self._bus.request(FS_PUT, put)
        else:
            copy = CopyEntry(source=ask.source, destination=ask.destination, exact=True, **target)
            changed = await self._bus.request(FS_CP, copy)
        return reply(changed, operation_id, started)

    async def _content(self, path: str) -> str:
        """The CID that `/ipfs/<cid>/…` ends in."""
        cid, _, below = path.removeprefix(CONTENT).partition("/")
        return (await self._bus.request(DAG_RESOLVE, DagPath(cid=cid, path=below))).cid if below else cid

    async def rm(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = await self._asked(FilesRemove, request)
        remove = RemoveEntry(path=ask.path, recursive=ask.recursive or ask.force, missing_ok=ask.force)
        changed = await self._bus.request(FS_RM, remove)
        return reply(changed, operation_id, started)

    async def chmod(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = await self._asked(FilesChmod, request)
        change = Chmod(path=ask.path, mode=ask.mode)
        changed = await self._bus.request(FS_CHMOD, change)
        return reply(changed, operation_id, started)
