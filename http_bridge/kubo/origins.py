"""Whose pages may use the RPC: the node's own, and those of the origins that the settings name.

A browser sends a form to any address without asking, so a request is refused if its Origin or its Referer is
a page of somebody else, or if a browser sent it and hides from where (as Kubo does).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from ...schemas.errors import Forbidden
from ..bridge import Bridge

__all__ = ["allow", "cors_headers", "preflight"]

EXPOSED = "X-Stream-Output, X-Chunked-Output, X-Content-Length, X-Stream-Error"
ALLOWED_HEADERS = "Accept, Content-Type, Origin, X-Requested-With"


def allow(bridge: Bridge, request: web.Request) -> None:
    """Raises Forbidden for a request of a page that may not make it."""
    given = request.headers
    for origin in (given.get(hdrs.ORIGIN), _origin_of(given.get(hdrs.REFERER))):
        if origin is not None:
            bridge.refuse_foreign_page(origin, given.get(hdrs.HOST, ""))
    if hdrs.ORIGIN in given or given.get(hdrs.REFERER):
        return
    agent = given.get(hdrs.USER_AGENT, "")
    # Pages of Electron programs send neither header and are programs of the user's own.
    if agent.startswith("Mozilla") and "Electron" not in agent:
        raise Forbidden("a browser that does not say for which page may not do this", field="User-Agent")


def cors_headers(request: web.Request) -> dict[str, str]:
    """What lets an allowed page read the answer."""
    headers = {"Vary": "Origin"}
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None:
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
    return headers


def preflight(request: web.Request) -> web.Response:
    """The answer to OPTIONS: which methods, and for an allowed page which headers, may be sent."""
    headers = {"Allow": "OPTIONS, POST", "Vary": "Origin"}
    if hdrs.ORIGIN in request.headers and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
        headers |= cors_headers(request)
        headers |= {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": "600",
        }
    return web.Response(status=204, headers=headers)


def _origin_of(referer: str | None) -> str | None:
    if not referer:
        return None
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
