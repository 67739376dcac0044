"""What surrounds a body: header names, and how an error looks in a reply.

The hot path carries no headers at all; those here appear only where they say something.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextvars import ContextVar
from typing import TypeVar

import orjson
from nats.aio.msg import Msg

from ..schemas.errors import BadRequest, BusError, Internal, Unavailable
from ..schemas.wire import Wire

log = logging.getLogger(__name__)

DEADLINE = "Cidbus-Deadline"  # request: Unix time in ms after which nobody waits for the answer
HEAD = "Cidbus-Head"  # first chunk of a stream: the row's head, JSON in ASCII
END = "Cidbus-End"  # last chunk of a stream: bytes (or items) sent in all
ERROR = "Nats-Service-Error"  # error reply (NATS micro, ADR-32)
ERROR_CODE = "Nats-Service-Error-Code"
SIMULATED = "Cidbus-Simulated"  # any reply: an actor that makes its answers up has sent it

# Whether any answer that the running task was given is made up.
answered_by_simulation: ContextVar[bool] = ContextVar("answered_by_simulation", default=False)

# The only prefixes that a reply may be sent to: a caller must not make an actor publish anywhere else.
REPLY_PREFIXES = ("_INBOX", "_R_.")

W = TypeVar("W", bound=Wire)


def error_reply(error: BaseException) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the reply that tells of an error; what is not a BusError stays in the log."""
    told = error if isinstance(error, BusError) else _conceal(error)
    line = " ".join(told.message.split())[:256].encode("ascii", "replace").decode()
    return orjson.dumps(told.to_wire(), default=str), {ERROR: line, ERROR_CODE: str(told.code)}


def _conceal(error: BaseException) -> Internal:
    error_id = secrets.token_hex(8)
    log.error("internal error %s", error_id, exc_info=error)
    return Internal(error_id)


def raise_if_error(msg: Msg) -> None:
    """Raise the BusError that a reply tells of, or Unavailable if nobody listened; else do nothing.

    A reply that is made up is noted in `answered_by_simulation`.
    """
    headers = msg.headers
    if not headers:
        return
    if SIMULATED in headers:
        answered_by_simulation.set(True)
    if ERROR_CODE in headers:
        raise BusError.from_wire(_error_body(msg.data, headers))
    if headers.get("Status") == "503":
        raise Unavailable("no actor answers there now", field="subject")


def _error_body(data: bytes, headers: dict[str, str]) -> dict[str, object]:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        return body
    return {"code": int(headers[ERROR_CODE]), "message": headers.get(ERROR, "")}


def deadline_header(timeout_s: float) -> dict[str, str]:
    return {DEADLINE: str(int((time.time() + timeout_s) * 1000))}


def seconds_left(headers: dict[str, str] | None) -> float | None:
    """Seconds until the request's deadline, negative once it has passed; None if it carries none."""
    text = headers.get(DEADLINE) if headers else None
    if text is None:
        return None
    try:
        return int(text) / 1000 - time.time()
    except ValueError:
        raise BadRequest(DEADLINE, "not a whole number of milliseconds") from None


def head_header(head: Wire) -> dict[str, str]:
    return {HEAD: json.dumps(head.model_dump(mode="json", exclude_none=True), separators=(",", ":"))}


def read_head(headers: dict[str, str] | None, model: type[W]) -> W | None:
    text = headers.get(HEAD) if headers else None
    return None if text is None else model.from_wire(text.encode())


def read_end(headers: dict[str, str] | None) -> int | None:
    """The total that a last chunk announces, or None if the chunk is not the last."""
    text = headers.get(END) if headers else None
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise BadRequest(END, "not a whole number of bytes")
    return int(text)
