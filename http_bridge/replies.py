"""Replies as JSON: the row's model inside the documented envelope."""

from __future__ import annotations

import time

import orjson
from aiohttp import web

from ..schemas.wire import Wire
from .problems import OPERATION_ID, SERVER

__all__ = [
    "JSON",
    "ENVELOPE",
    "reply",
    "json_answer",
    "envelope",
    "opening",
    "closing",
    "duration_ms",
    "duration_text",
]

JSON = "application/json"
ENVELOPE = frozenset({"success", "operation_id", "duration_ms"})


def reply(model: Wire, operation_id: str, started: float) -> web.Response:
    """`{"success": true, "operation_id": …, "duration_ms": …, …the reply's fields}`; the reply's own fields
    of those names, where it has them, win."""
    body = model.to_wire()
    if not ENVELOPE.isdisjoint(type(model).model_fields):
        return json_answer(envelope(operation_id, started) | orjson.loads(body), operation_id)
    head = f'{opening(operation_id)},"duration_ms":{duration_ms(started)}'.encode()
    whole = b"%b,%b" % (head, body[1:]) if len(body) > 2 else head + b"}"
    return web.Response(body=whole, headers={"Content-Type": JSON, OPERATION_ID: operation_id, **SERVER})


def json_answer(document: object, operation_id: str, status: int = 200) -> web.Response:
    """Any document as JSON that nobody may keep."""
    headers = {"Content-Type": JSON, OPERATION_ID: operation_id, "Cache-Control": "no-store", **SERVER}
    return web.Response(status=status, body=orjson.dumps(document, default=str), headers=headers)


def envelope(operation_id: str, started: float) -> dict[str, object]:
    return {"success": True, "operation_id": operation_id, "duration_ms": duration_ms(started)}


def opening(operation_id: str) -> str:
    # An operation id is hexadecimal: nothing in it has to be escaped.
    return f'{{"success":true,"operation_id":"{operation_id}"'


def closing(count: int, started: float) -> bytes:
    """The end of a document whose items were streamed."""
    return f'],"count":{count},"duration_ms":{duration_ms(started)}}}'.encode()


def duration_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


def duration_text(started: float) -> str:
    return "%.3f" % ((time.perf_counter() - started) * 1000)  # half the time of an f-string's
