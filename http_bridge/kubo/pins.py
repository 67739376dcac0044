"""What is kept: pin/add, rm, ls, update, verify."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from ...schemas.cid import CID
from ...schemas.dag import DagStatRequest, Refs
from ...schemas.errors import BusError, NotFound
from ...schemas.ipfs import Pin, PinList, PinRemove, PinRequest, PinUpdate
from ...schemas.subjects import DAG_STAT, PIN, PIN_UPDATE, PINS, REFS, UNPIN
from .command import Argument, Call, Command, Content, flag, text
from .errors import Failed, words_of
from .paths import CidTexts, block_at, content_path

__all__ = ["COMMANDS"]

TYPES = ("direct", "indirect", "recursive", "all")


async def pin_add(call: Call) -> dict[str, list[str]]:
    encode = CidTexts(call)
    name = call.text("name") or None
    pinned = []
    for arg in call.args:
        path = await content_path(call, arg)
        ask = PinRequest.from_fields(
            {"cid": path.cid, "path": path.path, "recursive": call.flag("recursive"), "name": name}
        )
        try:
            pinned.append(encode((await call.bus.request(PIN, ask)).cid))
        except NotFound as error:
            raise Failed(f"pin: {words_of(error)}") from error
    return {"Pins": pinned}


async def pin_rm(call: Call) -> dict[str, list[str]]:
    encode = CidTexts(call)
    removed = []
    for arg in call.args:
        path = await content_path(call, arg)
        if not call.flag("recursive"):
            async for pin in call.bus.items(PINS, PinList(cid=path.cid, type="recursive")):
                raise Failed(f"{pin.cid} is pinned recursively")
        gone = await call.bus.request(UNPIN, PinRemove(cid=path.cid, path=path.path))
        removed.append(encode(gone.cid))
    return {"Pins": removed}


async def pin_update(call: Call) -> dict[str, list[str]]:
    encode = CidTexts(call)
    old, new = [await block_at(call, arg) for arg in call.args[:2]]
    ask = PinUpdate(from_cid=old, to_cid=new, unpin=call.flag("unpin"))
    try:
        await call.bus.request(PIN_UPDATE, ask)
    except NotFound as error:
        if error.what != "pin":
            raise
        raise Failed("'from' cid was not recursively pinned already") from error
    return {"Pins": [encode(old), encode(new)]}


async def pin_ls(call: Call) -> Content:
    """`{"Keys": {<cid>: {"Type", "Name"}}}`, or with `stream` a line for each pin; written as pins come."""
    kind = call.text("type")
    if kind not in TYPES:
        raise Failed(f"invalid type '{kind[:32]}', must be one of {{direct, indirect, recursive, all}}")
    names = call.flag("names") or bool(call.text("name"))
    pins = _asked_for(call, kind) if call.args else _listed(call, kind)
    pieces = _lines(pins, names) if call.flag("stream") else _document(pins, names)
    return Content(pieces, media_type="application/json")


async def _lines(pins: AsyncIterator[dict[str, str]], names: bool) -> AsyncIterator[bytes]:
    async for pin in pins:
        shown = {"Cid": pin["Cid"], "Type": pin["Type"]}
        if names and pin["Name"]:
            shown["Name"] = pin["Name"]
        yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


async def _document(pins: AsyncIterator[dict[str, str]], names: bool) -> AsyncIterator[bytes]:
    opening = b'{"Keys":{'
    async for pin in pins:
        shown = {"Type": pin["Type"], "Name": pin["Name"] if names else ""}
        yield opening + orjson.dumps(pin["Cid"]) + b":" + orjson.dumps(shown)
        opening = b","
    yield b"{}\n" if opening != b"," else b"}}\n"


async def _listed(call: Call, kind: str) -> AsyncIterator[dict[str, str]]:
    """The pins of a type whose names have the text that was asked for."""
    encode, part = CidTexts(call), call.text("name")
    if kind != "indirect":
        async for pin in call.bus.items(PINS, PinList.from_fields({"type": kind})):
            if part in (pin.name or ""):
                yield _shown(pin, encode)
    if kind in ("indirect", "all") and not part:
        async for cid in _indirect(call):
            yield {"Cid": encode(cid), "Type": "indirect", "Name": ""}


async def _indirect(call: Call) -> AsyncIterator[str]:
    """What recursive pins keep beside their roots, each block once."""
    async for pin in call.bus.items(PINS, PinList(type="indirect")):
        yield pin.cid


async def _asked_for(call: Call, kind: str) -> AsyncIterator[dict[str, str]]:
    """The pins on the paths that were asked for; raises Failed for one that is not pinned."""
    encode = CidTexts(call)
    for arg in call.args:
        cid = await block_at(call, arg)
        found = None
        if kind != "indirect":
            async for pin in call.bus.items(PINS, PinList.from_fields({"type": kind, "cid": cid})):
                found = _shown(pin, encode)
        if found is None and kind in ("indirect", "all"):
            found = await _kept_by(call, cid, encode)
        if found is None:
            raise Failed(f"path '{arg[:200]}' is not pinned")
        yield found


async def _kept_by(call: Call, cid: str, encode: CidTexts) -> dict[str, str] | None:
    """The block as an indirect pin, with the root through which it is kept; None if no pin reaches it."""
    wanted = CID.parse(cid).multihash
    async for pin in call.bus.items(PINS, PinList(type="recursive")):
        async for ref in call.bus.items(REFS, Refs(cid=pin.cid, recursive=True, unique=True)):
            if CID.parse(ref.cid).multihash == wanted:
                return {"Cid": encode(cid), "Type": f"indirect through {encode(pin.cid)}", "Name": ""}
    return None


def _shown(pin: Pin, encode: CidTexts) -> dict[str, str]:
    return {"Cid": encode(pin.cid), "Type": pin.mode, "Name": pin.name or ""}


async def pin_verify(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each recursive pin below which a block is missing; with `verbose` for the others too."""
    encode = CidTexts(call)
    if call.flag("verbose") and call.flag("quiet"):
        raise Failed("the --verbose and --quiet options can not be used at the same time")
    async for pin in call.bus.items(PINS, PinList(type="recursive")):
        cid = encode(pin.cid)
        try:
            await call.bus.request(DAG_STAT, DagStatRequest(cids=[pin.cid]))
        except BusError as error:
            bad = str(error.details.get("name") or error.details.get("cid") or pin.cid)
            yield {"Cid": cid, "BadNodes": [{"Cid": bad, "Err": words_of(error)}]}
        else:
            if call.flag("verbose"):
                yield {"Cid": cid, "Ok": True}


_PATHS = (Argument("ipfs-path", variadic=True),)

COMMANDS = (
    Command(
        "pin/add", pin_add, "Pin objects to local storage.", _PATHS,
        (flag("recursive", "r", default=True), text("name", "n"), flag("progress")),
    ),
    Command(
        "pin/rm", pin_rm, "Remove object from pin-list.", _PATHS, (flag("recursive", "r", default=True),)
    ),
    Command(
        "pin/ls", pin_ls, "List objects pinned to local storage.",
        (Argument("ipfs-path", required=False, variadic=True),),
        (
            text("type", "t", default="all"), flag("quiet", "q"), text("name", "n"), flag("stream", "s"),
            flag("names"),
        ),
    ),
    Command(
        "pin/update", pin_update, "Update a recursive pin.", (Argument("from-path"), Argument("to-path")),
        (flag("unpin", default=True),),
    ),
    Command(
        "pin/verify", pin_verify, "Verify that recursive pins are complete.", (),
        (flag("verbose"), flag("quiet", "q")),
    ),
)  # fmt: skip
