"""Errors as the gateway specifications number them, and the answers that tell of them.

What a caller did wrong keeps its status. What the other side could not do is 502, content that breaks its own
format is 500, and whatever may go better later says when, in Retry-After.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from ...schemas.errors import BusError, Cancelled, InvalidContent, StorageFull, Unavailable
from ..problems import problem
from .headers import CORS

__all__ = ["NotCached", "refusal"]

RETRY_AFTER_S = "1"


class NotCached(BusError):
    """The content is not here, and the client wants nothing that has to be fetched (only-if-cached)."""

    code, kind = 412, "not_cached"

    def __init__(self, cid: str) -> None:
        super().__init__(f"{cid} is not stored here, and only-if-cached forbids to fetch it", cid=cid)


class BadGateway(BusError):
    """Who has the content did not answer, or broke off."""

    code, kind, retryable = 502, "bad_gateway", True


class BrokenContent(BusError):
    """The content breaks its own format, so that nothing can be made of it."""

    code, kind = 500, "broken_content"


_AS: dict[type[BusError], type[BusError]] = {
    Unavailable: BadGateway,
    Cancelled: BadGateway,
    InvalidContent: BrokenContent,
    StorageFull: BadGateway,
}


def refusal(error: BusError, operation_id: str) -> web.Response:
    """The answer that tells of an error; scripts of any origin may read it."""
    told = _AS.get(type(error))
    response = problem(error if told is None else told.rebuild(error.message, error.details), operation_id)
    response.headers.update(CORS)
    if error.retryable:
        response.headers.setdefault(hdrs.RETRY_AFTER, RETRY_AFTER_S)
    return response
