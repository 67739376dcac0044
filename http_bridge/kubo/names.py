"""IPNS: names, their records, and the keys that make them. No private key ever crosses the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from ...schemas import names
from ...schemas.cid import CID
from ...schemas.errors import BadRequest, Conflict, NotFound
from ...schemas.ipfs import IdRequest
from ...schemas.subjects import (
    ID,
    KEY_GEN,
    KEY_RENAME,
    KEY_RM,
    KEYS,
    NAME_GET,
    NAME_INSPECT,
    NAME_PUBLISH,
    NAME_PUT,
    NAME_RESOLVE,
)  # fmt: skip
from ..replies import JSON
from .command import Argument, Call, Command, Content, flag, number, text
from .errors import BadCall, Failed
from .forms import files, whole_file
from .multibase import base_named

__all__ = ["COMMANDS"]


# ---- names ----------------------------------------------------------------------------------------------


async def publish(call: Call) -> dict[str, str]:
    ask = names.NamePublish.from_fields(
        {
            "path": _as_path(call.arg),
            "key": call.text("key"),
            "lifetime": call.text("lifetime"),
            "ttl": call.text("ttl"),
            "resolve": call.flag("resolve"),
            "allow_offline": call.flag("allow-offline") or call.flag("allow-delegated"),
            "sequence": call.number("sequence"),
        }
    )
    try:
        done = await call.bus.request(NAME_PUBLISH, ask)
    except NotFound as error:
        if error.what != "key":
            raise
        raise Failed("no key by the given name was found") from error
    return {"Name": _name_text(done.name, call), "Value": done.value}


def _as_path(text: str) -> str:
    return text if text.startswith("/") else f"/ipfs/{text}"


async def resolve(call: Call) -> Content:
    """`{"Path"}`; without an argument this node's own name."""
    name = call.arg if call.args else (await call.bus.request(ID, IdRequest())).id
    ask = names.NameResolve.from_fields(
        {"name": name, "recursive": call.flag("recursive"), "nocache": call.flag("nocache")}
    )
    found = await call.bus.request(NAME_RESOLVE, ask)

    async def one() -> AsyncIterator[bytes]:
        yield orjson.dumps({"Path": found.path}, option=orjson.OPT_APPEND_NEWLINE)

    return Content(one(), media_type=JSON)


async def inspect(call: Call) -> dict[str, Any]:
    """What a record says, and with `verify` whether that name's key has signed it."""
    record = await _record(call)
    verify = call.text("verify") or None
    ask = names.NameInspect.from_fields({"record": record, "name": verify})
    seen = await call.bus.request(NAME_INSPECT, ask)
    entry = {
        "Value": seen.value,
        "ValidityType": 0,
        "Validity": seen.validity,
        "Sequence": seen.sequence,
        "TTL": round(seen.ttl_s * 1e9),
    }
    validation = {"Valid": bool(seen.valid), "Reason": seen.problem or "", "Name": verify}
    return {
        "Entry": entry,
        "PbSize": len(record),
        "SignatureType": "V1+V2" if seen.has_v1 else "V2",
        "HexDump": _hex_dump(record, call),
        "Validation": None if verify is None else validation,
    }


def _hex_dump(record: bytes, call: Call) -> str:
    return record.hex() if call.flag("dump") else ""


async def get(call: Call) -> Content:
    """The signed record of a name."""
    found = await call.bus.request(NAME_GET, names.NameGet.from_fields({"name": call.arg}))

    async def one() -> AsyncIterator[bytes]:
        yield found.record

    return Content(one(), length=len(found.record))


async def put(call: Call) -> dict[str, str]:
    """Keep a record that somebody else signed."""
    record = await _record(call)
    ask = names.NamePut.from_fields({"name": call.arg, "record": record})
    done = await call.bus.request(NAME_PUT, ask)
    return {"Name": done.name}


async def _record(call: Call) -> bytes:
    async for part in files(call):
        return await whole_file(call, part, names.MAX_RECORD_BYTES, "record")
    raise BadRequest("record", "the form has no file")


# ---- keys -----------------------------------------------------------------------------------------------


