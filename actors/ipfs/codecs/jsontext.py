"""JSON text, strictly: what DAG-JSON and plain JSON share.

Parsing is the standard library's, with everything refused that RFC 8259 leaves open and that could be read in
two ways: keys that stand twice (by the caller's `make_map`), NaN and infinities, numbers beyond 64 bits or a
double's range, lone surrogates, byte order marks, encodings other than UTF-8.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, cast

from ....schemas.errors import BadRequest
from .model import MAX_CONTAINERS, MAX_DEPTH, MAX_INT, MIN_INT, Value, kind_of

__all__ = ["JsonError", "Pairs", "parse"]
__all__ += ["check_depth", "join_text", "sorted_keys", "write_scalar", "write_string"]

Pairs = list[tuple[str, Value]]

# Minus, and the twenty digits of 2^64.
_MAX_INT_CHARS = 21
# A bracket, or a string with its end or without, so that no byte is looked at twice.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Every escape in turn, pairs of surrogates as one; only a lone surrogate is in the group.
_ESCAPE = re.compile(r"\\(?:[^u]|u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F])|u)")


class JsonError(ValueError):
    """What is wrong with a text, before it is known which block it came from; `limit` is what it broke."""

    def __init__(self, problem: str, *, limit: int | None = None) -> None:
        super().__init__(problem)
        self.limit = limit


def parse(data: bytes, make_map: Callable[[Pairs], Value], *, limit_bytes: int) -> Value:
    """The value of a text, each object being what `make_map` makes of its pairs; inner ones are made first
    and otherwise the first in the text. Raises JsonError."""
    if len(data) > limit_bytes:
        raise JsonError(f"larger than {limit_bytes} bytes", limit=limit_bytes)
    check_claims(data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise JsonError("not UTF-8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=make_map, parse_int=_int, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at character {error.pos}") from None
    if _SURROGATE.search(text) and any(escape.group(1) for escape in _ESCAPE.finditer(text)):
        raise JsonError("a lone surrogate in a string")
    return cast(Value, value)


def check_claims(data: bytes) -> None:
    """Brackets are counted before anything is built: the parser recurses, and an empty object is a hundred
    times larger in memory than in the text. Which are in strings matters only where there are many."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = containers = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        byte = data[token.start()]
        if byte in b"[{":
            depth += 1
            containers += 1
            if depth > MAX_DEPTH:
                raise JsonError(f"nested deeper than {MAX_DEPTH} levels", limit=MAX_DEPTH)
            if containers > MAX_CONTAINERS:
                raise JsonError(f"more than {MAX_CONTAINERS} lists and maps", limit=MAX_CONTAINERS)
        elif byte in b"]}":
            depth -= 1


def _int(text: str) -> int:
    if len(text) > _MAX_INT_CHARS or not MIN_INT <= (number := int(text)) <= MAX_INT:
        raise JsonError("an integer is beyond 64 bits", limit=MAX_INT)
    return number


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise JsonError("a float is beyond the range of 64 bits")
    return number


def _constant(text: str) -> Any:
    raise JsonError(f"{text} is not a number")


def join_text(parts: list[str], codec: str) -> bytes:
    """The text in UTF-8; raises BadRequest for lone surrogates and for what `parse` would refuse to read."""
    try:
        data = "".join(parts).encode()
        check_claims(data)
    except UnicodeEncodeError:
        raise BadRequest("value", f"a string cannot be written as UTF-8, as {codec} needs") from None
    except JsonError as error:
        raise BadRequest("value", str(error), limit=error.limit) from None
    return data


def check_depth(depth: int) -> None:
    """Raises BadRequest for a value that nests too deep to go on writing it."""
    if depth > MAX_DEPTH:
        raise BadRequest("value", f"nested deeper than {MAX_DEPTH} levels", limit=MAX_DEPTH)


def sorted_keys(value: dict[str, Value]) -> list[str]:
    """The keys in the order of their UTF-8, which is that of their code points."""
    if not all(type(key) is str for key in value):
        raise BadRequest("value", "a map with keys that are not strings")
    return sorted(value)


def write_string(text: str) -> str:
    """A string in quotes, escaped no more than JSON asks for."""
    return encode_basestring(text)


def write_scalar(value: Value, codec: str) -> str:
    """The text of what is no map, list, link or bytes; raises BadRequest for what is no such value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str() if type(value) is str:
            return write_string(value)
        case int() if type(value) is int:
            if MIN_INT <= value <= MAX_INT:
                return str(value)
            raise BadRequest("value", "an integer is beyond 64 bits", limit=MAX_INT)
        case float() if type(value) is float:
            return _write_float(value)
    raise BadRequest("value", f"{kind_of(value)} cannot be written as {codec}")


def _write_float(number: float) -> str:
    """The shortest text that reads as the same float and not as an integer, in ECMAScript's notation."""
    if not math.isfinite(number):
        raise BadRequest("value", f"{number} is not in the data model")
    text = repr(number)
    if "e" not in text:
        return text
    if 1e-6 <= abs(number) < 1e21:
        plain = format(Decimal(text), "f")
        return plain if "." in plain else plain + ".0"
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{int(exponent):+d}"
