"""Which answer suits a block: by its codec and by the format that is wanted.

    raw, dag-pb          -> a file, a directory or a symbolic link
    json, cbor           -> the block, under its media type
    dag-json, dag-cbor   -> the block; for a browser, a page about it
    a format by name     -> the block where its codec is that format, else 406

Source: path gateway ("Response Payload", IPIP-524 for codecs that do not match).
"""

from __future__ import annotations

import orjson
from aiohttp import hdrs, web

from ...schemas.cid import CODECS, DAG_PB, RAW
from ...schemas.dag import DagGet
from ...schemas.errors import BadRequest, NotAFile
from ...schemas.ipfs import CatRequest, PathRequest
from ...schemas.subjects import CAT, DAG_GET, STAT
from .asked import Asked, End
from .bodies import Bodies
from .directories import Directories
from .files import HTML, Files, node_opener
from .formats import Format, NotAcceptable
from .headers import page_etag
from .node_page import CONTENT_POLICY, VERSION, node_page
from .upstream import Upstream

__all__ = ["Nodes"]

# Codec -> the format whose bytes its blocks are.
FORMATS = {CODECS[name.value]: name for name in (Format.JSON, Format.CBOR, Format.DAG_JSON, Format.DAG_CBOR)}
LINKED = frozenset({Format.DAG_JSON, Format.DAG_CBOR})
SYMLINK_TYPE = "inode/symlink"
# A file that is asked for as JSON is read to see whether it is.
MAX_JSON_BYTES = 1024 * 1024
# A node's page shows it as JSON up to this size.
MAX_SHOWN_BYTES = 256 * 1024


class Nodes:
    """Answers with what is at the end of a path."""

    def __init__(
        self, upstream: Upstream, bodies: Bodies, files: Files, directories: Directories, *, converts: bool
    ) -> None:
        self._upstream = upstream
        self._bodies = bodies
        self._files = files
        self._directories = directories
        self._converts = converts

    async def answer(self, asked: Asked, end: End) -> web.StreamResponse:
        """The content as it is, or in the format asked for; raises NotAcceptable if it has no such."""
        wanted, own = asked.wanted.format, FORMATS.get(end.cid.codec)
        if wanted is None or wanted is own:
            return await self._as_it_is(asked, end, own)
        is_unixfs = end.cid.codec in (RAW, DAG_PB)
        if asked.wanted.as_it_is and (is_unixfs or not self._converts):
            asked.plain()
            return await self._as_it_is(asked, end, own)
        if is_unixfs and wanted is Format.JSON and await self._is_json(end):
            return await self._files.file(asked, end)
        if not self._converts:
            hint = f"?format={Format.RAW} has its block, to be converted by whoever asks"
            raise NotAcceptable(f"{end.text} is {end.cid.codec_name}, not {wanted}", hint)
        return await self._bodies.answer(
            asked, end, node_opener(self._upstream, end, wanted), lambda _: wanted.media_type
        )

    async def block(self, asked: Asked, end: End) -> web.StreamResponse:
        """The block as it is stored, whatever its codec."""
        asked.block = end.text
        return await self._files.block(asked, end, Format.RAW.media_type)

    async def _as_it_is(self, asked: Asked, end: End, own: Format | None) -> web.StreamResponse:
        if end.cid.codec in (RAW, DAG_PB):
            return await self._unixfs(asked, end)
        if own is None:
            raise BadRequest("cid", f"{end.cid.codec_name} blocks are served as ?format={Format.RAW} only")
        if own in LINKED and asked.wanted.html and asked.wanted.format is None:
            return await self._page(asked, end)
        asked.block = end.text
        asked.formatted(own)
        return await self._files.block(asked, end, own.media_type)

    async def _unixfs(self, asked: Asked, end: End) -> web.StreamResponse:
        known = asked.knows(asked.etag(end))
        if known is not None:
            return asked.unchanged(known, end.roots)
        try:
            return await self._files.file(asked, end)
        except NotAFile as error:
            if error.details.get("type") == "directory":
                return await self._directories.answer(asked, end)
            if error.details.get("type") == "symbolic link":
                return await self._symlink(asked, end)
            raise

    async def _symlink(self, asked: Asked, end: End) -> web.Response:
        """Where a link points, as text: it is not followed, as its target may lie outside of the content."""
        found = await self._upstream.request(STAT, PathRequest(cid=end.text))
        headers = asked.headers(end.roots)
        headers[hdrs.ETAG] = asked.etag(end)
        headers[hdrs.CONTENT_TYPE] = SYMLINK_TYPE
        return web.Response(body=(found.target or "").encode(), headers=headers)

    async def _is_json(self, end: End) -> bool:
        ask = CatRequest(cid=end.text, length=MAX_JSON_BYTES + 1)
        content = bytearray()
        try:
            async with await self._upstream.open(CAT, ask) as stream:
                async for chunk in self._upstream.paced(stream):
                    content += chunk
        except NotAFile:
            return False
        if len(content) > MAX_JSON_BYTES:
            problem = f"{end.text} is larger than the {MAX_JSON_BYTES} bytes that are checked to be JSON"
            raise NotAcceptable(problem, "without ?format=json it is served as it is")
        try:
            orjson.loads(content)
        except orjson.JSONDecodeError:
            return False
        return True

    async def _page(self, asked: Asked, end: End) -> web.Response:
        headers = asked.headers(end.roots, generated=True)
        headers[hdrs.ETAG] = etag = page_etag("DagIndex", VERSION, end.text)
        if (known := asked.knows(etag)) is not None:
            return asked.unchanged(known, end.roots, generated=True)
        ask = DagGet(cid=end.text, output_codec="dag-json")
        async with await self._upstream.open(DAG_GET, ask) as stream:
            head = stream.head
            shown = b""
            if head is not None and head.size_bytes <= MAX_SHOWN_BYTES:
                shown = b"".join([chunk async for chunk in self._upstream.paced(stream)])
        headers[hdrs.CONTENT_TYPE] = HTML
        headers["Content-Security-Policy"] = CONTENT_POLICY
        headers[hdrs.VARY] = hdrs.ACCEPT
        body = node_page(asked.path, end.text, end.cid.codec_name, shown, asked.gateway)
        return web.Response(body=body, headers=headers)
