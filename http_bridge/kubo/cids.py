"""CIDs and multibase texts taken apart and written otherwise; asks no actor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ...schemas.cid import CID, CODECS, DAG_PB, HASHES, SHA2_256
from ...schemas.errors import BadRequest
from ..bodies import once
from .command import Argument, Call, Command, Content, flag, text
from .errors import Failed
from .forms import files, whole_file
from .multibase import BASES, Base, base_named, base_of, decode

__all__ = ["COMMANDS"]

MAX_TEXT_BYTES = 1024 * 1024
HASH_NAMES = {code: name for code, (name, _, _) in HASHES.items()}


async def cid_format(call: Call) -> AsyncIterator[dict[str, str]]:
    """A line for each CID: `{"CidStr", "Formatted", "ErrorMsg"}`."""
    form, version, codec = call.text("f"), call.text("v"), call.text("mc")
    base = _base(call.text("b")) if call.text("b") else None
    if version not in ("", "0", "1"):
        raise Failed(f'invalid cid version: "{version[:16]}"')
    if base is not None and version == "0" and base.name != "base58btc":
        raise Failed("cannot convert to CIDv0 with any multibase other than the implicit base58btc")
    if base is not None and not version and form == "%s":
        version = "1"  # version 0 is written in no base
    if codec and codec not in CODECS:
        raise Failed(f'unknown multicodec: "{codec[:64]}"')
    _check_form(form)
    for arg in call.args:
        yield _formatted(arg, form, version, codec, base)


async def cid_base32(call: Call) -> AsyncIterator[dict[str, str]]:
    for arg in call.args:
        yield _formatted(arg, "%s", "1", "", base_named("base32"))


def _formatted(arg: str, form: str, version: str, codec: str, base: Base | None) -> dict[str, str]:
    try:
        cid, own_base = _read(arg)
        cid = _changed(cid, version, codec)
        shown = _written(cid, form, base or own_base)
    except BadRequest as error:
        return {"CidStr": arg, "Formatted": "", "ErrorMsg": f"invalid cid: {error.problem}"}
    except ValueError as error:
        return {"CidStr": arg, "Formatted": "", "ErrorMsg": str(error)}
    return {"CidStr": arg, "Formatted": shown, "ErrorMsg": ""}


def _read(arg: str) -> tuple[CID, Base]:
    """The CID and the base it is written in."""
    if len(arg) == 46 and arg.startswith("Qm"):
        return CID.parse(arg), base_named("base58btc")
    if len(arg) > 512:
        raise ValueError("invalid cid: longer than 512 characters")
    try:
        return CID.from_bytes(decode(arg)), base_of(arg)
    except ValueError as error:
        raise ValueError(f"invalid cid: {error}") from None


def _changed(cid: CID, version: str, codec: str) -> CID:
    if codec and CODECS[codec] != cid.codec:
        cid = CID(1, CODECS[codec], cid.multihash)
    if version == "1":
        return cid.to_v1()
    if version == "0" and cid.version == 1:
        if cid.codec != DAG_PB or cid.hash_code != SHA2_256:
            raise ValueError("can't convert non-dag-pb nodes to cidv0")
        return CID(0, DAG_PB, cid.multihash)
    return cid


def _written(cid: CID, form: str, base: Base) -> str:
    """A CID by go-cid's format: %b base, %v version, %c codec, %h hash, %L length, %m and %d digests, …"""
    if cid.version == 0:
        base = base_named("base58btc")
    values = {
        "%": "%",
        "b": base.name,
        "B": base.prefix,
        "v": f"cidv{cid.version}",
        "V": str(cid.version),
        "c": cid.codec_name,
        "C": str(cid.codec),
        "h": HASH_NAMES[cid.hash_code],
        "H": str(cid.hash_code),
        "L": str(len(cid.digest)),
        "m": base.text(cid.multihash),
        "M": base.encode(cid.multihash),
        "d": base.text(cid.digest),
        "D": base.encode(cid.digest),
        "s": base.encode(bytes(cid)) if cid.version == 0 else base.text(bytes(cid)),
        "S": base.encode(bytes(cid)),
        "P": f"cidv{cid.version}-{cid.codec_name}-{HASH_NAMES[cid.hash_code]}-{len(cid.digest)}",
    }
    parts = form.split("%")
    written, index = [parts[0]], 1
    while index < len(parts):
        part = parts[index]
        if not part:  # "%%"
            written.append("%" + (parts[index + 1] if index + 1 < len(parts) else ""))
            index += 2
            continue
        written.append(values[part[0]] + part[1:])
        index += 1
    return "".join(written)


