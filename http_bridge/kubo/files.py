"""Reading the file tree: files/ls, stat, read and flush."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import orjson

from ...schemas.dag import DagStatRequest
from ...schemas.errors import BadRequest, NotFound
from ...schemas.ipfs import CatRequest
from ...schemas.journal import ListPath
from ...schemas.subjects import CAT, DAG_STAT, FS_LS, TREE_STAT
from ...schemas.tree import TreeEntry, TreeLookup, seconds_and_nanoseconds
from ..replies import JSON
from .command import Argument, Call, Command, Content, flag, number, text
from .errors import Failed
from .paths import CidTexts, block_at
from .reading import closing
from .tree_paths import is_content_path, present_entry_at, tree_path

__all__ = ["COMMANDS", "FLUSH", "content_entry"]

# The numbers of Kubo's listings, in which a link is a file.
FILE, DIRECTORY = 0, 1
# Go's bits for what is no file, which Kubo tells with the permissions.
DIRECTORY_BIT, LINK_BIT = 0o20000000000, 0o1000000000
STAT_FORMAT = (
    "<hash>\nSize: <size>\nCumulativeSize: <cumulsize>\nChildBlocks: <childs>\nType: <type>\n"
    "Mode: <mode> (<mode-octal>)\nMtime: <mtime>"
)
# So many entries of a listing are written at once.
ENTRIES_AT_ONCE = 256


async def ls(call: Call) -> Content:
    """`{"Entries": [{"Name", "Type", "Size", "Hash"}]}` of a directory or of one file; without `long` only
    their names are told."""
    path = tree_path(call.arg if call.args else "/")
    encode = CidTexts(call)
    entry = await present_entry_at(call, path)
    if entry.type != "directory":
        return Content(_document(_once(entry), call, encode), media_type=JSON)
    # Of the state that the path was looked up in, whatever changes meanwhile.
    listing = call.bus.items(FS_LS, ListPath(path=path, at=entry.root, details=call.flag("long")))
    return Content(_document(listing, call, encode), media_type=JSON)


async def _once(entry: TreeEntry) -> AsyncIterator[TreeEntry]:
    yield entry


async def _document(entries: AsyncIterator[TreeEntry], call: Call, encode: CidTexts) -> AsyncIterator[bytes]:
    long = call.flag("long")
    opening, held = b'{"Entries":[', []
    async for entry in entries:
        held.append(orjson.dumps(_listed(entry, encode) if long else _named(entry)))
        if len(held) == ENTRIES_AT_ONCE:
            yield opening + b",".join(held)
            opening, held = b",", []
    if held:
        yield opening + b",".join(held) + b"]}\n"
    else:
        yield b"]}\n" if opening == b"," else b'{"Entries":null}\n'


def _named(entry: TreeEntry) -> dict[str, Any]:
    return {"Name": entry.name, "Type": 0, "Size": 0, "Hash": ""}


def _listed(entry: TreeEntry, encode: CidTexts) -> dict[str, Any]:
    is_directory = entry.type == "directory"
    return {
        "Name": entry.name,
        "Type": DIRECTORY if is_directory else FILE,
        "Size": 0 if is_directory else entry.size_bytes,
        "Hash": encode(entry.cid),
    }


# ---- stat, flush ----------------------------------------------------------------------------------------


async def stat(call: Call) -> dict[str, Any]:
    """What stands at a path of the tree, or at one of content: `/ipfs/<cid>/…`.

    With `with-local` also whether all of it is here.
    """
    if sum((call.flag("hash"), call.flag("size"), call.value("format") != STAT_FORMAT)) > 1:
        problem = "format was set by multiple options. Only one format option is allowed"
        raise BadRequest("invalid parameters", problem)
    encode = CidTexts(call)
    if is_content_path(call.arg):
        entry = await content_entry(call, call.arg)
    else:
        entry = await present_entry_at(call, tree_path(call.arg))
    answer = _described(entry, encode)
    return answer | await _locality(call, entry.cid) if call.flag("with-local") else answer


async def content_entry(call: Call, path: str) -> TreeEntry:
    """The UnixFS entry that a path of content ends in; raises NotSupported for other nodes, and NotFound."""
    return await call.bus.request(TREE_STAT, TreeLookup(root=await block_at(call, path)))


def _described(entry: TreeEntry, encode: CidTexts) -> dict[str, Any]:
    is_directory = entry.type == "directory"
    answer: dict[str, Any] = {
        "Hash": encode(entry.cid),
        "Size": 0 if is_directory else entry.size_bytes,
        "CumulativeSize": entry.dag_size_bytes,
        "Blocks": entry.blocks or 0,
        "Type": "directory" if is_directory else "file",
    }
    mode = _mode(entry)
    answer |= {"Mode": f"{mode:04o}"} if mode else {}
    if entry.mtime is not None:
        seconds, nanoseconds = seconds_and_nanoseconds(entry.mtime)
        answer |= {"Mtime": seconds} if seconds else {}
        answer |= {"MtimeNsecs": nanoseconds} if nanoseconds else {}
    return answer


def _mode(entry: TreeEntry) -> int:
    """Permissions with the bit of the entry's type; 0 where none are set, but that a link has all of them."""
    if entry.type == "symlink":
        return entry.mode or LINK_BIT | 0o777
    if entry.type == "directory" and entry.mode:
        return DIRECTORY_BIT | entry.mode
    return entry.mode or 0


