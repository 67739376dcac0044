"""The gateway's door before the router: hosts of sites never reach the bridge's API, and the most frequent
request, GET of a small file or block by its bare CID, is answered in one step.

The router and the many cases of the gateway would cost a third of such a request, and nothing in them is to
be decided for it. What is not so simple after all goes on to where it is handled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from multidict import istr

from ...schemas.cid import CID, RAW
from ...schemas.errors import NotAFile, NotSupported
from ...schemas.ipfs import CatRequest
from ...schemas.subjects import CAT
from .. import media
from ..problems import OPERATION_ID
from .asked import BASE, IPFS_PATH, IPFS_ROOTS, Asked, End
from .bodies import SANDBOX
from .files import file_body, sniffed
from .formats import Format, Wanted
from .gateway import Gateway
from .headers import IMMUTABLE
from .paths import IPFS, ContentPath

__all__ = ["Entrance"]

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

STEM = "/ipfs/"
AS_BLOCK = f"?format={Format.RAW}"
# A request with one of these has something to decide.
DECISIVE = (hdrs.RANGE, hdrs.IF_NONE_MATCH, hdrs.CACHE_CONTROL, istr("Service-Worker"))


PLAIN = sniffed("")
SANDBOXED = (istr("Content-Security-Policy"), SANDBOX)
NOSNIFF = istr("X-Content-Type-Options")


class Entrance:
    """Answers what is the gateway's and leaves everything else to the router."""

    def __init__(self, gateway: Gateway, routed: Answer) -> None:
        self._gateway = gateway
        self._origins = gateway.origins
        self._routed = routed
        self._quick = gateway.guard(self._get)
        # A denylist or a strict gateway looks at every request.
        self._has_rules = gateway.denylists is not None or gateway.settings.gateway_trustless_only
        self._constant = (*BASE.items(), (hdrs.CACHE_CONTROL, IMMUTABLE), (hdrs.ACCEPT_RANGES, "bytes"))

    def __call__(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        if self._origins.site_of(request) is not None:
            return self._gateway.handle(request)
        path = request.raw_path
        if path.startswith(STEM) and request.method == hdrs.METH_GET and self._is_plain(request):
            return self._quick(request)
        return self._routed(request)

    def _is_plain(self, request: web.Request) -> bool:
        """Whether there is nothing to decide: a bare CID, no condition, and no other format would do."""
        if self._has_rules or self._origins.is_gateway(request):
            return False
        given = request.headers
        if given.get(hdrs.ACCEPT, "*/*") != "*/*" or any(name in given for name in DECISIVE):
            return False
        # Letters and digits only: nothing to decode, no further path and no other query.
        cid = request.raw_path[len(STEM) :].removesuffix(AS_BLOCK)
        return cid.isalnum() and cid.isascii()

    async def _get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        text = request.raw_path[len(STEM) :]
        as_block = text.endswith(AS_BLOCK)
        text = text.removesuffix(AS_BLOCK)
        cid = CID.parse(text)
        if as_block and cid.codec != RAW:
            return await self._gateway.answer(request, operation_id)
        try:
            stream = await self._gateway.upstream.open(CAT, CatRequest(cid=text))
        except (NotAFile, NotSupported):
            return await self._gateway.answer(request, operation_id)
        whole = stream.whole
        if whole is None:
            wanted = Wanted(Format.RAW) if as_block else Wanted()
            asked = Asked(request, operation_id, ContentPath(IPFS, text, cid=cid), wanted)
            async with stream:
                end, body = End(cid, text, (text,)), file_body(stream)
                return await self._gateway.bodies.whole(asked, end, body, PLAIN)
        # Letters and digits need no quoting in any header.
        shown = _block_headers(text) if as_block else _file_headers(text, PLAIN(whole))
        return web.Response(
            body=whole,
            headers=(
                *self._constant,
                *shown,
                (OPERATION_ID, operation_id),
                (IPFS_PATH, STEM + text),
                (IPFS_ROOTS, text),
            ),
        )


def _file_headers(cid: str, media_type: str) -> tuple[tuple[str, str], ...]:
    found = ((hdrs.ETAG, f'"{cid}"'), (hdrs.CONTENT_TYPE, media_type))
    return (*found, SANDBOXED) if media.runs_scripts(media_type) else found


def _block_headers(cid: str) -> tuple[tuple[str, str], ...]:
    return (
        (hdrs.ETAG, f'"{cid}.{Format.RAW}"'),
        (hdrs.CONTENT_TYPE, Format.RAW.media_type),
        (hdrs.CONTENT_DISPOSITION, f'attachment; filename="{cid}.bin"'),
        (NOSNIFF, "nosniff"),
    )
