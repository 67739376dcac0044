"""Streams of bytes as HTTP content: files with ETags, ranges and media types; blocks; tar archives.

    [GET] -> 304 if the client has it -> open the stream -> one response if it came in one message
                                                         -> else chunks as they come

What a CID names never changes, so its ETag is the CID and the path, and whether a client still has it is
answered without asking any actor.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import hdrs, web
from cachetools import LRUCache
from multidict import CIMultiDict, istr

from ..bus import IncomingStream
from ..schemas.cache import CachedHead, CacheGet
from ..schemas.errors import Unavailable, UnsatisfiableRange
from ..schemas.ipfs import CatRequest, FileHead
from ..schemas.rows import Stream
from . import media
from .asking import ask_of_body, ask_of_path, is_json
from .bridge import Bridge
from .naming import IMMUTABLE, disposition, etag_of, ipfs_path, says_yes
from .problems import OPERATION_ID, SERVER
from .ranges import ByteRange, matches_any, read_range
from .replies import JSON, duration_ms, duration_text, opening
from .sending import send

__all__ = ["BlockRoute", "ContentRoute", "FileAsk", "FileRoute", "Headers", "TarRoute"]

# As `istr`, a name is folded to lower case once and not for every answer.
DURATION = istr("X-Operation-Duration-MS")
CONTENT_SIZE = istr("X-Content-Size")
IPFS_PATH = istr("X-IPFS-Path")
CACHE_HIT = istr("X-Cache-Hit")
# Query fields that say how an answer is presented, not what is asked for.
PRESENTATION = frozenset({"filename", "download"})

# Of files that were read in parts; an entry is about 500 bytes.
TYPES_REMEMBERED = 4096

ByteStream = Stream[Any, Any, bytes]
FileAsk = CatRequest | CacheGet
Incoming = IncomingStream[Any]
Headers = CIMultiDict[str]


class ContentRoute:
    """What all content has in common: it is named by a CID, immutable, and sent whole or in chunks."""

    base = Headers({"Cache-Control": IMMUTABLE, "X-Content-Type-Options": "nosniff", **SERVER})

    def __init__(self, bridge: Bridge, row: ByteStream) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self._row = row
        self._settings = bridge.settings

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The content, or 304 if the client has it already; HEAD opens the stream and sends none of it."""
        started = time.perf_counter()
        ask = ask_of_path(self._row.ask, request)
        headers = self.base.copy()
        headers[OPERATION_ID] = operation_id
        headers[hdrs.ETAG] = self.etag(ask)
        if matches_any(request.headers.get(hdrs.IF_NONE_MATCH, ""), headers[hdrs.ETAG]):
            return web.Response(status=304, headers=headers)
        return await self._opened(request, ask, headers, started)

    head = get

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The content that a JSON body asks for; caches keep nothing of it."""
        started = time.perf_counter()
        ask = await ask_of_body(self._row.ask, request, self._bridge)
        headers = self.base.copy()
        headers[OPERATION_ID] = operation_id
        headers[hdrs.CACHE_CONTROL] = "no-store"
        return await self._opened(request, ask, headers, started)

    async def _opened(
        self, request: web.Request, ask: Any, headers: Headers, started: float
    ) -> web.StreamResponse:
        async with await self._bus.open(self._row, ask) as stream:
            self.describe(headers, stream)
            headers[DURATION] = duration_text(started)
            if stream.whole is not None:
                return web.Response(body=stream.whole, headers=headers)
            if request.method == hdrs.METH_HEAD:
                return web.StreamResponse(headers=headers)
            return await send(request, headers, stream, stall_s=self._settings.write_timeout_s)

    # ---- what each sort of content adds -----------------------------------------------------------------

    def etag(self, ask: Any) -> str:
        raise NotImplementedError

    def describe(self, headers: Headers, stream: Incoming) -> None:
        """Add the headers that the stream's head tells of."""
        raise NotImplementedError


