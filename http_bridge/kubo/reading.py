"""Reading files, directories and links: cat, get, ls, refs, resolve."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import orjson

from ...bus import IncomingStream
from ...schemas.dag import DagPath, LocalRefs, Refs
from ...schemas.errors import BadRequest, UnsatisfiableRange
from ...schemas.ipfs import CatRequest, DirEntry, FileHead, PathRequest
from ...schemas.names import NameResolve
from ...schemas.subjects import CAT, DAG_RESOLVE, GET, LS, NAME_RESOLVE, REFS, REFS_LOCAL, STAT
from ..replies import JSON
from .command import Argument, Call, Command, Content, flag, number, text
from .errors import Failed
from .paths import CidTexts, ContentPath, content_path

__all__ = ["COMMANDS", "closing"]

# The numbers of UnixFS's own data types, which `ls` tells.
TYPE_NUMBERS = {"directory": 1, "file": 2, "symlink": 4}
NO_TIME = "0001-01-01T00:00:00Z"


async def cat(call: Call) -> Content:
    """Files one after the other; `offset` and `length` count through all of them."""
    offset, length = call.number("offset") or 0, call.number("length")
    if offset < 0:
        raise Failed("cannot specify negative offset")
    if length is not None and length < 0:
        raise Failed("cannot specify negative length")
    paths = [await content_path(call, arg) for arg in call.args]
    if len(paths) > 1 or offset:
        return Content(_concatenated(call, paths, offset, length))
    stack = AsyncExitStack()
    stream = await stack.enter_async_context(
        await call.bus.open(CAT, CatRequest(cid=paths[0].cid, path=paths[0].path, length=length))
    )
    whole = stream.whole if length is None else None
    size = len(whole) if whole is not None else stream.head.length if stream.head else None
    return Content(closing(stack, stream), length=size)


async def closing(stack: AsyncExitStack, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a stream; whatever the stack holds is closed with them."""
    async with stack:
        async for piece in stream:
            yield piece


async def _concatenated(
    call: Call, paths: list[ContentPath], offset: int, length: int | None
) -> AsyncIterator[bytes]:
    left = length
    for path in paths:
        if left == 0:
            return
        ask = CatRequest(cid=path.cid, path=path.path, offset=offset, length=left)
        try:
            async with await call.bus.open(CAT, ask) as stream:
                offset = max(0, offset - _size(stream))
                async for piece in stream:
                    yield piece
                    left = None if left is None else left - len(piece)
        except UnsatisfiableRange as error:
            offset -= error.size_bytes


def _size(stream: IncomingStream[FileHead]) -> int:
    return stream.head.size_bytes if stream.head is not None else len(stream.whole or b"")


async def get(call: Call) -> Content:
    """A tar archive; with `compress` gzipped, or without `archive` the one file gzipped."""
    path = await content_path(call, call.arg)
    compress, level = call.flag("compress"), call.number("compression-level")
    if compress and level is not None and not 1 <= level <= 9:
        raise Failed("compression level must be between 1 and 9")
    if compress and not call.flag("archive"):
        source: Any = await call.bus.open(CAT, CatRequest(cid=path.cid, path=path.path))
    else:
        source = await call.bus.open(GET, PathRequest(cid=path.cid, path=path.path))
    stack = AsyncExitStack()
    stream = await stack.enter_async_context(source)
    pieces = closing(stack, stream)
    if not compress:
        return Content(pieces)  # by another name than text, Kubo's client complains of it
    return Content(_gzipped(pieces, level or 6))


async def _gzipped(pieces: AsyncIterator[bytes], level: int) -> AsyncIterator[bytes]:
    squeeze = zlib.compressobj(level, wbits=31)
    async for piece in pieces:
        if packed := squeeze.compress(piece):
            yield packed
    yield squeeze.flush()


# ---- ls -------------------------------------------------------------------------------------------------


async def ls(call: Call) -> Content:
    """`{"Objects": [{"Hash", "Links": […]}]}`: one document, or with `stream` one for each link."""
    encode = CidTexts(call)
    paths = [(arg, await content_path(call, arg)) for arg in call.args]
    if call.flag("stream"):
        return Content(_ls_lines(call, paths, encode), media_type=JSON)
    return Content(_ls_document(call, paths, encode), media_type=JSON)


async def _ls_lines(
    call: Call, paths: list[tuple[str, ContentPath]], encode: CidTexts
) -> AsyncIterator[bytes]:
    for shown, path in paths:
        async for link in _links(call, path, encode):
            item = {"Objects": [{"Hash": shown, "Links": [link]}]}
            yield orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE)


async def _ls_document(
    call: Call, paths: list[tuple[str, ContentPath]], encode: CidTexts
) -> AsyncIterator[bytes]:
    # The first links are waited for before the document is begun: a path that leads nowhere is then an error.
    opening = b'{"Objects":['
    for shown, path in paths:
        opening += b'{"Hash":' + orjson.dumps(shown) + b',"Links":['
        async for link in _links(call, path, encode):
            yield opening + orjson.dumps(link)
            opening = b","
        opening = (b"" if opening == b"," else opening) + b"]},"
    yield opening.removesuffix(b",") + b"]}\n"