async def key_gen(call: Call) -> dict[str, str]:
    _leave_self_alone("create", call.arg)
    fields: dict[str, object] = {"name": call.arg, "type": call.text("type")}
    if call.text("type") == "rsa":
        fields["size"] = call.number("size")  # clients send one for other keys too, which have none
    try:
        made = await call.bus.request(KEY_GEN, names.KeyGen.from_fields(fields))
    except Conflict as error:
        if "name" not in error.details:
            raise
        raise Failed(f"key with name '{call.arg}' already exists") from error
    return _key(made, call)


async def key_list(call: Call) -> dict[str, Any]:
    return {"Keys": [_key(key, call) async for key in call.bus.items(KEYS, names.KeyList())]}


async def key_rename(call: Call) -> dict[str, Any]:
    _leave_self_alone("rename", call.args[0])
    _leave_self_alone("overwrite", call.args[1])
    ask = names.KeyRename.from_fields(
        {"name": call.args[0], "new_name": call.args[1], "force": call.flag("force")}
    )
    done = await call.bus.request(KEY_RENAME, ask)
    return {"Was": done.was, "Now": done.now, "Id": _name_text(done.id, call), "Overwrite": done.overwritten}


async def key_rm(call: Call) -> dict[str, Any]:
    _leave_self_alone("remove", *call.args)
    gone = [await call.bus.request(KEY_RM, names.KeyRemove.from_fields({"name": arg})) for arg in call.args]
    return {"Keys": [_key(key, call) for key in gone]}


def _leave_self_alone(verb: str, *given: str) -> None:
    """The node's own key is not to be changed; raises Failed, in Kubo's words, for a name that is its."""
    if "self" in given:
        raise Failed(f"cannot {verb} key with name 'self'")


def _key(key: names.Key, call: Call) -> dict[str, str]:
    return {"Name": key.name, "Id": key.peer_id if _wants_peer_id(call) else _name_text(key.id, call)}


def _wants_peer_id(call: Call) -> bool:
    return call.text("ipns-base") in ("b58mh", "v0")


def _name_text(name: str, call: Call) -> str:
    """A name in the base that `ipns-base` asks for."""
    wanted = call.text("ipns-base")
    if not wanted or wanted == "base36":
        return name
    cid = CID.parse(name)
    if _wants_peer_id(call):
        return base_named("base58btc").encode(cid.multihash)
    try:
        return base_named({"k": "base36", "b": "base32"}.get(wanted, wanted)).text(bytes(cid))
    except KeyError:
        raise BadCall(f"ipns-base: {wanted[:32]!r} is no base") from None


_NAME = (Argument("name"),)
_BASE = text("ipns-base", default="base36")

COMMANDS = (
    Command(
        "name/publish", publish, "Publish IPNS names.", (Argument("ipfs-path"),),
        (
            text("key", "k", default="self"), flag("resolve", default=True),
            text("lifetime", "t", default="48h0m0s"), text("ttl", default="5m0s"), flag("quieter", "Q"),
            flag("v1compat", default=True), flag("allow-offline"), flag("allow-delegated"),
            number("sequence", kind="int64"), _BASE,
        ),
    ),
    Command(
        "name/resolve", resolve, "Resolve IPNS names.", (Argument("name", required=False),),
        (
            flag("recursive", "r", default=True), flag("nocache", "n"),
            number("dht-record-count", "dhtrc", kind="uint"), text("dht-timeout", "dhtt"),
            flag("stream", "s"),
        ),
    ),
    Command(
        "name/inspect", inspect, "Inspects an IPNS Record", (Argument("record", file=True),),
        (text("verify"), flag("dump", default=True)),
    ),
    Command("name/get", get, "Retrieve a signed IPNS record.", _NAME),
    Command(
        "name/put", put, "Store a pre-signed IPNS record.", (*_NAME, Argument("record", file=True)),
        (flag("force"), flag("allow-offline")),
    ),
    Command(
        "key/gen", key_gen, "Create a new keypair", _NAME,
        (text("type", "t", default="ed25519"), number("size", "s"), _BASE),
    ),
    Command("key/list", key_list, "List all local keypairs.", (), (flag("l"), _BASE)),
    Command("key/ls", key_list, "List all local keypairs.", (), (flag("l"), _BASE)),
    Command(
        "key/rename", key_rename, "Rename a keypair.", (*_NAME, Argument("newName")),
        (flag("force", "f"), _BASE),
    ),
    Command(
        "key/rm", key_rm, "Remove a keypair.", (Argument("name", variadic=True),), (flag("l"), _BASE)
    ),
)  # fmt: skip
