"""Codecs without links: JSON and CBOR as they are, and raw bytes.

Plain JSON has no bytes either: `{"/": …}` is a map like any other. What is written is as canonical as in
DAG-JSON and DAG-CBOR; what is read as JSON may have whitespace and any order of keys, what is read as CBOR
must be what DAG-CBOR would write, without tags.
"""

from __future__ import annotations

from typing import NoReturn

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ....schemas.ipfs import MAX_BLOCK_BYTES
from . import dagcbor
from .jsontext import JsonError, Pairs, check_depth, join_text, parse, sorted_keys, write_scalar, write_string
from .model import Value, invalid, kind_of

__all__ = ["decode_cbor", "decode_json", "decode_raw", "encode_cbor", "encode_json", "encode_raw"]


def decode_json(block: bytes, cid: CID | None = None) -> Value:
    """The value of a JSON text; raises InvalidContent(field="json") as DAG-JSON does."""
    try:
        return parse(block, _map, limit_bytes=MAX_BLOCK_BYTES)
    except JsonError as error:
        raise invalid("json", str(error), cid, limit=error.limit) from None


def _map(pairs: Pairs) -> Value:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("a key stands twice in a map")
    return found


def encode_json(value: Value) -> bytes:
    """The one text of a value, keys sorted, no whitespace; raises BadRequest for links and bytes."""
    parts: list[str] = []
    _write(value, parts, 0)
    return join_text(parts, "json")


def _write(value: Value, parts: list[str], depth: int) -> None:
    check_depth(depth)
    before = ""
    if type(value) is dict:
        parts.append("{")
        for key in sorted_keys(value):
            parts += (before, write_string(key), ":")
            _write(value[key], parts, depth + 1)
            before = ","
        parts.append("}")
    elif type(value) is list:
        parts.append("[")
        for item in value:
            parts.append(before)
            _write(item, parts, depth + 1)
            before = ","
        parts.append("]")
    else:
        parts.append(write_scalar(value, "json"))


def decode_cbor(block: bytes, cid: CID | None = None) -> Value:
    """The value of a CBOR block; raises InvalidContent(field="cbor") as DAG-CBOR does, and for tag 42."""
    return dagcbor.read(block, _no_link, "cbor", cid)


class _NoLink:
    """What nothing is, so that a link in a value is refused like any other type."""


def _no_link(_: bytes) -> NoReturn:
    raise ValueError("tag 42: a link, of which cbor has none")


def encode_cbor(value: Value) -> bytes:
    """The one block of a value; raises BadRequest(field="value") as DAG-CBOR does, and for links."""
    return dagcbor.write(value, "cbor", link=_NoLink)


def decode_raw(block: bytes, cid: CID | None = None) -> Value:
    """The block itself."""
    return block


def encode_raw(value: Value) -> bytes:
    """The bytes themselves; raises BadRequest for anything else."""
    if type(value) is not bytes:
        raise BadRequest("value", f"{kind_of(value)} where bytes are needed for raw")
    return value
