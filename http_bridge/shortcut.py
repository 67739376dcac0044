"""The way of the bridge's most frequent request around the router: GET of a file by its bare CID.

The router costs about a tenth of such a request, and there is nothing in it to decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from ..schemas.ipfs import CatRequest
from ..schemas.subjects import CAT
from .bridge import Bridge
from .streams import FileRoute

__all__ = ["Shortcut"]

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shortcut:
    """Answers `GET <prefix>/ipfs/cat/<cid>` itself and leaves everything else to the router."""

    def __init__(self, bridge: Bridge, routed: Answer) -> None:
        _, _, pattern = CAT.http[0].partition(" ")
        self._stem = bridge.settings.prefix.rstrip("/") + pattern.removesuffix("{cid}")
        self._length = len(self._stem)
        self._files = FileRoute(bridge, CAT)
        self._guarded = bridge.guard(self._get)
        self._routed = routed

    def __call__(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        path = request.raw_path
        # Letters and digits only: nothing to decode, no further path and no query.
        if path.startswith(self._stem) and path[self._length :].isalnum() and request.method == hdrs.METH_GET:
            return self._guarded(request)
        return self._routed(request)

    async def _get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = CatRequest.from_fields({"cid": request.raw_path[self._length :]})
        return await self._files.get_file(request, ask, operation_id)
