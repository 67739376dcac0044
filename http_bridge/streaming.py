"""Files as media players read them: any range, at the pace of whoever watches.

    GET /cli/stream/media/{cid}        chunk_size, start_byte, end_byte (inclusive), or a Range header
    GET /cli/fs/open/{cid}             the same, and `mode`, which is always "rb"

Answers are those of the file routes: 206 with the true size, strong ETags, 304, 416. What differs is how far
the bridge reads ahead. Bytes are pulled from the bus, and a pull that is not made costs nobody anything: so
there are as many chunks on their way as the client takes within `HORIZON_S`, and never more than
`MAX_AHEAD_BYTES`. One that plays at 500 KB/s has the next 512 KiB waiting for it, one that downloads has
4 MiB, and a player that is paused holds what it had asked for and no more.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from aiohttp import hdrs, web
from pydantic import Field, ValidationInfo, field_validator

from ..bus import CHUNK_BYTES, cut
from ..schemas.errors import UnsatisfiableRange
from ..schemas.ipfs import CatRequest, PathRequest
from ..schemas.subjects import CAT
from ..schemas.tree import Offset
from ..schemas.wire import Wire
from .asking import loose_fields
from .bridge import Bridge
from .paths import served_paths
from .ranges import ByteRange
from .streams import CONTENT_SIZE, PRESENTATION, FileAsk, FileRoute, Headers, Incoming

__all__ = ["STREAMING", "Pace", "StreamingFields", "StreamingRoute"]

KIB, MIB = 2**10, 2**20

# Each under the name that it has in the OpenAPI document.
STREAMING = {
    "stream.media": "GET /cli/stream/media/{cid}",
    "fs.open": "GET /cli/fs/open/{cid}",
    "fs.open.by_query": "GET /cli/fs/open",
}

MAX_AHEAD_BYTES = 4 * MIB
# What is read ahead is what the client takes in this time: many times what the bus needs to bring more.
HORIZON_S = 0.25


class StreamingFields(Wire):
    """How content is streamed. `chunk_size` is how many bytes are written at once; a range that both the
    query and a Range header give is the header's."""

    mode: Annotated[Literal["rb"], Field(description="Content is read as bytes, and never written")] = "rb"
    chunk_size: Annotated[int, Field(ge=64 * KIB, le=16 * MIB, description="Bytes written at once")] = MIB
    start_byte: Annotated[Offset | None, Field(description="The first byte that is sent")] = None
    end_byte: Annotated[Offset | None, Field(description="The last byte that is sent")] = None

    @field_validator("end_byte")
    @classmethod
    def _not_before_start(cls, last: int | None, info: ValidationInfo) -> int | None:
        first = info.data.get("start_byte") or 0
        if last is not None and last < first:
            raise ValueError(f"the last byte {last} is before the first {first}")
        return last

    @property
    def range(self) -> ByteRange | None:
        """The range that the query asks for."""
        if self.start_byte is None and self.end_byte is None:
            return None
        first = self.start_byte or 0
        return ByteRange(first, None if self.end_byte is None else self.end_byte - first + 1)


FIELDS = frozenset(StreamingFields.model_fields)
KEY = web.RequestKey("streaming", StreamingFields)


class StreamingRoute(FileRoute):
    """Files that are sent no faster than they are taken."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge, CAT)
        lines = (line.partition(" ")[2] for line in STREAMING.values())
        self.paths = [path for line in lines for path in served_paths(CAT, line)]

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        return await self.get_file(request, self._read(request), operation_id)

    async def head(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """What GET would say: of a range that the query asks for, its place and length."""
        response = await self.head_file(request, self._read(request), operation_id)
        wanted = request[KEY].range
        if wanted is not None and response.status == 200:
            size = int(response.headers[CONTENT_SIZE])
            last = size if wanted.length is None else min(size, wanted.offset + wanted.length)
            if wanted.offset >= last:
                raise UnsatisfiableRange(size)
            response.set_status(206)
            response.headers[hdrs.CONTENT_RANGE] = f"bytes {wanted.offset}-{last - 1}/{size}"
            response.headers[hdrs.CONTENT_LENGTH] = str(last - wanted.offset)
        return response

    def _read(self, request: web.Request) -> CatRequest:
        """What is asked for; how it is to be streamed goes with the request."""
        loose = loose_fields(PathRequest, request, PRESENTATION)
        how = {name: loose.pop(name) for name in FIELDS & loose.keys()}
        request[KEY] = StreamingFields.from_fields(how)
        file = PathRequest.from_fields(loose)
        return CatRequest(cid=file.cid, path=file.path, backend=file.backend)

    def wanted(self, request: web.Request, ask: FileAsk, etag: str) -> ByteRange | None:
        return super().wanted(request, ask, etag) or request[KEY].range

    async def _open(self, ask: FileAsk) -> Incoming:
        stream = await super()._open(ask)
        stream.ahead = 1
        return stream

    async def deliver(
        self,
        request: web.Request,
        headers: Headers,
        chunks: AsyncIterator[bytes],
        stream: Incoming,
        status: int,
    ) -> web.StreamResponse:
        written = _at_pace(cut(chunks, request[KEY].chunk_size), stream)
        return await super().deliver(request, headers, written, stream, status)


class Pace:
    """How fast a client takes bytes, and how many chunks to read ahead of it for that."""

    def __init__(self) -> None:
        self._s_per_byte = 0.0

    def took(self, size: int, duration_s: float) -> None:
        """The client has taken so many bytes in so long. The mean is of times, not of rates: one stall says
        more than the burst before it, which may have gone no further than the kernel's buffers."""
        self._s_per_byte = (self._s_per_byte + duration_s / size) / 2

    @property
    def ahead(self) -> int:
        """Chunks that may be on their way: at least 1, at most `MAX_AHEAD_BYTES` of them."""
        if self._s_per_byte * MAX_AHEAD_BYTES <= HORIZON_S:
            return MAX_AHEAD_BYTES // CHUNK_BYTES
        return max(1, int(HORIZON_S / self._s_per_byte) // CHUNK_BYTES)


async def _at_pace(pieces: AsyncIterator[bytes | memoryview], stream: Incoming) -> AsyncIterator[bytes]:
    """The same pieces; the stream reads as far ahead of them as suits whoever takes them."""
    pace = Pace()
    async for piece in pieces:
        given = time.perf_counter()
        yield piece  # type: ignore[misc]  # a view of bytes is written as they are
        pace.took(len(piece), time.perf_counter() - given)
        stream.ahead = pace.ahead
