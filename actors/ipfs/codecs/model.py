"""The IPLD data model in Python, and how much of it one block may hold.

A value is None, bool, int, float, str, bytes, a list, a dict with str keys, or a CID, which is a link
(https://ipld.io/docs/data-model/). A CID is a tuple and no other tuple is a value, so a link is told by its
exact type.
"""

from __future__ import annotations

from typing import TypeAlias

from ....schemas.cid import CID
from ....schemas.errors import InvalidContent

__all__ = ["Value", "kind_of", "MAX_DEPTH", "MAX_CONTAINERS", "MIN_INT", "MAX_INT"]

Value: TypeAlias = "bool | int | float | str | bytes | CID | list[Value] | dict[str, Value] | None"

# How deep lists and maps may stand in each other: everything that walks a value may then recurse.
MAX_DEPTH = 256
# Lists and maps in one block. An empty map takes one byte of a block and a hundred in memory: with this
# bound, what a block of 2 MiB decodes to stays below 64 MiB.
MAX_CONTAINERS = 100_000
# What CBOR writes without bignums: 64 bits and a sign.
MIN_INT, MAX_INT = -(1 << 64), (1 << 64) - 1

_KINDS = {
    type(None): "null", bool: "boolean", int: "integer", float: "float", str: "string", bytes: "bytes",
    CID: "link", list: "list", dict: "map",
}  # fmt: skip


def kind_of(value: object) -> str:
    """The data model's name for what a value is; for what is no value, the name of its type."""
    return _KINDS.get(type(value), type(value).__name__)


def invalid(codec: str, problem: str, cid: CID | None, *, limit: int | None = None) -> InvalidContent:
    """The error of a block that breaks its codec's format."""
    return InvalidContent(codec, problem, cid=None if cid is None else str(cid), limit=limit)
