"""The documents that the table gives: OpenAPI, AsyncAPI, and a page to read them."""

from __future__ import annotations

from functools import cached_property

import orjson
from aiohttp import web

from .asyncapi import asyncapi_document
from .bridge import Bridge
from .openapi import openapi_document
from .page import CONTENT_POLICY, PAGE
from .problems import OPERATION_ID, SERVER

__all__ = ["Documents"]


class Documents:
    """Made at the first request, then kept."""

    def __init__(self, bridge: Bridge) -> None:
        self._settings = bridge.settings

    async def openapi(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        return _document(self._openapi, "application/json", operation_id)

    async def asyncapi(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        return _document(self._asyncapi, "application/json", operation_id)

    async def page(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        response = _document(PAGE, "text/html; charset=utf-8", operation_id)
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
        return response

    @cached_property
    def _openapi(self) -> bytes:
        return orjson.dumps(openapi_document(self._settings.prefix, self._settings.version))

    @cached_property
    def _asyncapi(self) -> bytes:
        return orjson.dumps(asyncapi_document(self._settings.version))


def _document(body: bytes, media_type: str, operation_id: str) -> web.Response:
    headers = {
        "Content-Type": media_type,
        OPERATION_ID: operation_id,
        "X-Content-Type-Options": "nosniff",
        **SERVER,
    }
    return web.Response(body=body, headers=headers)
