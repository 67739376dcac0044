"""The bridge as an aiohttp application, as routes of somebody else's, and as a server.

async with await serve(bus, "127.0.0.1", 8000, settings) as server:
    print(server.port)
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from aiohttp import hdrs, web

from ..bus import Bus
from .bodies import Expect, json_expectation
from .bridge import Bridge, Handler
from .delegated import DelegatedRouting
from .documents import Documents
from .events import EventRoute
from .gateway.entrance import Entrance
from .gateway.gateway import GATEWAY, add_gateway
from .health import Health
from .kubo import add_kubo_rpc
from .limits import Connection
from .mcp_files import FilesApi
from .paths import ANY_PATH
from .problems import MethodNotAllowed, NoSuchRoute
from .routes import table_routes
from .settings import BridgeSettings
from .shortcut import Shortcut
from .streaming import StreamingRoute
from .tree.documented import Documented
from .tree.paths import TreeRoutes
from .uploading.sockets import UploadSockets
from .uploading.tus import TusRoutes

__all__ = ["BRIDGE", "BridgeServer", "add_routes", "make_app", "serve"]

BRIDGE = web.AppKey("bridge", Bridge)
BACKLOG = 1024


def make_app(bus: Bus, settings: BridgeSettings | None = None) -> web.Application:
    """The whole bridge: the table below the prefix; health, documents and `/docs` at the root as well."""
    app = web.Application()
    bridge = add_routes(app, bus, settings)
    DelegatedRouting(bridge).add_to(app)
    add_gateway(app, bridge)
    add_kubo_rpc(app, bridge)
    _Routes(app, bridge, "").add_pages().add_fallback()
    return app


def add_routes(
    app: web.Application, bus: Bus, settings: BridgeSettings | None = None, prefix: str | None = None
) -> Bridge:
    """Give any aiohttp application the bridge's routes, all below `prefix` (the settings' own by default).

    Run such an application with `handler_cancellation=True`: then a client that goes away ends what it has
    asked for at once, and not only when the next byte for it is due.
    """
    settings = settings or BridgeSettings()
    if prefix is not None:
        settings = replace(settings, prefix=prefix)
    bridge = Bridge(bus, settings)
    app[BRIDGE] = bridge
    app.on_cleanup.append(lambda _: bridge.close())
    _Routes(app, bridge, settings.prefix.rstrip("/")).add_table().add_pages().add_fallback()
    return bridge


class _Routes:
    """The routes below one prefix."""

    def __init__(self, app: web.Application, bridge: Bridge, prefix: str) -> None:
        self._app = app
        self._bridge = bridge
        self._prefix = prefix
        self._expect = json_expectation(bridge)
        self._resources: dict[str, web.Resource] = {}

    def add_table(self) -> Self:
        for route in table_routes(self._bridge):
            self._add(route.method, route.path, route.handler, expect=route.expect)
        events = EventRoute(self._bridge)
        self._app.on_shutdown.append(events.close)
        self._get("/distributed/events", events.get, counted=False)
        self._add_tree()
        streaming = StreamingRoute(self._bridge)
        for path in streaming.paths:
            self._add(hdrs.METH_GET, path, streaming.get)
            self._add(hdrs.METH_HEAD, path, streaming.head)
        self._add_uploads()
        health = Health(self._bridge)
        self._get("/stats", health.stats)
        self._get("/operations", health.operations)
        self._get("/debug", health.debug)
        return self

    def _add_tree(self) -> None:
        tree, documented = TreeRoutes(self._bridge), Documented(self._bridge)
        for path in ("/fs", "/fs" + ANY_PATH):
            self._get(path, tree.get)
            for method, handler in tree.changes.items():
                self._add(method, path, handler, expect=tree.expect)
        self._get("/cli/fs/get-filesystem", documented.filesystem)
        self._get("/fs-journal/monitor/health", documented.health)
        for path, handler in documented.posts.items():
            self._add(hdrs.METH_POST, path, handler)
        files = FilesApi(self._bridge)
        for method, path, handler in files.routes():
            if method == hdrs.METH_GET:
                self._get(path, handler)
            else:
                self._add(method, path, handler, expect=files.expect)

    def _add_uploads(self) -> None:
        sockets = UploadSockets(self._bridge)
        self._app.on_shutdown.append(sockets.close)
        self._get("/uploads/ws", sockets.get, counted=False)
        for route in TusRoutes(self._bridge):
            self._resource(route.path).add_route(route.method, route.handler, expect_handler=route.expect)

    def add_pages(self) -> Self:
        health, documents = Health(self._bridge), Documents(self._bridge)
        self._get("/health", health.health, counted=False)
        self._get("/livez", health.live, counted=False)
        self._get("/readyz", health.ready, counted=False)
        self._get("/openapi.json", documents.openapi)
        self._get("/asyncapi.json", documents.asyncapi)
        self._get("/docs", documents.page)
        return self

    def add_fallback(self) -> None:
        """Whatever else is asked below the prefix: 405 with the methods that are served there, or 404."""
        refuse = self._bridge.guard(self._refuse)
        self._resource(r"/{tail:[\s\S]*}").add_route(hdrs.METH_ANY, refuse, expect_handler=self._expect)

    def _get(self, path: str, handler: Handler, *, counted: bool = True) -> None:
        guarded = self._bridge.guard(handler, counted=counted)
        for method in (hdrs.METH_GET, hdrs.METH_HEAD):
            self._resource(path).add_route(method, guarded, expect_handler=self._expect)

    def _add(self, method: str, path: str, handler: Handler, *, expect: Expect | None = None) -> None:
        guarded = self._bridge.guard(handler)
        self._resource(path).add_route(method, guarded, expect_handler=expect or self._expect)

    def _resource(self, path: str) -> web.Resource:
        if path not in self._resources:
            self._resources[path] = self._app.router.add_resource(self._prefix + path)
        return self._resources[path]

    async def _refuse(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        allowed: set[str] = set()
        for resource in self._resources.values():
            allowed |= (await resource.resolve(request))[1]
        allowed.discard(hdrs.METH_ANY)
        if allowed:
            raise MethodNotAllowed(request.method, sorted(allowed))
        raise NoSuchRoute(request.path[:200])


class BridgeServer:
    """A bridge that listens on `port`; leaving it as a context manager stops it."""

    def __init__(self, runner: web.AppRunner, listener: asyncio.Server, bridge: Bridge) -> None:
        self._runner = runner
        self._bridge = bridge
        self._listener = listener
        self.port: int = listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Accept nothing more, let what was accepted end within `shutdown_timeout_s`, then close."""
        self._listener.close()
        # aiohttp takes in no more of a body once its cleanup has begun, so uploads end before it does.
        await self._bridge.drain(self._bridge.settings.shutdown_timeout_s)
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve(
    bus: Bus,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: BridgeSettings | None = None,
    *,
    app: web.Application | None = None,
    **listen: Any,
) -> BridgeServer:
    """Serve the bridge, or an application that `add_routes` has been called on; port 0 takes a free one.

    `listen` goes to the loop's `create_server`: `ssl`, `reuse_port`. Raises OSError if the address cannot be
    bound.
    """
    app = make_app(bus, settings) if app is None else app
    bridge = app[BRIDGE]
    loop = asyncio.get_running_loop()
    timeout_s = bridge.settings.shutdown_timeout_s
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=timeout_s)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None
        if not app.middlewares:
            answer = Shortcut(bridge, server.request_handler)
            in_front = Entrance(app[GATEWAY], answer) if GATEWAY in app else answer
            server.request_handler = in_front  # type: ignore[assignment]
        listener = await loop.create_server(
            lambda: Connection(server, bridge, loop), host, port, backlog=BACKLOG, **listen
        )
    except BaseException:
        await runner.cleanup()
        raise
    return BridgeServer(runner, listener, bridge)
