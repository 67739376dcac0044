"""Single blocks: block/get, put, stat, rm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from ...schemas.cid import CID, CODECS, DAG_PB, HASHES, IDENTITY, SHA2_256
from ...schemas.errors import BusError, Conflict, NotFound
from ...schemas.ipfs import MAX_BLOCK_BYTES, BlockPut, BlockRemove, BlockRequest, PinList
from ...schemas.subjects import BLOCK_GET, BLOCK_PUT, BLOCK_RM, BLOCK_STAT, PINS
from ...schemas.varint import encode_varint
from ..bodies import once
from .command import Argument, Call, Command, Content, flag, number, text
from .errors import Failed, words_of
from .forms import files, whole_file
from .paths import CidTexts, block_at, only_cid

__all__ = ["COMMANDS"]

# The names of `format`, which came before `cid-codec`.
LEGACY_FORMATS = {"v0": "dag-pb", "protobuf": "dag-pb", "cbor": "dag-cbor", "raw": "raw"}
HASH_CODES = {name: code for code, (name, _, _) in HASHES.items()}


async def block_get(call: Call) -> Content:
    ask = BlockRequest(cid=await block_at(call, call.arg))
    stack = AsyncExitStack()
    stream = await stack.enter_async_context(await call.bus.open(BLOCK_GET, ask))

    async def pieces() -> AsyncIterator[bytes]:
        async with stack:
            async for piece in stream:
                yield piece

    return Content(pieces())


async def block_stat(call: Call) -> dict[str, Any]:
    found = await call.bus.request(BLOCK_STAT, BlockRequest(cid=await block_at(call, call.arg)))
    return {"Key": CidTexts(call)(found.cid), "Size": found.size_bytes}


async def block_put(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each file of the form: `{"Key", "Size"}`."""
    encode = CidTexts(call)
    make = _cid_maker(call)
    count = 0
    async for part in files(call):
        block = await whole_file(call, part, MAX_BLOCK_BYTES, "data")
        ask = BlockPut(cid=str(make(block)), pin=call.flag("pin"))
        put = await call.bus.upload(BLOCK_PUT, ask, once(block))
        count += 1
        yield {"Key": encode(put.cid), "Size": put.size_bytes}
    if not count:
        raise Failed("expected a file argument")


def _cid_maker(call: Call) -> Any:
    """How the options make a block's CID; raises Failed for codecs and hashes that there are not."""
    codec_name, version = call.text("cid-codec"), 1
    legacy = call.text("format")
    hash_name = call.text("mhtype") or "sha2-256"
    if legacy:
        if legacy == "v0":
            version = 0
        codec_name = LEGACY_FORMATS.get(legacy, legacy)
    if codec_name not in CODECS:
        raise Failed(f'unknown multicodec: "{codec_name[:64]}"')
    codec, code = CODECS[codec_name], HASH_CODES.get(hash_name)
    if code is None:
        raise Failed(f"unrecognized multihash function: {hash_name[:64]}")
    length = call.number("mhlen")
    if version == 0 and (code != SHA2_256 or codec != DAG_PB or length not in (None, -1, 32)):
        raise Failed("v0 blocks are sha2-256 and dag-pb")
    return lambda block: CID(version, codec, multihash(code, block, length))


def multihash(code: int, data: bytes, length: int | None = None) -> bytes:
    """The multihash of some bytes; raises Failed for a hash that is not computed here, or not that long."""
    name, _, new = HASHES[code]
    if code == IDENTITY:
        digest = data
    elif new is None:
        raise Failed(f"{name} is not computed here")
    else:
        hasher = new()
        hasher.update(data)
        digest = hasher.digest()
    if length is not None and length != -1:
        if not 20 <= length <= len(digest):
            raise Failed(f"a {name} digest cannot be {length} bytes long")
        digest = digest[:length]
    return encode_varint(code) + encode_varint(len(digest)) + digest


async def block_rm(call: Call) -> AsyncIterator[dict[str, str]]:
    """A line for each block: `{"Hash"}`, with `Error` if it stays."""
    encode = CidTexts(call)
    cids = [only_cid(arg) for arg in call.args]
    for cid in cids:
        error = await _remove(call, cid)
        if error or not call.flag("quiet"):
            yield {"Hash": encode(cid)} | ({"Error": error} if error else {})


async def _remove(call: Call, cid: str) -> str:
    """Why the block stays, or nothing."""
    try:
        await call.bus.request(BLOCK_RM, BlockRemove(cid=cid, force=call.flag("force")))
    except NotFound:
        return f"ipld: could not find {cid}"
    except Conflict as error:
        modes = [pin.mode async for pin in call.bus.items(PINS, PinList(cid=cid))]
        return f"pinned: {modes[0]}" if modes else f"pinned: indirect ({error.message})"
    except BusError as error:
        return words_of(error)
    return ""


COMMANDS = (
    Command("block/get", block_get, "Get a raw IPFS block.", (Argument("cid"),)),
    Command("block/stat", block_stat, "Print information of a raw IPFS block.", (Argument("cid"),)),
    Command(
        "block/put", block_put, "Store input as an IPFS block.",
        (Argument("data", variadic=True, file=True),),
        (
            text("cid-codec", default="raw"), text("mhtype"), number("mhlen", default=-1),
            flag("pin", default=False), flag("allow-big-block", default=False), text("format", "f"),
        ),
    ),
    Command(
        "block/rm", block_rm, "Remove IPFS block(s) from the local datastore.",
        (Argument("cid", variadic=True),), (flag("force", "f"), flag("quiet", "q")),
    ),
)  # fmt: skip
