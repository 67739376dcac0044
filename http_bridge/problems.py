"""Errors as HTTP answers: RFC 9457 problem documents, and the errors that only HTTP has."""

from __future__ import annotations

import logging
import math
import secrets
from typing import Any

import orjson
from aiohttp import web
from multidict import istr

from ..schemas.errors import BusError, Cancelled, Internal, Unavailable

__all__ = [
    "problem", "problem_body", "conceal", "status_of", "REASONS",
    "NoSuchRoute", "MethodNotAllowed", "SlowRequest", "NoRoom", "ExpectationFailed", "UnsupportedMediaType",
    "HeadTooLarge", "PreconditionFailed",
]  # fmt: skip

log = logging.getLogger(__name__)

OPERATION_ID = istr("X-Operation-ID")
SERVER = {"Server": "cidbus"}
PROBLEM_TYPE = "application/problem+json"
MEMBERS = frozenset({"type", "title", "status", "detail", "operation_id", "success", "retryable"})
TYPE_PREFIX = "urn:cidbus:problem:"


class NoSuchRoute(BusError):
    """Nothing is served at this path."""

    code, kind = 404, "no_such_route"

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing is served at {path}; /docs lists what is", path=path)


class MethodNotAllowed(BusError):
    """The path is served, but not for this method."""

    code, kind = 405, "method_not_allowed"

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(f"{method} is not served here, only {', '.join(allowed)}", allowed=allowed)


class SlowRequest(BusError):
    """A body of which no byte came for `timeout_s` seconds."""

    code, kind, retryable = 408, "slow_request", True

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"body: no byte came for {timeout_s:g} s", field="body", limit=timeout_s)


class NoRoom(BusError):
    """The bodies of all running requests together take as much memory as they may."""

    code, kind, retryable = 429, "no_room", True

    def __init__(self, limit: int) -> None:
        super().__init__(f"the bodies of running requests hold {limit} bytes already", limit=limit)


class PreconditionFailed(BusError):
    """What If-Match or If-None-Match asks for does not hold; the details are those of the Conflict."""

    code, kind = 412, "precondition_failed"

    def __init__(self, conflict: BusError) -> None:
        super().__init__(conflict.message, **conflict.details)


class ExpectationFailed(BusError):
    """An Expect header other than `100-continue`."""

    code, kind = 417, "expectation_failed"

    def __init__(self) -> None:
        super().__init__("Expect: only 100-continue is understood", field="Expect")


class UnsupportedMediaType(BusError):
    """A body of a type that this route does not read."""

    code, kind = 415, "unsupported_media_type"

    def __init__(self, given: str, hint: str) -> None:
        super().__init__(f"Content-Type {given[:100]}: {hint}", field="Content-Type")


class HeadTooLarge(BusError):
    """A request line or a header field above its limit."""

    code, kind = 431, "head_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"request line or header: more than {limit} bytes", field="head", limit=limit)


# What each status means, for the OpenAPI document.
REASONS = {
    400: "A field is wrong; `field` names it and `limit` is the bound it broke, if any",
    403: "Refused: the caller may not do this",
    404: "Not here",
    405: "Another method is needed here",
    408: "The body came too slowly",
    409: "The present state refuses the request",
    413: "Larger than `limit`",
    415: "This route does not read bodies of that type",
    416: "A byte range outside the content, or too many or overlapping ranges",
    417: "An Expect header other than 100-continue",
    422: "Stored or sent content breaks its own format",
    429: "Too many requests are running; try again after Retry-After seconds",
    431: "The request line or a header is too large",
    500: "Something broke; `error_id` finds it in the log",
    501: "This system does not do that",
    503: "Nobody answers there now; try again after Retry-After seconds",
    504: "No answer in time",
    507: "The store's disk is full",
}


def status_of(error: BusError) -> int:
    """The HTTP status of an error: its code; 503 where the other side gave up, for which HTTP has none."""
    return 503 if isinstance(error, Cancelled) else error.code


def problem_body(error: BusError, operation_id: str) -> bytes:
    """`{type, title, status, detail, operation_id, success: false, retryable, …the error's facts}`; a fact
    whose name is one of these is told as `of_<name>`."""
    members: dict[str, Any] = {
        **{f"of_{name}" if name in MEMBERS else name: fact for name, fact in error.details.items()},
        "type": TYPE_PREFIX + error.kind,
        "title": error.kind.replace("_", " ").capitalize(),
        "status": status_of(error),
        "detail": error.message,
        "operation_id": operation_id,
        "success": False,
        "retryable": error.retryable,
    }
    return orjson.dumps(members, default=str, option=orjson.OPT_NON_STR_KEYS)


def problem(error: BusError, operation_id: str) -> web.Response:
    """The answer that tells of an error, with the Retry-After, Allow or Content-Range that belong to it."""
    headers = {
        "Content-Type": PROBLEM_TYPE,
        OPERATION_ID: operation_id,
        "Cache-Control": "no-store",
        **SERVER,
    }
    if error.code == 429:
        headers["Retry-After"] = str(max(1, math.ceil(error.details.get("retry_after_s") or 1)))
    elif isinstance(error, Unavailable | Cancelled):
        headers["Retry-After"] = "1"
    elif isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.details["allowed"])
    elif "size_bytes" in error.details and error.code == 416:
        headers["Content-Range"] = f"bytes */{error.details['size_bytes']}"
    return web.Response(status=status_of(error), body=problem_body(error, operation_id), headers=headers)


def conceal(failure: BaseException) -> Internal:
    """What a caller is told of a defect: an id under which the log has the traceback."""
    error_id = secrets.token_hex(8)
    log.error("internal error %s", error_id, exc_info=failure)
    return Internal(error_id)