async def _locality(call: Call, cid: str) -> dict[str, Any]:
    """A block that is not here is asked for, so what is told is whether all of it could be had."""
    try:
        found = await call.bus.request(DAG_STAT, DagStatRequest(cids=[cid]))
    except NotFound:
        return {"WithLocality": True}
    return {"WithLocality": True, "Local": True, "SizeLocal": found.total_size_bytes}


async def flush(call: Call) -> dict[str, str]:
    """The CID of a path. Every change is on the disk when it is answered, so nothing is left to do."""
    path = call.arg if call.args else "/"
    return {"Cid": CidTexts(call)((await present_entry_at(call, "/" + path.strip("/"))).cid)}


# ---- read -----------------------------------------------------------------------------------------------


async def read(call: Call) -> Content:
    """The bytes of a file from `offset`, at most `count`."""
    path = tree_path(call.arg)
    offset, count = call.number("offset") or 0, call.number("count")
    entry = await present_entry_at(call, path, prefix=f"{path}: ")
    if entry.type != "file":
        raise Failed(f"{path} was not a file")
    if offset < 0:
        raise Failed("cannot specify negative offset")
    if offset > entry.size_bytes:
        raise Failed(f"offset was past end of file ({offset} > {entry.size_bytes})")
    if count is not None and count < 0:
        raise Failed("cannot specify negative 'count'")
    if offset == entry.size_bytes or count == 0:
        return Content(_nothing())
    stack = AsyncExitStack()
    asked = CatRequest(cid=entry.cid, offset=offset, length=count)
    stream = await stack.enter_async_context(await call.bus.open(CAT, asked))
    return Content(closing(stack, stream))


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


# Of every command below `files`; here a change is always written before it is answered.
FLUSH = flag("flush", "f", default=True)
_PATH_OR_ROOT = (Argument("path", required=False),)

COMMANDS = (
    Command(
        "files/ls", ls, "List directories in the local mutable namespace.", _PATH_OR_ROOT,
        (FLUSH, flag("long", "l"), flag("U")),
    ),
    Command(
        "files/stat", stat, "Display file status.", (Argument("path"),),
        (FLUSH, text("format", default=STAT_FORMAT), flag("hash"), flag("size"), flag("with-local")),
    ),
    Command(
        "files/read", read, "Read a file from MFS.", (Argument("path"),),
        (FLUSH, number("offset", "o", kind="int64"), number("count", "n", kind="int64")),
    ),
    Command(
        "files/flush", flush, "Flush a given path's data to disk.", _PATH_OR_ROOT, (FLUSH,),
    ),
)  # fmt: skip