async def _links(call: Call, path: ContentPath, encode: CidTexts) -> AsyncIterator[dict[str, Any]]:
    ask = PathRequest(cid=path.cid, path=path.path)
    try:
        async for entry in call.bus.items(LS, ask):
            yield await _link(call, entry, encode)
    except BadRequest:
        # A file has no links to list.
        if (await call.bus.request(STAT, ask)).type == "directory":
            raise


async def _link(call: Call, entry: DirEntry, encode: CidTexts) -> dict[str, Any]:
    target = ""
    if entry.type == "symlink":
        target = (await call.bus.request(STAT, PathRequest(cid=entry.cid))).target or ""
    return {
        "Name": entry.name,
        "Hash": encode(entry.cid),
        "Size": entry.size_bytes if entry.type == "file" and call.flag("size") else 0,
        "Type": TYPE_NUMBERS[entry.type],
        "Target": target,
        "Mode": 0,
        "ModTime": NO_TIME,
    }


# ---- refs, resolve --------------------------------------------------------------------------------------


async def refs(call: Call) -> AsyncIterator[dict[str, str]]:
    """A line for each link: `{"Ref": <text by format>, "Err": ""}`."""
    encode = CidTexts(call)
    form = call.text("format")
    if call.flag("edges"):
        if form != "<dst>":
            raise Failed("using format argument with edges is not allowed")
        form = "<src> -> <dst>"
    depth = call.number("max-depth")
    for arg in call.args:
        path = await content_path(call, arg)
        ask = Refs(
            cid=path.cid,
            path=path.path,
            recursive=call.flag("recursive"),
            unique=call.flag("unique"),
            max_depth=-1 if depth is None else max(depth, -1),
        )
        async for ref in call.bus.items(REFS, ask):
            shown = form.replace("<src>", encode(ref.source)).replace("<dst>", encode(ref.cid))
            yield {"Ref": shown.replace("<linkname>", ref.name), "Err": ""}


async def refs_local(call: Call) -> AsyncIterator[dict[str, str]]:
    encode = CidTexts(call)
    async for ref in call.bus.items(REFS_LOCAL, LocalRefs()):
        yield {"Ref": encode(ref.cid), "Err": ""}


async def resolve(call: Call) -> dict[str, str]:
    """Where a path leads: `/ipfs/<cid>` and what of the path is inside that block."""
    encode = CidTexts(call)
    if call.arg.startswith("/ipns/") and not call.flag("recursive"):
        name, _, below = call.arg.removeprefix("/ipns/").partition("/")
        found = await call.bus.request(NAME_RESOLVE, NameResolve(name=name, recursive=False))
        return {"Path": found.path + (f"/{below}" if below else "")}
    path = await content_path(call, call.arg)
    if not path.path:
        return {"Path": f"/ipfs/{encode(path.cid)}"}
    resolved = await call.bus.request(DAG_RESOLVE, DagPath(cid=path.cid, path=path.path))
    below = resolved.remainder_path.strip("/")
    return {"Path": f"/ipfs/{encode(resolved.cid)}" + (f"/{below}" if below else "")}


def _one_path(name: str = "ipfs-path") -> tuple[Argument, ...]:
    return (Argument(name),)


_PATHS = (Argument("ipfs-path", variadic=True),)

COMMANDS = (
    Command(
        "cat", cat, "Show IPFS object data.", _PATHS,
        (number("offset", "o", kind="int64"), number("length", "l", kind="int64"), flag("progress", "p")),
    ),
    Command(
        "get", get, "Download IPFS objects.", _one_path(),
        (
            text("output", "o"), flag("archive", "a"), flag("compress", "C"),
            number("compression-level", "l"), flag("progress", "p"),
        ),
    ),
    Command(
        "ls", ls, "List directory contents for Unix filesystem objects.", _PATHS,
        (
            flag("headers", "v"), flag("resolve-type", default=True), flag("size", default=True),
            flag("stream", "s"),
        ),
    ),
    Command(
        "refs", refs, "List links (references) from an object.", _PATHS,
        (
            text("format", default="<dst>"), flag("edges", "e"), flag("unique", "u"), flag("recursive", "r"),
            number("max-depth", default=-1),
        ),
    ),
    Command("refs/local", refs_local, "List all local references."),
    Command("repo/ls", refs_local, "List all local references.", (), (flag("quiet", "q"),)),
    Command(
        "resolve", resolve, "Resolve the value of names to IPFS.", _one_path("name"),
        (
            flag("recursive", "r", default=True), number("dht-record-count", "dhtrc"),
            text("dht-timeout", "dhtt"),
        ),
    ),
)  # fmt: skip
