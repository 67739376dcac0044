"""Request bodies: read within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from ..schemas.errors import TooLarge
from .bridge import Bridge
from .problems import ExpectationFailed, SlowRequest, problem

__all__ = [
    "Expect", "at_most", "expectation", "json_expectation", "media_type_of", "once", "pieces", "whole",
]  # fmt: skip

READ_BYTES = 512 * 1024

# What aiohttp calls for a request with an Expect header: an answer, or None to go on.
Expect = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def media_type_of(request: web.Request) -> str:
    """The media type of the body without its parameters, in lower case; empty if the request names none."""
    return request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()


@asynccontextmanager
async def whole(request: web.Request, limit: int, bridge: Bridge) -> AsyncIterator[bytes]:
    """The body, at most `limit` bytes; its memory counts as held until the block is left.

    Raises TooLarge as soon as the length is known to be more, SlowRequest if no byte comes in time, NoRoom if
    all bodies together take too much memory.
    """
    held: list[bytes] = []
    try:
        async for piece in pieces(request, limit, bridge):
            bridge.hold(len(piece))
            held.append(piece)
        yield held[0] if len(held) == 1 else b"".join(held)
    finally:
        bridge.release(sum(map(len, held)))


async def pieces(request: web.Request, limit: int, bridge: Bridge) -> AsyncIterator[bytes]:
    """The body as it arrives, in pieces of at most a MiB; raises TooLarge and SlowRequest as `whole` does."""
    length = request.content_length
    if length is not None and length > limit:
        raise TooLarge("body", limit=limit)
    content = request.content
    content.set_read_chunk_size(READ_BYTES)
    timeout_s = bridge.settings.read_timeout_s
    size = 0
    while not content.at_eof():
        try:
            async with asyncio.timeout(timeout_s):
                piece = await content.readany()
        except TimeoutError:
            raise SlowRequest(timeout_s) from None
        size += len(piece)
        if size > limit:
            raise TooLarge("body", limit=limit)
        if piece:
            yield piece


async def at_most(pieces: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """The first `count` bytes. What is behind them is read and dropped, so that the connection can go on."""
    left = count
    async for piece in pieces:
        if left:
            yield piece[:left]
            left -= min(left, len(piece))


async def once(content: bytes) -> AsyncIterator[bytes]:
    """Bytes that are here already, where pieces are taken."""
    yield content


def expectation(bridge: Bridge, limit_of: Callable[[web.Request], int]) -> Expect:
    """How a route answers `Expect: 100-continue`: a body above its limit is refused before it is sent."""

    async def expect(request: web.Request) -> web.StreamResponse | None:
        limit = limit_of(request)
        if request.headers.get(hdrs.EXPECT, "").strip().lower() != "100-continue":
            return problem(ExpectationFailed(), bridge.new_id())
        if (request.content_length or 0) > limit:
            return problem(TooLarge("body", limit=limit), bridge.new_id())
        if request.version >= (1, 1):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # What was written is not the answer: errors may still be told by one.
            request.writer.output_size = 0
        return None

    return expect


def json_expectation(bridge: Bridge) -> Expect:
    """How a route that reads JSON, or nothing, answers `Expect: 100-continue`."""
    return expectation(bridge, lambda _request: bridge.settings.max_json_bytes)
