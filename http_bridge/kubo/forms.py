"""The files of a request's form, for commands that take them one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, MultipartReader, hdrs

from ...schemas.errors import BadRequest, TooLarge
from ..problems import SlowRequest
from .command import Call

__all__ = ["files", "pieces_of", "whole_file"]

PIECE_BYTES = 256 * 1024
MAX_PARTS = 10_000


async def files(call: Call) -> AsyncIterator[BodyPartReader]:
    """The parts of the form in their order; what is left unread of one is skipped.

    Raises BadRequest(field="form") for a body that is no form, SlowRequest if no byte comes in time.
    """
    if not call.request.headers.get(hdrs.CONTENT_TYPE, "").lower().startswith("multipart/"):
        return
    timeout_s = call.bridge.settings.read_timeout_s
    try:
        reader = await call.request.multipart()
        for _ in range(MAX_PARTS):
            async with asyncio.timeout(timeout_s):
                part = await reader.next()
            if part is None:
                return
            if isinstance(part, MultipartReader):
                raise BadRequest("form", "a part of it is a form of its own")
            yield part
    except ValueError as error:
        raise BadRequest("form", str(error)[:200]) from None
    except TimeoutError:
        raise SlowRequest(timeout_s) from None
    raise TooLarge("form", limit=MAX_PARTS, unit="parts")


async def pieces_of(call: Call, part: BodyPartReader) -> AsyncIterator[bytes]:
    """The bytes of one file as they come; raises SlowRequest and BadRequest(field="form")."""
    timeout_s = call.bridge.settings.read_timeout_s
    try:
        while not part.at_eof():
            async with asyncio.timeout(timeout_s):
                piece = await part.read_chunk(PIECE_BYTES)
            if piece:
                yield piece
    except ValueError as error:
        raise BadRequest("form", str(error)[:200]) from None
    except TimeoutError:
        raise SlowRequest(timeout_s) from None


async def whole_file(call: Call, part: BodyPartReader, limit: int, what: str) -> bytes:
    """One small file; raises TooLarge naming `what` past `limit` bytes."""
    body = bytearray()
    async for piece in pieces_of(call, part):
        body += piece
        if len(body) > limit:
            raise TooLarge(what, limit=limit)
    return bytes(body)
