"""Directories: the redirect to their trailing slash, their `index.html`, or the page that lists them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from aiohttp import hdrs, web

from ...schemas.errors import NotAFile, NotFound
from ...schemas.ipfs import DirEntry, PathRequest
from ...schemas.subjects import LS
from ..sending import send
from .asked import Asked, End
from .directory_page import CONTENT_POLICY, VERSION, Listing, page
from .files import HTML, Files
from .headers import page_etag
from .resolving import Resolving
from .upstream import Upstream

__all__ = ["Directories"]

INDEX = "index.html"


class Directories:
    """Answers for UnixFS directories."""

    def __init__(
        self, upstream: Upstream, resolving: Resolving, files: Files, *, max_entries: int, stall_s: float
    ) -> None:
        self._upstream = upstream
        self._resolving = resolving
        self._files = files
        self._max_entries = max_entries
        self._stall_s = stall_s

    async def answer(self, asked: Asked, end: End) -> web.StreamResponse:
        """The directory at the end of the path."""
        if not asked.path.slash:
            return slashed(asked, end)
        if (index := await self._index(end)) is not None:
            try:
                return await self._files.file(asked, index, INDEX)
            except NotAFile:
                pass  # something else by that name: the directory is listed
        return await self._listing(asked, end)

    async def _index(self, end: End) -> End | None:
        try:
            return await self._resolving.below(end, INDEX)
        except NotFound as error:
            if error.details.get("what") != "path":
                raise
            return None

    async def _listing(self, asked: Asked, end: End) -> web.StreamResponse:
        headers = asked.headers(end.roots, generated=True)
        headers[hdrs.ETAG] = etag = page_etag("DirIndex", VERSION, end.text)
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known, end.roots, generated=True)
        headers[hdrs.CONTENT_TYPE] = HTML
        headers["Content-Security-Policy"] = CONTENT_POLICY
        async with aclosing(self._upstream.items(LS, PathRequest(cid=end.text))) as entries:
            first = await anext(entries, None)  # what is wrong with it shows before the page begins
            if asked.is_head:
                return web.StreamResponse(headers=headers)
            listing = Listing(
                asked.path,
                end.text,
                gateway=asked.gateway,
                isolated=asked.isolated,
                limit=self._max_entries,
            )
            parts = page(listing, _chain(first, entries))
            return await send(asked.request, headers, parts, stall_s=self._stall_s)


def slashed(asked: Asked, end: End) -> web.Response:
    """301 to the same URL with a slash behind its path, its query kept."""
    url = asked.request.rel_url
    query = f"?{url.raw_query_string}" if url.raw_query_string else ""
    headers = asked.headers(end.roots)
    headers[hdrs.LOCATION] = "/" + url.raw_path.lstrip("/") + "/" + query
    return web.Response(status=301, headers=headers)


async def _chain(first: DirEntry | None, rest: AsyncIterator[DirEntry]) -> AsyncIterator[DirEntry]:
    if first is not None:
        yield first
    async for entry in rest:
        yield entry
