"""What operations have done, as an entry tells of it: their documented types, and what they wrote.

A write is a letter and a path (see `schemas.journal.ChangeRecord`). Saying too much only makes a conflict
more likely; saying too little would hide one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from ...schemas.journal import MAX_PATHS_TOLD, OperationType
from ...schemas.tree import (
    AnyOperation,
    Copy,
    Metadata,
    Mkdir,
    Move,
    Outcome,
    Put,
    Remove,
    Symlink,
    Truncate,
    Write,
)  # fmt: skip

__all__ = ["collapsed", "parent_of", "paths_told", "types_of", "writes_of"]

MAX_WRITES = 1000
MAX_WRITES_BYTES = 48 * 1024


def types_of(operations: Sequence[AnyOperation], outcomes: Sequence[Outcome]) -> Counter[OperationType]:
    """How many operations of each documented type."""
    return Counter(_type(*pair) for pair in zip(operations, outcomes, strict=True))


def _type(operation: AnyOperation, outcome: Outcome) -> OperationType:
    match operation:
        case Mkdir() | Copy() | Symlink():
            return "create"
        case Put() | Write():
            return "create" if outcome.created else "write"
        case Truncate():
            return "truncate"
        case Remove():
            return "delete"
        case Move():
            return "rename"
        case Metadata():
            return "create" if outcome.created else "metadata"


def writes_of(operations: Sequence[AnyOperation], outcomes: Sequence[Outcome]) -> list[str]:
    """What a group of operations that was done may have changed, in order and at most 1,000 of it."""
    found: dict[str, None] = {}
    for operation, outcome in zip(operations, outcomes, strict=True):
        found.update(dict.fromkeys(_writes(operation, outcome)))
    return collapsed(found)


def _writes(operation: AnyOperation, outcome: Outcome) -> Iterable[str]:
    match operation:
        case Mkdir():
            if outcome.created or operation.mode is not None or operation.mtime is not None:
                yield f"e{operation.path}"
        case Write() | Truncate() | Metadata():
            yield f"e{operation.path}"
        case Put() | Remove() | Symlink():
            yield f"t{operation.path}"
        case Move():
            yield f"t{operation.source}"
            yield f"t{operation.destination}"
            yield f"t{outcome.path}"
        case Copy():
            yield f"t{operation.destination}"
            yield f"t{outcome.path}"
    if getattr(operation, "parents", False) and outcome.created:
        yield f"p{outcome.path}"


def collapsed(writes: Iterable[str]) -> list[str]:
    """Few enough writes that cover all of these: where there are many, what stands above them."""
    found = list(writes)
    while len(found) > MAX_WRITES or sum(map(len, found)) > MAX_WRITES_BYTES:
        deepest = max(path.count("/") for path in found)
        above = [f"t{parent_of(w[1:])}" if w.count("/") == deepest else w for w in found]
        found = list(dict.fromkeys(above))
    return found


def paths_told(writes: Iterable[str]) -> list[str]:
    """The paths of writes, each once, at most 100 of them."""
    return list(islice(dict.fromkeys(write[1:] for write in writes), MAX_PATHS_TOLD))


def parent_of(path: str) -> str:
    """The directory that a path stands in; the root's is the root."""
    return path.rpartition("/")[0] or "/"
