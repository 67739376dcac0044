"""Errors as Kubo tells them: `{"Message", "Code", "Type": "error"}`, or a line of text before a command runs.

Clients look for Kubo's own words in some messages, so what means the same is worded the same here.
"""

from __future__ import annotations

import orjson
from aiohttp import web

from ...schemas.errors import (
    BadRequest,
    BusError,
    Busy,
    Cancelled,
    DeadlineExceeded,
    Forbidden,
    NotFound,
    NotSupported,
)
from ..problems import OPERATION_ID, MethodNotAllowed

__all__ = ["BadCall", "Failed", "Unmet", "UnknownCommand", "missing_block", "told", "words_of"]

NORMAL, CLIENT, NOT_IMPLEMENTED, RATE_LIMITED = 0, 1, 2, 3
METHODS = "OPTIONS, POST"


class BadCall(BusError):
    """A request that no command can be made of."""

    code, kind = 400, "bad_call"


class UnknownCommand(BusError):
    """A path that names no command."""

    code, kind = 404, "unknown_command"

    def __init__(self) -> None:
        super().__init__("404 page not found")


class Failed(BusError):
    """A command that failed, in Kubo's words."""

    code, kind = 500, "failed"


class Unmet(BusError):
    """A command, or an option of one, that cidbus does not have."""

    code, kind = 501, "unmet"


def told(error: BusError, operation_id: str) -> web.Response:
    """The answer that tells of an error, before anything else of the answer has been sent."""
    headers = {OPERATION_ID: operation_id, "Cache-Control": "no-store"}
    if isinstance(error, BadCall | UnknownCommand):
        return _line(error.code, error.message, headers)
    if isinstance(error, Forbidden):
        return _line(403, "403 - Forbidden", headers)
    if isinstance(error, MethodNotAllowed):
        return _line(405, "405 - Method Not Allowed", headers | {"Allow": METHODS})
    status, code = _status(error)
    body = {"Message": words_of(error), "Code": code, "Type": "error"}
    headers |= {"Content-Type": "application/json"} | ({"Retry-After": "1"} if status == 429 else {})
    return web.Response(
        status=status, body=orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE), headers=headers
    )


def words_of(error: BusError) -> str:
    """The message in Kubo's words where Kubo has some."""
    if isinstance(error, NotFound):
        return _not_found(error)
    if isinstance(error, DeadlineExceeded):
        return "context deadline exceeded"
    if isinstance(error, Cancelled):
        return "context canceled"
    if _is_directory(error):
        return "this dag node is a directory"
    return error.message


def missing_block(cid: str) -> str:
    return f"block was not found locally (offline): ipld: could not find {cid}"


def _not_found(error: NotFound) -> str:
    facts = error.details
    what, name = facts.get("what"), facts.get("name")
    if what == "block":
        return missing_block(str(name))
    if what == "path" and "missing" in facts:
        return f'no link named "{facts["missing"]}" under {facts.get("cid", name)}'
    if what == "pin":
        return "not pinned or pinned indirectly"
    if what == "key":
        return f"no key named {name} was found"
    if what in ("peer", "name"):
        return f"routing: not found: {what} {name}"
    return error.message


def _is_directory(error: BusError) -> bool:
    return isinstance(error, BadRequest) and error.message.endswith("is a directory, not a file")


def _status(error: BusError) -> tuple[int, int]:
    if isinstance(error, Busy) or error.code == 429:
        return 429, RATE_LIMITED
    if _is_directory(error):
        return 500, NORMAL
    if isinstance(error, NotSupported | Unmet):
        return 501, NOT_IMPLEMENTED
    if error.code in (400, 408, 413, 416):
        return 400, CLIENT
    return 500, NORMAL


def _line(status: int, line: str, headers: dict[str, str]) -> web.Response:
    headers = headers | {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return web.Response(status=status, body=line.encode() + b"\n", headers=headers)
