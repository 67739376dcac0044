"""Where a page ended, as an opaque text: URL-safe, checksummed, and of one query only.

A cursor holds the sort values and the CID of the last row, not a position: rows that move to another segment
or change in other columns are still met exactly once. A row whose own sort values change between two pages
may be met twice or not at all.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ..columns import Columns
from .filter import And, Compare, HeatLog, IsNull, Node, Not, Or
from .order import SortKey
from .values import Kind, kind_of

__all__ = ["Cursor", "query_hash"]

VERSION = 1
MAX_CURSOR_CHARS = 65_536
HASH_BYTES = 12


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: `values` of all sort keys but `cid`. Heat stands as a number that no moment and
    no epoch changes, times in the column's unit."""

    values: tuple[Any, ...]
    cid: str

    def encode(self, query_hash: str) -> str:
        body = orjson.dumps([VERSION, query_hash, list(self.values), self.cid])
        raw = zlib.crc32(body).to_bytes(4, "big") + body
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @staticmethod
    def decode(text: object, query_hash: str, keys: Sequence[SortKey], columns: Columns) -> Cursor:
        """Raises BadRequest(field="cursor") for what is no cursor, or one of another query."""
        version, of_query, values, cid = _opened(text)
        if version != VERSION:
            raise BadRequest("cursor", "is of another version of this index")
        if of_query != query_hash:
            raise BadRequest("cursor", "belongs to another query: filter and sort must stay the same")
        kinds = [kind_of(columns[key.column].type) for key in keys[:-1]]
        if len(values) != len(kinds) or not all(map(_fits, kinds, values)):
            raise _not_a_cursor()
        return Cursor(tuple(values), cid)

    def rest(self, keys: Sequence[SortKey], columns: Columns) -> Node:
        """The filter of what comes after; `keys` end with `cid`."""
        node: Node = Compare("cid", "lt" if keys[-1].descending else "gt", self.cid)
        for key, value in reversed(list(zip(keys[:-1], self.values, strict=True))):
            node = _after(key, value, kind_of(columns[key.column].type), node)
        return node


def query_hash(node: Node, keys: Sequence[SortKey]) -> str:
    """What tells queries apart for cursors: the filter and the order."""
    return blake2b(repr((node, tuple(keys))).encode(), digest_size=HASH_BYTES).hexdigest()


def _opened(text: object) -> tuple[int, str, list[Any], str]:
    if not isinstance(text, str):
        raise _not_a_cursor()
    if len(text) > MAX_CURSOR_CHARS:
        raise BadRequest("cursor", f"is longer than {MAX_CURSOR_CHARS} characters", limit=MAX_CURSOR_CHARS)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if zlib.crc32(raw[4:]).to_bytes(4, "big") != raw[:4]:
            raise _not_a_cursor()
        version, of_query, values, cid = orjson.loads(raw[4:])
        if not isinstance(values, list):
            raise _not_a_cursor()
        return version, of_query, values, str(CID.parse(cid))
    except (binascii.Error, ValueError, TypeError, AttributeError):
        raise _not_a_cursor() from None
    except BadRequest:
        raise _not_a_cursor() from None


def _not_a_cursor() -> BadRequest:
    return BadRequest("cursor", "is not one that was given out here, or was changed on its way")


def _fits(kind: Kind, value: Any) -> bool:
    if value is None:
        return True
    if kind in {"integer", "time"}:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "real":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool if kind == "bool" else str)


def _after(key: SortKey, value: Any, kind: Kind, among_equals: Node) -> Node:
    name = key.column
    if name == "heat_score":
        value = HeatLog(float("-inf") if value is None else float(value))
    elif value is None:
        return And((_is_last(name, kind), among_equals))
    equal = And((Compare(name, "eq", value), among_equals))
    if kind == "bool":
        beyond = Compare(name, "eq", not value) if value == key.descending else Or(())
        return Or((beyond, IsNull(name), equal))
    # Not "up to here" is also true of nulls, which come last.
    return Or((Not(Compare(name, "gte" if key.descending else "lte", value)), equal))


def _is_last(name: str, kind: Kind) -> Node:
    """Null, or NaN, which is ordered like null."""
    return Not(Compare(name, "gte", float("-inf"))) if kind == "real" else IsNull(name)
