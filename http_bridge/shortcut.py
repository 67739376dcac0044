"""The short way of the bridge's most frequent request: GET of a small file by its bare CID.

The router and the many cases of `FileRoute` would cost a fifth of such a request, and nothing in them is to
be decided for it. What is not so simple after all goes on from here to where it is handled.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from ..schemas.ipfs import CatRequest
from ..schemas.subjects import CAT
from . import media
from .bridge import Bridge
from .problems import OPERATION_ID
from .replies import duration_text
from .streams import CACHE_HIT, CONTENT_SIZE, DURATION, IPFS_PATH, FileRoute, cache_hit

__all__ = ["Shortcut"]

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shortcut:
    """Answers `GET <prefix>/ipfs/cat/<cid>` itself and leaves everything else to the router."""

    def __init__(self, bridge: Bridge, routed: Answer) -> None:
        _, _, pattern = CAT.http[0].partition(" ")
        self._stem = bridge.settings.prefix.rstrip("/") + pattern.removesuffix("{cid}")
        self._length = len(self._stem)
        self._bus = bridge.bus
        self._files = FileRoute(bridge, CAT)
        self._constant = tuple(FileRoute.base.items())
        self._guarded = bridge.guard(self._get)
        self._routed = routed

    def __call__(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        path = request.raw_path
        # Letters and digits only: nothing to decode, no further path and no query.
        if path.startswith(self._stem) and request.method == hdrs.METH_GET:
            cid = path[self._length :]
            if cid.isalnum() and cid.isascii():
                return self._guarded(request)
        return self._routed(request)

    async def _get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        cid = request.raw_path[self._length :]
        ask = CatRequest.from_fields({"cid": cid})
        given = request.headers
        if hdrs.RANGE in given or hdrs.IF_NONE_MATCH in given:
            return await self._files.get_file(request, ask, operation_id)
        stream = await self._bus.open(CAT, ask)
        whole = stream.whole
        if whole is None:
            return await self._files.send_opened(request, ask, stream, operation_id, started)
        # Letters and digits need no quoting in any header.
        headers = (
            *self._constant,
            (hdrs.ETAG, f'"{cid}"'),
            (OPERATION_ID, operation_id),
            (IPFS_PATH, "/ipfs/" + cid),
            (CONTENT_SIZE, str(len(whole))),
            (CACHE_HIT, cache_hit(stream)),
            (hdrs.CONTENT_TYPE, media.by_bytes(whole)),
            (hdrs.CONTENT_DISPOSITION, f'inline; filename="{cid}"'),
            (DURATION, duration_text(started)),
        )
        return web.Response(body=whole, headers=headers)
