"""Nodes and CAR files: dag/put, get, resolve, import, export, stat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from ...schemas.cid import CODECS
from ...schemas.dag import DagExport, DagGet, DagImport, DagPath, DagPut, DagStatRequest
from ...schemas.errors import BadRequest
from ...schemas.subjects import DAG_EXPORT, DAG_GET, DAG_IMPORT, DAG_PUT, DAG_RESOLVE, DAG_STAT
from .command import Argument, Call, Command, Content, flag, text
from .errors import Failed
from .forms import files, pieces_of
from .paths import CidTexts, block_at, content_path
from .reading import closing

__all__ = ["COMMANDS"]


async def dag_put(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each file of the form: `{"Cid": {"/"}}`."""
    encode = CidTexts(call)
    ask = DagPut.from_fields(
        {
            "codec": _codec(call.text("store-codec")),
            "input_codec": _codec(call.text("input-codec")),
            "hash": call.text("hash") or "sha2-256",
            "pin": call.flag("pin"),
        }
    )
    count = 0
    async for part in files(call):
        put = await call.bus.upload(DAG_PUT, ask, pieces_of(call, part))
        count += 1
        yield {"Cid": {"/": encode(put.cid)}}
    if not count:
        raise Failed("expected a file argument")


def _codec(name: str) -> str:
    if name not in CODECS:
        raise Failed(f'unknown multicodec: "{name[:64]}"')
    return name


async def dag_get(call: Call) -> Content:
    path = await content_path(call, call.arg)
    codec = _codec(call.text("output-codec"))
    stack = AsyncExitStack()
    ask = DagGet(cid=path.cid, path=path.path, output_codec=codec)
    stream = await stack.enter_async_context(await call.bus.open(DAG_GET, ask))
    return Content(closing(stack, stream))


async def dag_resolve(call: Call) -> dict[str, Any]:
    path = await content_path(call, call.arg)
    found = await call.bus.request(DAG_RESOLVE, DagPath(cid=path.cid, path=path.path, pathing="dag"))
    remainder = found.remainder_path.strip("/")
    return {"Cid": {"/": CidTexts(call)(found.cid)}, "RemPath": f"/{remainder}" if remainder else ""}


async def dag_stat(call: Call) -> dict[str, Any]:
    """Sizes of the DAGs below some roots, each block of all of them counted once in the totals."""
    encode = CidTexts(call)
    roots = [await block_at(call, arg) for arg in call.args]
    stat = await call.bus.request(DAG_STAT, DagStatRequest.from_fields({"cids": roots}))
    shared = stat.total_size_bytes - stat.unique_size_bytes
    ratio = stat.total_size_bytes / stat.unique_size_bytes if stat.unique_size_bytes else 1.0
    rows = [{"Cid": encode(r.cid), "Size": r.size_bytes, "NumBlocks": r.blocks} for r in stat.roots]
    totals = {"UniqueBlocks": stat.unique_blocks, "TotalSize": stat.unique_size_bytes}
    totals |= {"SharedSize": shared} if shared else {}
    return {**totals, "Ratio": ratio, "DagStats": rows}


async def dag_import(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each root that was pinned, then with `stats` one with what all the files held."""
    encode = CidTexts(call)
    pin = call.flag("pin-roots")
    blocks = size_bytes = count = 0
    async for part in files(call):
        count += 1
        done = await call.bus.upload(DAG_IMPORT, DagImport(pin_roots=pin), pieces_of(call, part))
        blocks, size_bytes = blocks + done.blocks, size_bytes + done.size_bytes
        if pin and not call.flag("silent"):
            for root in done.roots:
                yield {"Root": {"Cid": {"/": encode(root.cid)}, "PinErrorMsg": root.error or ""}}
    if not count:
        raise BadRequest("path", "the form has no file")
    if call.flag("stats"):
        yield {"Stats": {"BlockCount": blocks, "BlockBytesCount": size_bytes}}


async def dag_export(call: Call) -> Content:
    path = await content_path(call, call.arg)
    stack = AsyncExitStack()
    ask = DagExport(cid=path.cid, path=path.path)
    stream = await stack.enter_async_context(await call.bus.open(DAG_EXPORT, ask))
    return Content(closing(stack, stream))


_FILES = (Argument("path", variadic=True, file=True),)

COMMANDS = (
    Command(
        "dag/put", dag_put, "Add a DAG node to IPFS.", (Argument("object data", variadic=True, file=True),),
        (
            text("store-codec", default="dag-cbor"), text("input-codec", default="dag-json"), flag("pin"),
            text("hash"), flag("allow-big-block", default=False),
        ),
    ),
    Command(
        "dag/get", dag_get, "Get a DAG node from IPFS.", (Argument("ref"),),
        (text("output-codec", default="dag-json"),),
    ),
    Command("dag/resolve", dag_resolve, "Resolve IPLD block.", (Argument("ref"),)),
    Command(
        "dag/stat", dag_stat, "Gets stats for a DAG.", (Argument("root", variadic=True),),
        (flag("progress", "p", default=True),),
    ),
    Command(
        "dag/import", dag_import, "Import the contents of CAR files.", _FILES,
        (
            flag("pin-roots", default=True), flag("silent"), flag("stats"),
            flag("allow-big-block", default=False), flag("fast-provide-root"), flag("fast-provide-wait"),
        ),
    ),
    Command(
        "dag/export", dag_export, "Streams the DAG beginning at the root CID as a CAR stream.",
        (Argument("root"),), (flag("progress", "p"),),
    ),
)  # fmt: skip
