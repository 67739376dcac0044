"""Bodies of which every byte counts that came: an upload's connection may break at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import TypeVar

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from ..bodies import pieces
from ..bridge import Bridge
from ..problems import SlowRequest

__all__ = ["Body", "to_its_end"]

T = TypeVar("T")

# How long an upload whose client is gone may take to store what had come.
SETTLE_S = 60.0


class Body:
    """The body of a request, which ends in order where it breaks off; then `require_whole` raises why.

    With `whole`, for what is of no use in part, iterating over it raises that itself.
    """

    def __init__(self, request: web.Request, limit: int, bridge: Bridge, *, whole: bool) -> None:
        self._pieces = pieces(request, limit, bridge)
        self._whole = whole
        self._broken: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece
        except (ConnectionError, RequestPayloadError, SlowRequest) as error:
            self._broken = error
            if self._whole:
                raise

    def require_whole(self) -> None:
        if self._broken is not None:
            raise self._broken


async def to_its_end(upload: Coroutine[object, object, T]) -> T:
    """The outcome of an upload, which goes on to its end, and not on its own, if its client is gone."""
    task = asyncio.ensure_future(upload)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=SETTLE_S)
        raise
    finally:
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()
