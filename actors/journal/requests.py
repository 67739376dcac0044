"""What a request means as operations on the tree."""

from __future__ import annotations

import time
from typing import Any, TypeVar, get_args

from ...schemas import journal
from ...schemas.errors import BadRequest
from ...schemas.journal import OperationType
from ...schemas.tree import AnyOperation, Metadata, Mkdir, Move, Operation, Put, Remove, Truncate, Write
from ...schemas.wire import Wire

__all__ = ["meaning"]


def _plain(kind: Any, ask: Operation) -> AnyOperation:
    """The operation that a request is, without what the request says besides."""
    operation: AnyOperation = kind.model_construct(**{name: getattr(ask, name) for name in kind.model_fields})
    return operation


def meaning(ask: Wire) -> tuple[list[AnyOperation], OperationType | None]:
    """The operations of a request, and its documented type where they do not tell.

    Raises BadRequest for a `Recorded` operation that lacks what its type needs.
    """
    if isinstance(ask, Operation):
        kind = next(kind for kind in type(ask).__mro__ if kind in _KINDS)
        return [_plain(kind, ask)], None
    match ask:
        case journal.Apply():
            return list(ask.operations), None
        case journal.Touch():
            mtime = time.time() if ask.mtime is None else ask.mtime
            return [Metadata(path=ask.path, mtime=mtime, create=ask.create)], None
        case journal.Chmod():
            return [Metadata(path=ask.path, mode=ask.mode)], None
        case journal.Mount():
            return [Put(path=ask.path, cid=ask.cid, parents=True)], "mount"
        case journal.Unmount():
            return [Remove(path=ask.path, recursive=True)], "unmount"
        case journal.Recorded():
            return _recorded(ask)
    raise TypeError(f"{type(ask).__name__} is no change of the tree")


_KINDS = get_args(get_args(AnyOperation)[0])


def _recorded(ask: journal.Recorded) -> tuple[list[AnyOperation], OperationType | None]:
    """An operation in the documented words; `metadata` may also stand in its own field."""
    path, data = ask.path, dict(ask.data or {})
    match ask.operation_type:
        case "create" if data.pop("directory", False) is True:
            return [_made(Mkdir, data, path=path, parents=True)], None
        case "create" if "cid" in data:
            return [_made(Put, data, path=path, parents=True, overwrite=False)], None
        case "create":
            return [_made(Write, data, path=path, parents=True, truncate=True)], None
        case "write":
            return [_made(Write, data, path=path)], None
        case "delete":
            return [_made(Remove, data, path=path)], None
        case "rename":
            return [_made(Move, data, source=path, exact=True)], None
        case "truncate":
            if "size" in data:
                data["size_bytes"] = data.pop("size")
            return [_made(Truncate, data, path=path)], None
        case "metadata":
            return [_made(Metadata, dict(ask.metadata or {}) | data, path=path)], None
        case "mount":
            return [_made(Put, data, path=path, parents=True)], "mount"
        case "unmount":
            return [_made(Remove, data, path=path, recursive=True)], "unmount"
        case _:
            raise BadRequest("operation_type", "a checkpoint has no operations: ask for one")


W = TypeVar("W", bound=Wire)


def _made(kind: type[W], data: dict[str, object], **fixed: object) -> W:
    try:
        return kind.from_fields(fixed | data)
    except BadRequest as wrong:
        raise BadRequest(f"data.{wrong.field}", wrong.problem, limit=wrong.details.get("limit")) from None
