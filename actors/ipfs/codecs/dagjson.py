"""DAG-JSON: the data model as JSON, with links as `{"/": cid}` and bytes as `{"/": {"bytes": base64}}`.

Follows https://ipld.io/specs/codecs/dag-json/spec/. What is written is canonical: keys sorted by their UTF-8,
no whitespace, floats as ECMAScript writes them but always with a fraction or an exponent. What is read may
have whitespace and any order of keys, as the specification asks of readers, unless `canonical` is set; a key
that stands twice, a form that the reserved key "/" forbids and a number that no writer here could write are
refused always. As the order of keys means nothing, a map is in the reserved namespace if "/" is the first of
its sorted keys.
"""

from __future__ import annotations

import base64
import binascii

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ....schemas.ipfs import MAX_BLOCK_BYTES
from .jsontext import JsonError, Pairs, check_depth, join_text, parse, sorted_keys, write_scalar, write_string
from .model import Value, invalid

__all__ = ["decode", "encode", "links"]

NAME = "dag-json"


def decode(
    data: bytes, cid: CID | None = None, *, canonical: bool = False, limit_bytes: int = MAX_BLOCK_BYTES
) -> Value:
    """The value of a block or of what a user sent.

    Raises InvalidContent(field="dag-json"), naming `cid` if it is given, when the text breaks the format, is
    over `limit_bytes`, nests over 256 levels or has over 100,000 lists and maps; with `canonical` also when
    it is not the one text of its value.
    """
    try:
        value = parse(data, _map, limit_bytes=limit_bytes)
    except JsonError as error:
        raise invalid(NAME, str(error), cid, limit=error.limit) from None
    if canonical and encode(value) != data:
        raise invalid(NAME, "not the canonical text of its value", cid)
    return value


def encode(value: Value) -> bytes:
    """The one canonical text of a value. Raises BadRequest(field="value") for what the data model or 64 bits
    do not hold, and for maps that would read as a link or bytes or as neither."""
    parts: list[str] = []
    _write(value, parts, 0)
    return join_text(parts, NAME)


def links(block: bytes, cid: CID | None = None) -> list[CID]:
    """What a block links to, in its own order; raises as `decode` does."""
    found: list[CID] = []

    def note(pairs: Pairs) -> Value:
        value = _map(pairs)
        if isinstance(value, CID):
            found.append(value)
        return value

    try:
        parse(block, note, limit_bytes=MAX_BLOCK_BYTES)
    except JsonError as error:
        raise invalid(NAME, str(error), cid, limit=error.limit) from None
    return found


def _map(pairs: Pairs) -> Value:
    """What a JSON object stands for: a map, a link or bytes."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("a key stands twice in a map")
    if "/" not in found:
        return found
    match _reserved(found):
        case None:
            return found
        case str(text) if len(found) == 1:
            return _link(text)
        case dict(inner) if len(found) == len(inner) == 1:
            return _bytes(str(inner["bytes"]))
    raise JsonError('a map with the reserved key "/" is neither a link nor bytes')


def _reserved(found: dict[str, Value]) -> str | dict[str, Value] | None:
    """What stands under the key "/" if it has the form of a link or bytes; None means a plain map."""
    inner = found["/"]
    if min(found) != "/":
        return None
    if isinstance(inner, str):
        return inner
    if isinstance(inner, dict) and inner and min(inner) == "bytes" and isinstance(inner["bytes"], str):
        return inner
    return None


def _link(text: str) -> CID:
    try:
        cid = CID.parse(text)
    except BadRequest as error:
        raise JsonError(f"a link is not a CID: {error.problem}") from None
    if cid.version == 1 and text[0] != "b":
        raise JsonError("a link to a version 1 CID is not in base32")
    return cid


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise JsonError("bytes are not in base64") from None
    if _base64(raw) != text:
        raise JsonError("bytes are not in base64 without padding, its last bits zero")
    return raw


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode()


def _write(value: Value, parts: list[str], depth: int) -> None:
    kind = type(value)
    if kind is dict:
        _write_map(value, parts, depth + 1)  # type: ignore[arg-type]  # its exact type was asked for
    elif kind is list:
        _write_list(value, parts, depth + 1)  # type: ignore[arg-type]
    elif kind is CID:
        parts.append(f'{{"/":"{value!s}"}}')
    elif kind is bytes:
        parts.append(f'{{"/":{{"bytes":"{_base64(value)}"}}}}')  # type: ignore[arg-type]
    else:
        parts.append(write_scalar(value, NAME))


def _write_map(value: dict[str, Value], parts: list[str], depth: int) -> None:
    check_depth(depth)
    if "/" in value and _reserved(value) is not None:
        raise BadRequest("value", f'a map with the reserved key "/" cannot be written as {NAME}')
    before = "{"
    for key in sorted_keys(value):
        parts += (before, write_string(key), ":")
        _write(value[key], parts, depth)
        before = ","
    parts.append("}" if value else "{}")


def _write_list(value: list[Value], parts: list[str], depth: int) -> None:
    check_depth(depth)
    before = "["
    for item in value:
        parts.append(before)
        _write(item, parts, depth)
        before = ","
    parts.append("]" if value else "[]")
