"""Answers as Kubo sends them: one JSON value, a line of JSON for each, or bytes; errors of a begun answer in
its HTTP trailer.

    200, Trailer: X-Stream-Error, chunks …  0  X-Stream-Error: <what went wrong>
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter

from ...schemas.errors import BusError
from ..marks import mark
from ..problems import conceal
from ..replies import JSON
from .command import Answer, Content
from .errors import words_of

__all__ = ["answer"]

log = logging.getLogger(__name__)

STREAM_ERROR = "X-Stream-Error"
MAX_TRAILER_CHARS = 1000


async def answer(
    request: web.Request, made: Answer, headers: dict[str, str], *, stall_s: float
) -> web.StreamResponse:
    """Send what a handler makes. Errors before its first bytes are raised; later ones go into the trailer."""
    if isinstance(made, AsyncIterator):
        headers = headers | {"Content-Type": JSON, "X-Chunked-Output": "1"}
        return await _send(request, _lines(made), headers, stall_s)
    value = await made
    if isinstance(value, Content):
        headers = headers | {"Content-Type": value.media_type}
        if value.media_type != JSON:
            headers["X-Stream-Output"] = "1"
        if value.length is not None:
            headers["X-Content-Length"] = str(value.length)
        return await _send(request, value.pieces, headers, stall_s)
    body = b"" if value is None else line(value)
    return web.Response(body=body, headers=headers | {"Content-Type": JSON})


def line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


async def _lines(values: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for value in values:
        yield line(value)


async def _send(
    request: web.Request, pieces: AsyncIterator[bytes], headers: dict[str, str], stall_s: float
) -> web.StreamResponse:
    async with aclosing(pieces) as opened:  # type: ignore[type-var]
        first = await anext(opened, b"")
        response = web.StreamResponse(headers=headers | {"Trailer": STREAM_ERROR})
        mark(response.headers)
        writer = await response.prepare(request)
        assert writer is not None
        try:
            await _write(writer, first, stall_s)
            async for piece in opened:
                await _write(writer, piece, stall_s)
            await response.write_eof()
        except ConnectionError:
            log.info("%s: the client is gone", request.path[:200])
        except _Stalled:
            log.info("%s: the client took nothing for %g s", request.path[:200], stall_s)
            _abort(request)
        except BusError as error:
            await _end_with(writer, response, words_of(error), request)
        except TimeoutError:
            await _end_with(writer, response, "context deadline exceeded", request)
        except Exception as failure:
            await _end_with(writer, response, conceal(failure).message, request)
    return response


class _Stalled(Exception):
    """The client takes nothing."""


async def _write(writer: AbstractStreamWriter, piece: bytes, stall_s: float) -> None:
    try:
        async with asyncio.timeout(stall_s) as limit:
            await writer.write(piece)
    except TimeoutError:
        if limit.expired():
            raise _Stalled from None
        raise


async def _end_with(
    writer: AbstractStreamWriter, response: web.StreamResponse, message: str, request: web.Request
) -> None:
    """End a chunked answer with a trailer. aiohttp has no call for that: the last chunk is written by hand,
    after which the writer is told that nothing is to be framed any more."""
    if not isinstance(writer, StreamWriter) or not writer.chunked or writer.transport is None:
        return _abort(request)  # HTTP/1.0: an answer that breaks off is all that can be said
    writer.send_headers()
    words = " ".join(message.split())[:MAX_TRAILER_CHARS].encode("ascii", "replace")
    writer.transport.write(b"0\r\n" + STREAM_ERROR.encode() + b": " + words + b"\r\n\r\n")
    writer.chunked = False
    await response.write_eof()
    return None


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
