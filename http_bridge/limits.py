"""Connections that keep to limits: a request head comes whole and in time, and is not too large.

aiohttp bounds the size of heads but waits an hour for one; here a connection that has not sent a whole head
within `head_timeout_s` is closed, after the first byte of each later request as well.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from ..schemas.errors import BadRequest, BusError
from .bridge import Bridge
from .problems import HeadTooLarge, conceal, problem

__all__ = ["Connection"]

log = logging.getLogger(__name__)


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_bridge", "_head_began")

    def __init__(self, server: web.Server, bridge: Bridge, loop: asyncio.AbstractEventLoop) -> None:
        settings = bridge.settings
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=settings.idle_timeout_s,
            max_line_size=settings.max_line_bytes,
            max_field_size=settings.max_header_bytes,
            max_headers=settings.max_headers,
            lingering_time=2.0,
        )
        self._bridge = bridge
        self._head_began = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_began = True
        self._close_idle_in(self._bridge.settings.head_timeout_s)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._head_began = False
        elif data and not self._head_began:
            # Still waiting for a request although bytes have come: a head that is not whole.
            self._head_began = True
            self._close_idle_in(self._bridge.settings.head_timeout_s)

    def _close_idle_in(self, seconds: float) -> None:
        """Close the connection then, unless a request is being answered."""
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = self._loop.time() + seconds
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, and to whatever no handler has caught."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has already begun")
        response = problem(self._told(status, exc, message), self._bridge.new_id())
        response.force_close()
        return response

    def _told(self, status: int, exc: BaseException | None, message: str | None) -> BusError:
        if isinstance(exc, LineTooLong):
            return HeadTooLarge(int(exc.args[1]))
        if status < 500:
            return BadRequest("request", (message or "not HTTP").partition("\n")[0][:200])
        return conceal(exc or RuntimeError(message))