class TarRoute(ContentRoute):
    """A file or tree as a tar archive; how long it will be is not known before it ends."""

    def etag(self, ask: Any) -> str:
        return etag_of(ask.cid, ask.path, ".tar")

    def describe(self, headers: Headers, stream: Incoming) -> None:
        if stream.head is None:
            raise headless(self._row)
        headers[hdrs.CONTENT_TYPE] = "application/x-tar"
        headers[hdrs.CONTENT_DISPOSITION] = disposition(f"{stream.head.name}.tar", attachment=True)


class BlockRoute(ContentRoute):
    """One block as it is stored."""

    def etag(self, ask: Any) -> str:
        return etag_of(ask.cid, "", ".raw")

    def describe(self, headers: Headers, stream: Incoming) -> None:
        if stream.head is None:
            raise headless(self._row)
        headers[hdrs.CONTENT_TYPE] = "application/vnd.ipld.raw"
        headers[CONTENT_SIZE] = headers[hdrs.CONTENT_LENGTH] = str(stream.head.size_bytes)
        headers[hdrs.CONTENT_DISPOSITION] = disposition(f"{stream.head.cid}.bin", attachment=True)


@dataclass(slots=True)
class Part:
    """What is sent of a file: `length` bytes from `first`, of `size` in all."""

    size: int
    first: int
    length: int


