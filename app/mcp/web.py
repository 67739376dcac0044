"""Serving a system from a user's own web application.

An aiohttp application gets the bridge's routes themselves. An ASGI application (FastAPI, Starlette) gets a
mounted proxy to the system's own bridge: bodies and WebSockets pass through as they come, nothing is held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web

from cidbus.actors import IMPLEMENTED
from cidbus.actors.cache.settings import CacheSettings
from cidbus.bus import Bus
from cidbus.bus.link import Link
from cidbus.http_bridge import BridgeSettings, add_routes
from cidbus.schemas.errors import BadRequest

from ..data_dir import Info
from .asgi import BridgeProxy

__all__ = ["Embedded", "register"]


class Embedded(Protocol):
    """What an application needs of the server that it starts and stops with itself."""

    debug_mode: bool
    isolation_mode: bool
    cache_config: CacheSettings

    async def start(self) -> Info: ...
    async def stop(self) -> None: ...
    async def link(self) -> Link: ...


def register(server: Embedded, app: Any, prefix: str) -> None:
    """Add the routes to `app`; raises BadRequest if it is of no kind known here."""
    if isinstance(app, web.Application):
        _register_aiohttp(server, app, prefix)
    elif hasattr(app, "mount") and hasattr(app, "router"):
        _register_asgi(server, app, prefix)
    else:
        raise BadRequest("app", f"{type(app).__name__} is not an aiohttp, FastAPI or Starlette application")


def _register_aiohttp(server: Embedded, app: web.Application, prefix: str) -> None:
    settings = BridgeSettings(
        prefix=prefix,
        debug=server.debug_mode,
        isolation=server.isolation_mode,
        needed=IMPLEMENTED,
        near_bytes=server.cache_config.near_limit,
    )
    bus = Bus()
    add_routes(app, bus, settings)

    async def running(_app: web.Application) -> AsyncIterator[None]:
        bus.attach(await server.link(), node=(await server.start()).node)
        try:
            yield
        finally:
            await bus.close()
            await server.stop()

    app.cleanup_ctx.append(running)


def _register_asgi(server: Embedded, app: Any, prefix: str) -> None:
    proxy = BridgeProxy(server.start)
    app.mount(prefix or "/", proxy)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: Any) -> AsyncIterator[Any]:
        await server.start()
        try:
            async with inner(application) as state:
                yield state
        finally:
            await proxy.aclose()
            await server.stop()

    app.router.lifespan_context = lifespan
