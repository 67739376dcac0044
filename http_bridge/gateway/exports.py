"""What a client takes away to check or unpack by itself: CAR files, tar archives, IPNS records.

Sources: trustless gateway ("CAR Responses", "IPNS Record Responses"), path gateway (`application/x-tar`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from ...bus import IncomingStream
from ...schemas.cid import DAG_PB, RAW
from ...schemas.dag import CarHead, DagExport
from ...schemas.errors import BadRequest, Unavailable
from ...schemas.ipfs import PathRequest, TarHead
from ...schemas.names import NameGet
from ...schemas.subjects import DAG_EXPORT, GET, NAME_GET
from ..sending import send
from . import headers
from .asked import Asked, End, Headers
from .formats import Format, NotAcceptable
from .resolving import Resolving
from .upstream import Upstream

__all__ = ["Exports"]


class Exports:
    """Answers in the formats that are files of their own; only an IPNS record's length is known before."""

    def __init__(self, upstream: Upstream, resolving: Resolving, stall_s: float) -> None:
        self._upstream = upstream
        self._resolving = resolving
        self._stall_s = stall_s

    async def car(self, asked: Asked) -> web.StreamResponse:
        """A CAR of what lies at the path and of the blocks that lead there.

        A block that is missing once the CAR has begun breaks the connection off.
        """
        etag = headers.etag(asked.root, asked.wanted, path=asked.below)
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known)
        car = asked.wanted.car
        ask = DagExport(
            cid=asked.root,
            path=asked.below,
            scope=car.scope.value,
            entity_bytes=None if car.entity_bytes is None else str(car.entity_bytes),
            dups=car.dups,
        )
        async with await self._upstream.open(DAG_EXPORT, ask) as stream:
            head: CarHead | None = stream.head
            if head is None:
                raise Unavailable(f"the answer to {DAG_EXPORT.name} came without its head")
            self._resolving.check(*head.roots)
            return await self._sent(asked, asked.headers(tuple(head.roots)), etag, stream)

    async def tar(self, asked: Asked, end: End) -> web.StreamResponse:
        """A file or tree as a tar archive; raises NotAcceptable for what is not UnixFS."""
        if end.cid.codec not in (RAW, DAG_PB):
            raise NotAcceptable(f"{end.text} is not UnixFS", f"?format={Format.RAW} has its block")
        asked.block = end.text
        etag = asked.etag(end)
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known, end.roots)
        ask = PathRequest(cid=asked.root, path=asked.below)
        async with await self._upstream.open(GET, ask) as stream:
            head: TarHead | None = stream.head
            if head is None:
                raise Unavailable(f"the answer to {GET.name} came without its head")
            return await self._sent(asked, asked.headers(end.roots), etag, stream)

    async def record(self, asked: Asked) -> web.StreamResponse:
        """The signed record of an IPNS name; raises BadRequest for what has none."""
        path = asked.path
        if path.key is None:
            raise BadRequest("format", "only the names of keys have IPNS records")
        if path.path:
            raise BadRequest("path", "an IPNS record has no paths in it")
        found = await self._upstream.request(NAME_GET, NameGet(name=path.key.to_base36()))
        asked.ttl_s = found.ttl_s
        etag = headers.record_etag(found.record)
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known)
        told = asked.headers()
        told[hdrs.ETAG] = etag
        return web.Response(body=found.record, headers=told)

    async def _sent(
        self,
        asked: Asked,
        told: Headers,
        etag: str,
        stream: IncomingStream[CarHead] | IncomingStream[TarHead],
    ) -> web.StreamResponse:
        told[hdrs.ETAG] = etag
        if asked.is_head:
            return web.StreamResponse(headers=told)
        if stream.whole is not None:
            return web.Response(body=stream.whole, headers=told)
        parts: AsyncIterator[bytes] = self._upstream.paced(stream)
        return await send(asked.request, told, parts, stall_s=self._stall_s)