class FileRoute(ContentRoute):
    """Files: ranges, media types and names. Small ones are the bridge's most frequent answer."""

    base = Headers({**ContentRoute.base, "Accept-Ranges": "bytes"})

    def __init__(self, bridge: Bridge, row: ByteStream) -> None:
        super().__init__(bridge, row)
        self._types: LRUCache[tuple[str, str], str] = LRUCache(TYPES_REMEMBERED)

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask: FileAsk = ask_of_path(self._row.ask, request, PRESENTATION)
        return await self.get_file(request, ask, operation_id)

    async def get_file(self, request: web.Request, ask: FileAsk, operation_id: str) -> web.StreamResponse:
        """The file, a range of it, or 304."""
        started = time.perf_counter()
        given = request.headers
        etag = self.etag(ask)
        if hdrs.IF_NONE_MATCH in given and await self._is_known(given[hdrs.IF_NONE_MATCH], etag, ask):
            headers = self._headers(ask, etag, operation_id)
            return web.Response(status=304, headers=headers)
        wanted = self.wanted(request, ask, etag)
        if wanted is not None:
            ask = ask.model_copy(update={"offset": wanted.offset, "length": wanted.length})
        async with await self._open(ask) as stream:
            part = self._part(ask, stream)
            headers = self._headers(ask, etag, operation_id)
            status = 200
            if wanted is not None and not (part.size == 0 and wanted.offset < 0):
                if part.length == 0:
                    raise UnsatisfiableRange(part.size)
                last = part.first + part.length - 1
                headers[hdrs.CONTENT_RANGE] = f"bytes {part.first}-{last}/{part.size}"
                status = 206
            return await self._content(request, ask, stream, part, headers, started, status)

    async def head(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask: FileAsk = ask_of_path(self._row.ask, request, PRESENTATION)
        return await self.head_file(request, ask, operation_id)

    async def head_file(self, request: web.Request, ask: FileAsk, operation_id: str) -> web.StreamResponse:
        """What GET would say, for the price of the first bytes."""
        started = time.perf_counter()
        etag = self.etag(ask)
        headers = self._headers(ask, etag, operation_id)
        if await self._is_known(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag, ask):
            return web.Response(status=304, headers=headers)
        length = media.SNIFFED_BYTES if ask.length is None else min(ask.length, media.SNIFFED_BYTES)
        async with await self._open(ask.model_copy(update={"length": length})) as stream:
            part = self._part(ask, stream)
            first = await anext(stream, b"")
            self._present(request, ask, media.by_bytes(first), headers)
            headers[CACHE_HIT] = cache_hit(stream)
            length = part.size - part.first
            length = length if ask.length is None else min(length, ask.length)
        headers[CONTENT_SIZE] = str(part.size)
        headers[hdrs.CONTENT_LENGTH] = str(length)
        headers[DURATION] = duration_text(started)
        return web.StreamResponse(headers=headers)

    async def send_opened(
        self, request: web.Request, ask: FileAsk, stream: Incoming, operation_id: str, started: float
    ) -> web.StreamResponse:
        """The whole file that a stream has been opened for."""
        async with stream:
            headers = self._headers(ask, self.etag(ask), operation_id)
            return await self._content(request, ask, stream, self._part(ask, stream), headers, started, 200)

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = await ask_of_body(self._row.ask, request, self._bridge)
        async with await self._open(ask) as stream:
            headers = self._headers(ask, self.etag(ask), operation_id)
            headers[hdrs.CACHE_CONTROL] = "no-store"
            if is_json(request.headers.get(hdrs.ACCEPT, "").strip().lower()):
                headers[hdrs.CONTENT_TYPE] = JSON
                headers[CACHE_HIT] = cache_hit(stream)
                del headers[hdrs.ETAG], headers["Accept-Ranges"]
                document = _document(ask, self._part(ask, stream), stream, operation_id, started)
                return await send(request, headers, document, stall_s=self._settings.write_timeout_s)
            return await self._content(request, ask, stream, self._part(ask, stream), headers, started, 200)

    def wanted(self, request: web.Request, ask: FileAsk, etag: str) -> ByteRange | None:
        """The range to send, None for all that is asked for."""
        if ask.offset or ask.length is not None:
            return None  # the query has already said which bytes
        return _range_of(request, etag)

    async def _open(self, ask: FileAsk) -> Incoming:
        stream = await self._bus.open(self._row, ask)
        if self._row.head is CachedHead and stream.head is None:
            stream.cached = True  # the cache actor answers so from memory
        return stream

    def etag(self, ask: FileAsk) -> str:
        if ask.offset or ask.length is not None:
            return etag_of(ask.cid, ask.path, f"?{ask.offset}+{ask.length}")
        return etag_of(ask.cid, ask.path)

    # Whether a file has a name even where neither path nor query give one.
    is_named = False

    def name_of(self, request: web.Request, ask: FileAsk) -> str:
        """What the file is called: by the query, else by the path; empty if neither says."""
        return request.query.get("filename") or ask.path.rpartition("/")[2]

    async def _is_known(self, condition: str, etag: str, ask: FileAsk) -> bool:
        """Whether If-None-Match names the content; `*` does if there is such content at all."""
        if condition.strip() == "*":
            async with await self._bus.open(self._row, ask.model_copy(update={"offset": 0, "length": 0})):
                return True
        return matches_any(condition, etag)

    def _part(self, ask: FileAsk, stream: Incoming) -> Part:
        head: FileHead | None = stream.head
        if head is not None:
            return Part(head.size_bytes, head.offset, head.length)
        if stream.whole is None:
            raise headless(self._row)
        size = len(stream.whole)  # without a head it is the whole file, whatever part was asked for
        first = min(ask.offset, size) if ask.offset >= 0 else max(0, size + ask.offset)
        return Part(size, first, size - first if ask.length is None else min(ask.length, size - first))

    def _headers(self, ask: FileAsk, etag: str, operation_id: str) -> Headers:
        headers = self.base.copy()
        headers[hdrs.ETAG] = etag
        headers[OPERATION_ID] = operation_id
        headers[IPFS_PATH] = ipfs_path(ask.cid, ask.path)
        return headers

    def _present(self, request: web.Request, ask: FileAsk, sniffed: str, headers: Headers) -> None:
        """Name and type: by the name that the query or the path gives, else as the first bytes say."""
        if not ask.path and not request.query_string and not self.is_named:
            headers[hdrs.CONTENT_TYPE] = sniffed
            headers[hdrs.CONTENT_DISPOSITION] = disposition(ask.cid, attachment=False)
            return
        name = self.name_of(request, ask)
        attachment = says_yes(request.query.get("download"))
        media_type = (media.by_name(name) if name else None) or sniffed
        headers[hdrs.CONTENT_TYPE] = media_type
        headers[hdrs.CONTENT_DISPOSITION] = disposition(name or ask.cid, attachment=attachment)
        if media.runs_scripts(media_type):
            headers["Content-Security-Policy"] = "sandbox"

    async def _content(
        self,
        request: web.Request,
        ask: FileAsk,
        stream: Incoming,
        part: Part,
        headers: Headers,
        started: float,
        status: int,
    ) -> web.StreamResponse:
        headers[CONTENT_SIZE] = str(part.size)
        headers[CACHE_HIT] = cache_hit(stream)
        whole = stream.whole
        if whole is not None and len(whole) > part.length:
            whole = whole[part.first : part.first + part.length]
        first = whole if whole is not None else await anext(stream, b"")
        # A range has the media type of the file, wherever it begins and however short it is.
        shown = status == 200 or (part.first == 0 and len(first) >= min(part.size, media.SNIFFED_BYTES))
        sniffed = media.by_bytes(first) if shown else await self._sniffed(request, ask)
        self._present(request, ask, sniffed, headers)
        headers[DURATION] = duration_text(started)
        if whole is not None:
            return web.Response(status=status, body=whole, headers=headers)
        headers[hdrs.CONTENT_LENGTH] = str(part.length)
        return await self.deliver(request, headers, _chain(first, stream), stream, status)

    async def deliver(
        self,
        request: web.Request,
        headers: Headers,
        chunks: AsyncIterator[bytes],
        stream: Incoming,
        status: int,
    ) -> web.StreamResponse:
        """Answer with these chunks, which come from the stream."""
        return await send(request, headers, chunks, status=status, stall_s=self._settings.write_timeout_s)

    async def _sniffed(self, request: web.Request, ask: FileAsk) -> str:
        """The media type that the file's first bytes say, unless its name says one.

        Many ranges of one file follow each other, so what was found is remembered: it is true for good.
        """
        if media.by_name(self.name_of(request, ask)) is not None:
            return media.DEFAULT
        key = (ask.cid, ask.path)
        found = self._types.get(key)
        if found is None:
            start = ask.model_copy(update={"offset": 0, "length": media.SNIFFED_BYTES})
            async with await self._bus.open(self._row, start) as stream:
                found = self._types[key] = media.by_bytes(await anext(stream, b""))
        return found


async def _document(
    ask: FileAsk, part: Part, stream: Incoming, operation_id: str, started: float
) -> AsyncIterator[bytes]:
    """The documented JSON form, with the bytes in base64, written as they come."""
    facts = orjson.dumps({"cid": ask.cid, "content_size_bytes": part.size, "cache_hit": was_cached(stream)})
    yield opening(operation_id).encode() + b"," + facts[1:-1] + b',"data":"'
    rest = b""
    async for chunk in _asked_for(stream, part):
        held = rest + chunk
        cut = len(held) - len(held) % 3  # groups of three make four letters and no padding
        rest = held[cut:]
        yield b64encode(held[:cut])
    yield b64encode(rest) + f'","duration_ms":{duration_ms(started)}}}'.encode()


async def _asked_for(stream: Incoming, part: Part) -> AsyncIterator[bytes]:
    """The bytes of the part, which an answer in one message may have more than."""
    if stream.whole is not None:
        yield stream.whole[part.first : part.first + part.length] if stream.head is None else stream.whole
        return
    async for chunk in stream:
        yield chunk


def _range_of(request: web.Request, etag: str) -> ByteRange | None:
    """What the Range header asks for; None if there is none, or the client's copy is of something else
    (If-Range)."""
    value = request.headers.get(hdrs.RANGE)
    if value is None or request.headers.get(hdrs.IF_RANGE, etag).strip() != etag:
        return None
    return read_range(value)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


def cache_hit(stream: Incoming) -> str:
    """The value of `X-Cache-Hit`."""
    return "true" if was_cached(stream) else "false"


def was_cached(stream: Incoming) -> bool:
    """Whether a cache has answered; the cache actor's own answers say so in their heads, or have none."""
    head = stream.head
    return head.cache != "miss" if isinstance(head, CachedHead) else bool(stream.cached)


def headless(row: ByteStream) -> Unavailable:
    return Unavailable(f"the answer to {row.name} came without its head")
