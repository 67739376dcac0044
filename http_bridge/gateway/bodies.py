"""Bytes as answers: whole, a range of them, only their head, or the news that the client has them already.

[If-None-Match] -> 304, without asking anybody
[open] -> size and first bytes -> media type -> one response if it all came in one message
                                             -> else chunks as they come
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from aiohttp import hdrs, web

from ...schemas.errors import UnsatisfiableRange
from .. import media
from ..ranges import ByteRange, read_range
from ..sending import send
from .asked import Asked, End, Headers
from .headers import may_resume
from .upstream import Upstream

__all__ = ["Body", "Bodies", "Opener", "Typed"]

# A tag of a range is its content's tag with the bytes behind it: `"bafy….0-99"`.
_RANGE_OF_TAG = re.compile(r'\.\d+-\d+"$', re.ASCII)


@dataclass(slots=True)
class Body:
    """Some content, opened: `length` bytes from `first` of `size` in all, in one piece or as they come."""

    size: int
    first: int
    length: int
    whole: bytes | None
    chunks: AsyncIterator[bytes]


# Opens content at an offset (from the end if negative) for a length (None: all there is).
Opener = Callable[[int, int | None], AbstractAsyncContextManager[Body]]
# The media type that the first bytes show.
Typed = Callable[[bytes | memoryview], str]


class Bodies:
    """Answers with the bytes that an opener opens."""

    def __init__(self, upstream: Upstream, stall_s: float) -> None:
        self._upstream = upstream
        self._stall_s = stall_s

    async def answer(self, asked: Asked, end: End, opener: Opener, typed: Typed) -> web.StreamResponse:
        """The content, the range of it that was asked for, its head, or 304."""
        etag = asked.etag(end)
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known, end.roots)
        if asked.is_head:
            return await self._head(asked, end, opener, typed)
        wanted = _range_of(asked, etag)
        offset, length = (0, None) if wanted is None else (wanted.offset, wanted.length)
        async with opener(offset, length) as body:
            if asked.request.headers.get(hdrs.IF_NONE_MATCH, "").strip() == "*":
                return asked.unchanged(etag, end.roots)
            if wanted is None or (body.size == 0 and wanted.offset < 0):
                return await self.whole(asked, end, body, typed)
            return await self._part(asked, end, body, opener, typed)

    async def whole(
        self, asked: Asked, end: End, body: Body, typed: Typed, status: int = 200
    ) -> web.StreamResponse:
        """All of what has been opened, under this status."""
        headers = self._headers(asked, end)
        headers[hdrs.ETAG] = asked.etag(end)
        return await self._send(asked, body, headers, typed, status)

    async def _part(
        self, asked: Asked, end: End, body: Body, opener: Opener, typed: Typed
    ) -> web.StreamResponse:
        if body.length == 0:
            raise UnsatisfiableRange(body.size)
        last = body.first + body.length - 1
        etag = asked.etag(end, (body.first, last))
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known, end.roots)
        headers = self._headers(asked, end)
        headers[hdrs.ETAG] = etag
        headers[hdrs.CONTENT_RANGE] = f"bytes {body.first}-{last}/{body.size}"
        if body.first or body.length < min(body.size, media.SNIFFED_BYTES):
            # A range has the media type of the content, wherever it begins and however short it is.
            start = await self._start(opener)
            return await self._send(asked, body, headers, lambda _: typed(start), 206)
        return await self._send(asked, body, headers, typed, 206)

    async def _head(self, asked: Asked, end: End, opener: Opener, typed: Typed) -> web.StreamResponse:
        """What GET would say, for the price of the first bytes."""
        headers = self._headers(asked, end)
        headers[hdrs.ETAG] = asked.etag(end)
        async with opener(0, media.SNIFFED_BYTES) as body:
            headers[hdrs.CONTENT_LENGTH] = str(body.size)
            self._type(asked, headers, typed(await _first(body)))
        return web.StreamResponse(headers=headers)

    async def _start(self, opener: Opener) -> bytes:
        async with opener(0, media.SNIFFED_BYTES) as body:
            return await _first(body)

    def _headers(self, asked: Asked, end: End) -> Headers:
        headers = asked.headers(end.roots)
        headers[hdrs.ACCEPT_RANGES] = "bytes"
        return headers

    async def _send(
        self, asked: Asked, body: Body, headers: Headers, typed: Typed, status: int
    ) -> web.StreamResponse:
        first = await _first(body)
        self._type(asked, headers, typed(first))
        if body.whole is not None:
            return web.Response(status=status, body=body.whole, headers=headers)
        headers[hdrs.CONTENT_LENGTH] = str(body.length)
        if asked.is_head:
            return web.StreamResponse(status=status, headers=headers)
        chunks = self._upstream.paced(_chain(first, body.chunks))
        return await send(asked.request, headers, chunks, status=status, stall_s=self._stall_s)

    def _type(self, asked: Asked, headers: Headers, media_type: str) -> None:
        headers.setdefault(hdrs.CONTENT_TYPE, media_type)
        if media.runs_scripts(media_type) and not asked.isolated:
            headers["Content-Security-Policy"] = SANDBOX


# A page that shares its host with other content and with the bridge's API gets an origin of its own this way.
SANDBOX = "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads"


def _range_of(asked: Asked, etag: str) -> ByteRange | None:
    """The range to send; None if there is none, or the client's copy is of something else (If-Range)."""
    given = asked.request.headers
    if hdrs.RANGE not in given:
        return None
    whole = _RANGE_OF_TAG.sub('"', given.get(hdrs.IF_RANGE, ""))
    return read_range(given[hdrs.RANGE]) if may_resume(whole, etag) else None


async def _first(body: Body) -> bytes:
    return body.whole if body.whole is not None else await anext(body.chunks, b"")


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk
