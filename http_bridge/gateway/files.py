"""Files and blocks: where their bytes come from, and what they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from ...bus import IncomingStream
from ...schemas.cid import RAW
from ...schemas.dag import DagGet, DagHead
from ...schemas.errors import Unavailable
from ...schemas.ipfs import BlockHead, BlockRequest, CatRequest, FileHead
from ...schemas.subjects import BLOCK_GET, CAT, DAG_GET
from .. import media
from .asked import Asked, End
from .bodies import Bodies, Body, Opener, Typed
from .upstream import Upstream

__all__ = ["Files", "file_body", "node_opener", "sniffed"]

HTML = "text/html; charset=utf-8"
SVG = "image/svg+xml"
_SPACE = b" \t\r\n\x0c\xef\xbb\xbf"


class Files:
    """Answers with the bytes of UnixFS files and of single blocks."""

    def __init__(self, upstream: Upstream, bodies: Bodies) -> None:
        self._upstream = upstream
        self._bodies = bodies

    async def file(self, asked: Asked, end: End, name: str | None = None) -> web.StreamResponse:
        """A file; raises NotAFile for what is none. `name` says its type, by default the path's last one."""
        typed = sniffed(asked.given_name if name is None else name)
        return await self._bodies.answer(asked, end, self.opener(end), typed)

    async def file_as(self, asked: Asked, end: End, name: str, status: int) -> web.StreamResponse:
        """A whole file that stands for something else, such as a page that says what is not found."""
        async with self.opener(end)(0, None) as body:
            return await self._bodies.whole(asked, end, body, sniffed(name), status)

    async def block(self, asked: Asked, end: End, media_type: str) -> web.StreamResponse:
        """A block as it is stored."""
        # The block of a raw CID is a file as well, and files are the quickest answers of the actor.
        opener = self.opener(end) if end.cid.codec == RAW else self._block_opener(end)
        return await self._bodies.answer(asked, end, opener, lambda _: media_type)

    def opener(self, end: End) -> Opener:
        @asynccontextmanager
        async def opened(offset: int, length: int | None) -> AsyncIterator[Body]:
            ask = CatRequest(cid=end.text, offset=offset, length=length)
            async with await self._upstream.open(CAT, ask) as stream:
                yield file_body(stream, offset, length)

        return opened

    def _block_opener(self, end: End) -> Opener:
        return _uncut(lambda: self._upstream.open(BLOCK_GET, BlockRequest(cid=end.text)))


def node_opener(upstream: Upstream, end: End, codec: str) -> Opener:
    """A node, converted to another codec than its own."""
    return _uncut(lambda: upstream.open(DAG_GET, DagGet(cid=end.text, output_codec=codec)))


def _uncut(
    open_stream: Callable[[], Awaitable[IncomingStream[BlockHead] | IncomingStream[DagHead]]],
) -> Opener:
    """Streams that only come whole: what is before and behind a range is left out here."""

    @asynccontextmanager
    async def opened(offset: int, length: int | None) -> AsyncIterator[Body]:
        async with await open_stream() as stream:
            if stream.whole is not None:
                yield _cut(stream.whole, offset, length, stream)
                return
            if stream.head is None:
                raise Unavailable("the answer came without its head")
            size = stream.head.size_bytes
            first, count = _span(size, offset, length)
            yield Body(size, first, count, None, _sliced(stream, first, count))

    return opened


def file_body(stream: IncomingStream[FileHead], offset: int = 0, length: int | None = None) -> Body:
    """What has been opened of a file."""
    head, whole = stream.head, stream.whole
    if head is not None:
        return Body(head.size_bytes, head.offset, head.length, whole, stream)
    if whole is None:
        raise Unavailable(f"the answer to {CAT.name} came without its head")
    return _cut(whole, offset, length, stream)  # without a head it is the whole file, whatever was asked for


def _cut(whole: bytes, offset: int, length: int | None, chunks: AsyncIterator[bytes]) -> Body:
    first, count = _span(len(whole), offset, length)
    part = whole if count == len(whole) else whole[first : first + count]
    return Body(len(whole), first, count, part, chunks)


def _span(size: int, offset: int, length: int | None) -> tuple[int, int]:
    first = min(offset, size) if offset >= 0 else max(0, size + offset)
    return first, size - first if length is None else min(length, size - first)


async def _sliced(chunks: AsyncIterator[bytes], first: int, count: int) -> AsyncIterator[bytes]:
    """`count` bytes from `first` of a stream that cannot be opened in its middle."""
    at = 0
    async for chunk in chunks:
        part = chunk[max(0, first - at) : max(0, first + count - at)]
        at += len(chunk)
        if part:
            yield part
        if at >= first + count:
            return


def sniffed(name: str) -> Typed:
    """The media type of a file of this name, by its ending or else by its first bytes."""
    by_name = media.by_name(name) if name else None
    return (lambda _: by_name) if by_name is not None else _by_bytes


def _by_bytes(first: bytes | memoryview) -> str:
    """As `media.by_bytes`, and pages and pictures in SVG too: here they have an origin of their own."""
    found = media.by_bytes(first)
    if found != media.TEXT:
        return found
    start = bytes(first[: media.SNIFFED_BYTES]).lstrip(_SPACE).lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return HTML
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return SVG
    return found
