"""The gateway: content under `/ipfs` and `/ipns`, and under hosts that content has to itself.

    [request] -> which content path -> moved? -> which format -> which root -> where the path ends -> answer

Each step that can be had without asking an actor comes before those that cannot. Sources: path, trustless,
subdomain and DNSLink gateway (https://specs.ipfs.tech/http-gateways/).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from ...schemas.errors import BadRequest, BusError, Busy, NotFound
from ..bridge import AiohttpHandler, Bridge, Handler
from ..problems import OPERATION_ID, MethodNotAllowed
from .asked import BASE, Asked, End
from .bodies import Bodies
from .denylist import Denylists
from .directories import Directories
from .exports import Exports
from .files import Files
from .formats import Format, read_wanted
from .headers import PREFLIGHT, check_service_worker, only_if_cached
from .nodes import Nodes
from .origins import Origins
from .paths import IPFS, IPNS, ContentPath, Moved, SiteHost, read_path, uri_target
from .refusals import refusal
from .resolving import Resolving
from .site_rules import SiteRules
from .upstream import Upstream

__all__ = ["GATEWAY", "Gateway", "add_gateway"]

log = logging.getLogger(__name__)

METHODS = [hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS]
PATHS = ("/ipfs", "/ipns", r"/ipfs/{tail:[\s\S]*}", r"/ipns/{tail:[\s\S]*}")


class Gateway:
    """Everything under `/ipfs`, `/ipns` and the hosts of sites; `handle` is what aiohttp calls."""

    def __init__(self, bridge: Bridge) -> None:
        settings = bridge.settings
        stall_s = settings.write_timeout_s
        self.settings = settings
        self.origins = Origins(settings)
        self.denylists = None if settings.gateway_denylists is None else Denylists(settings.gateway_denylists)
        self.upstream = Upstream(bridge.bus, settings)
        self.bodies = Bodies(self.upstream, stall_s)
        self._bridge = bridge
        self._running = 0
        self._resolving = Resolving(self.upstream, self.denylists)
        self._exports = Exports(self.upstream, self._resolving, stall_s)
        files = Files(self.upstream, self.bodies)
        directories = Directories(
            self.upstream, self._resolving, files, max_entries=settings.gateway_max_entries, stall_s=stall_s
        )
        self._nodes = Nodes(
            self.upstream, self.bodies, files, directories, converts=settings.gateway_convert_codecs
        )
        self._rules = SiteRules(self.upstream, self._resolving, files)
        self.handle = self.guard(self.answer)

    def guard(self, handler: Handler) -> AiohttpHandler:
        """The handler as aiohttp calls it, within the gateway's share of running requests, its errors told
        as the gateway specifications number them."""

        async def answer(request: web.Request, operation_id: str) -> web.StreamResponse:
            limit = self.settings.gateway_max_requests
            if self._running >= limit:
                raise Busy("the gateway", limit=limit)
            self._running += 1
            try:
                return await handler(request, operation_id)
            finally:
                self._running -= 1

        return self._bridge.guard(answer, open_to_pages=True, tell=refusal)

    async def answer(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The answer to any request of a gateway path or a site's host."""
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers={**PREFLIGHT, OPERATION_ID: operation_id})
        if request.method not in METHODS:
            raise MethodNotAllowed(request.method, METHODS)
        site = self.origins.site_of(request)
        path = _path_of(request, site)
        moved = path if isinstance(path, Moved) else self._moved(request, site, path)
        if moved is not None:
            return _redirect(moved, operation_id)
        assert isinstance(path, ContentPath)
        wanted = read_wanted(
            request.query,
            request.headers.get(hdrs.ACCEPT, ""),
            deserialized=not self.settings.gateway_trustless_only,
        )
        return await self._content(Asked(request, operation_id, path, wanted, site))

    def _moved(self, request: web.Request, site: SiteHost | None, path: ContentPath) -> Moved | None:
        check_service_worker(request.headers.get("Service-Worker", ""), path)
        if site is not None:
            return self.origins.canonical(request, site, path)
        return self.origins.moved(request, path)

    async def _content(self, asked: Asked) -> web.StreamResponse:
        if asked.wanted.format is Format.IPNS_RECORD:
            self._resolving.check_path(asked.path)
            return await self._exports.record(asked)
        await self._resolving.root(asked)
        if only_if_cached(asked.request.headers.get(hdrs.CACHE_CONTROL, "")):
            await self._resolving.require_cached(asked.root)
            if asked.is_head:
                return self._is_cached(asked)
        if asked.wanted.format is Format.CAR:
            return await self._exports.car(asked)
        if asked.path.path and asked.wanted.format is Format.RAW and self.settings.gateway_trustless_only:
            raise BadRequest("path", "a trustless gateway serves blocks by their CID alone")
        try:
            end = await self._resolving.end(asked)
            return await self._at_end(asked, end)
        except NotFound as error:
            if error.details.get("what") == "path" and asked.isolated and asked.wanted.format is None:
                answer = await self._rules.answer(asked)
                if answer is not None:
                    return answer
            raise

    async def _at_end(self, asked: Asked, end: End) -> web.StreamResponse:
        if asked.wanted.format is Format.RAW:
            return await self._nodes.block(asked, end)
        if asked.wanted.format is Format.TAR:
            return await self._exports.tar(asked, end)
        return await self._nodes.answer(asked, end)

    def _is_cached(self, asked: Asked) -> web.Response:
        """All that a HEAD with only-if-cached is told: to find out more could mean to fetch something."""
        return web.Response(headers=asked.headers((asked.root,)))

    async def keep_denylists(self, app: web.Application) -> AsyncIterator[None]:
        """Read the denylists before the first request, and again whenever they change.

        What cannot be read at the start is an error: the gateway does not serve what it should not.
        """
        folder = self.settings.gateway_denylists
        if folder is None or self.denylists is None:
            yield
            return
        if not folder.is_dir():
            raise BadRequest("gateway_denylists", f"no such folder: {folder}")
        await asyncio.to_thread(self.denylists.refresh)
        task = asyncio.create_task(self._refresh(self.denylists))
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _refresh(self, denylists: Denylists) -> None:
        while True:
            await asyncio.sleep(self.settings.gateway_denylist_every_s)
            try:
                await asyncio.to_thread(denylists.refresh)
            except (BusError, OSError) as error:
                log.warning("denylists not read again, the former rules hold: %s", error)


GATEWAY = web.AppKey("gateway", Gateway)


def add_gateway(app: web.Application, bridge: Bridge) -> Gateway:
    """Give an application the gateway's paths; hosts of sites are answered where `Entrance` is in front."""
    gateway = app[GATEWAY] = Gateway(bridge)
    app.cleanup_ctx.append(gateway.keep_denylists)
    for path in PATHS:
        app.router.add_route(hdrs.METH_ANY, path, gateway.handle)
    return gateway


def _path_of(request: web.Request, site: SiteHost | None) -> ContentPath | Moved:
    raw_path = request.rel_url.raw_path
    if site is not None:
        return site.at(raw_path)
    if "uri" in request.query and raw_path.strip("/") in (IPFS, IPNS):
        return uri_target(request.query["uri"])
    path = read_path(raw_path)
    query = request.rel_url.raw_query_string
    if isinstance(path, Moved) and query:
        return Moved(f"{path.location}?{query}", path.status)
    return path


def _redirect(moved: Moved, operation_id: str) -> web.Response:
    headers = BASE.copy()
    headers[OPERATION_ID] = operation_id
    headers[hdrs.LOCATION] = moved.location
    return web.Response(status=moved.status, headers=headers)
