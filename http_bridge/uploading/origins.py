"""What a browser is told so that pages of allowed origins may upload (CORS)."""

from __future__ import annotations

from collections.abc import Container

from aiohttp import hdrs, web

from . import headers as tus

__all__ = ["cross_origin"]

METHODS = "POST, GET, HEAD, PATCH, DELETE, OPTIONS"
TAKEN = ", ".join(
    [
        hdrs.CONTENT_TYPE, tus.RESUMABLE, tus.OFFSET, tus.LENGTH, tus.DEFER_LENGTH, tus.METADATA,
        tus.CHECKSUM, tus.METHOD_OVERRIDE, "Authorization", "X-Requested-With", "X-Request-ID",
    ]
)  # fmt: skip
SHOWN = ", ".join(
    [
        hdrs.LOCATION, tus.RESUMABLE, tus.VERSIONS, tus.EXTENSIONS, tus.MAX_SIZE, tus.OFFSET, tus.LENGTH,
        tus.DEFER_LENGTH, tus.METADATA, tus.EXPIRES, tus.CID, tus.IPFS_PATH,
    ]
)  # fmt: skip
PREFLIGHT_S = "86400"


def cross_origin(request: web.Request, allowed: Container[str]) -> dict[str, str]:
    """The headers for a request from a page; none for a page that is not allowed."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin not in allowed:
        return {hdrs.VARY: hdrs.ORIGIN}
    found: dict[str, str] = {
        hdrs.VARY: hdrs.ORIGIN,
        hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
        hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: SHOWN,
    }
    if request.method == hdrs.METH_OPTIONS:
        found |= {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: TAKEN,
            hdrs.ACCESS_CONTROL_MAX_AGE: PREFLIGHT_S,
        }
    return found