def _check_form(form: str) -> None:
    at = form.find("%")
    while at >= 0:
        letter = form[at + 1 : at + 2]
        if not letter:
            raise Failed("premature end of format string")
        if letter not in "%bBvVcChHLmMdDsSP":
            raise Failed(f"unrecognized specifier in format string: %{letter}")
        at = form.find("%", at + 2)


async def bases(call: Call) -> list[dict[str, Any]]:
    return [{"Code": ord(base.prefix), "Name": base.name} for base in BASES]


async def codecs(call: Call) -> list[dict[str, Any]]:
    return [{"Code": code, "Name": name} for name, code in sorted(CODECS.items(), key=lambda item: item[1])]


async def hashes(call: Call) -> list[dict[str, Any]]:
    supported = call.flag("supported")
    known = ((code, name, new) for code, (name, _, new) in sorted(HASHES.items()))
    return [{"Code": code, "Name": name} for code, name, new in known if new or not supported or code == 0]


# ---- multibase ------------------------------------------------------------------------------------------


async def encode(call: Call) -> Content:
    base = _base(call.text("b"))
    return Content(once(base.text(await _body(call)).encode("latin-1")))


async def decode_text(call: Call) -> Content:
    return Content(once(await _decoded(call)))


async def transcode(call: Call) -> Content:
    base = _base(call.text("b"))
    return Content(once(base.text(await _decoded(call)).encode("latin-1")))


async def _decoded(call: Call) -> bytes:
    try:
        return decode((await _body(call)).decode("latin-1"))
    except ValueError as error:
        raise Failed(f"failed to decode multibase: {error}") from None


async def _body(call: Call) -> bytes:
    async for part in files(call):
        return await whole_file(call, part, MAX_TEXT_BYTES, "encoded_file")
    raise Failed("expected a file argument")


def _base(name: str) -> Base:
    """The base of that name or prefix; raises Failed."""
    for base in BASES:
        if name in (base.name, base.prefix):
            return base
    raise Failed(f"unsupported multibase encoding: {name[:32]}")


_CIDS = (Argument("cid", variadic=True),)
_LISTS = (flag("prefix"), flag("numeric"), flag("supported", "s"))

COMMANDS = (
    Command(
        "cid/format", cid_format, "Format and convert a CID in various useful ways.", _CIDS,
        (text("f", default="%s"), text("v"), text("mc"), text("b")),
    ),
    Command("cid/base32", cid_base32, "Convert CIDs to Base32 CID version 1.", _CIDS),
    Command("cid/bases", bases, "List available multibase encodings.", (), _LISTS),
    Command("cid/codecs", codecs, "List available CID multicodecs.", (), _LISTS),
    Command("cid/hashes", hashes, "List available multihashes.", (), _LISTS),
    Command(
        "multibase/encode", encode, "Encode data into multibase string", (Argument("file", file=True),),
        (text("b", default="base64url"),),
    ),
    Command(
        "multibase/decode", decode_text, "Decode multibase string", (Argument("encoded_file", file=True),)
    ),
    Command(
        "multibase/transcode", transcode, "Transcode multibase string between bases",
        (Argument("encoded_file", file=True),), (text("b", default="base64url"),),
    ),
    Command("multibase/list", bases, "List available multibase encodings.", (), _LISTS),
)  # fmt: skip
