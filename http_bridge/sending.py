"""How a long answer leaves: chunk by chunk, broken off where it cannot be finished."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from aiohttp import hdrs, web

from ..schemas.errors import BusError
from .marks import mark
from .problems import conceal

__all__ = ["send"]

log = logging.getLogger(__name__)


async def send(
    request: web.Request,
    headers: Mapping[str, str],
    chunks: AsyncIterator[bytes],
    *,
    status: int = 200,
    stall_s: float,
) -> web.StreamResponse:
    """Answer with these chunks as they come.

    If `chunks` raises or ends before the announced Content-Length, or if the client takes nothing for
    `stall_s` seconds, the connection is broken off: an answer without its clean end is the only sign of an
    error that HTTP/1.1 has left once the head is sent.
    """
    response = web.StreamResponse(status=status, headers=headers)
    mark(response.headers)
    await response.prepare(request)
    due = headers.get(hdrs.CONTENT_LENGTH)
    sent = 0
    try:
        async for chunk in chunks:
            async with asyncio.timeout(stall_s):
                await response.write(chunk)
            sent += len(chunk)
        if due is not None and sent != int(due):
            _break_off(request, f"{sent} of {due} bytes came")
        async with asyncio.timeout(stall_s):
            await response.write_eof()
    except TimeoutError:
        _break_off(request, f"the client took nothing for {stall_s:g} s")
    except ConnectionError:
        _break_off(request, "the client is gone")
    except BusError as error:
        _break_off(request, error.message)
    except Exception as failure:
        _break_off(request, conceal(failure).message)
    return response


def _break_off(request: web.Request, why: str) -> None:
    """Close the connection without a clean end, dropping what is still to be sent."""
    log.info("%s %s broke off: %s", request.method, request.path[:200], why)
    if request.transport is not None:
        request.transport.abort()
