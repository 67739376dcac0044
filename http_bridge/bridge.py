"""What every route shares: the bus, the settings, operation ids, the limit on running requests, and errors
told as problem documents.

    [request] -> guard (429 when full, 403 for foreign pages) -> handler -> [response or problem]
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestPayloadError
from pydantic import ValidationError

from ..bus import Bus
from ..schemas.errors import BadRequest, BusError, Busy, Forbidden
from ..schemas.wire import bad_request
from .contents import Contents
from .marks import mark
from .problems import OPERATION_ID, NoRoom, conceal, problem
from .settings import BridgeSettings

__all__ = ["AiohttpHandler", "Bridge", "Handler"]

# A handler gets the request and the id of the operation.
Handler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]
AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# How an error is told: a problem document, or what the clients of some API expect instead.
Teller = Callable[[BusError, str], web.Response]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KEPT_OPERATIONS = 1000


class Bridge:
    """One bridge: it keeps no state but counters, and in debug mode the last operations."""

    def __init__(self, bus: Bus, settings: BridgeSettings) -> None:
        self.bus = bus
        self.settings = settings
        self.contents = None if settings.near_bytes is None else Contents(bus, settings.near_bytes)
        self.started_at = time.time()
        self.running = 0
        self._drained: asyncio.Event | None = None
        self.held_bytes = 0
        self.session_id = secrets.token_hex(8)
        self.operations: deque[dict[str, Any]] = deque(maxlen=KEPT_OPERATIONS)
        self._id_prefix = secrets.token_hex(5) + "-"
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """An operation id: random for the process, counted within it."""
        return f"{self._id_prefix}{next(self._numbers):06x}"

    def hold(self, size: int) -> None:
        """Count so many bytes of a request body as held in memory; raises NoRoom if that is too much."""
        if self.held_bytes + size > self.settings.max_held_bytes:
            raise NoRoom(self.settings.max_held_bytes)
        self.held_bytes += size

    def release(self, size: int) -> None:
        self.held_bytes -= size

    def guard(
        self,
        handler: Handler,
        *,
        counted: bool = True,
        open_to_pages: bool = False,
        tell: Teller = problem,
    ) -> AiohttpHandler:
        """The handler as aiohttp calls it; with `counted` it takes one of the places of running requests, and
        with `open_to_pages` the pages of any site may call it. `tell` makes the answer of an error."""
        limit = self.settings.max_requests if counted else 2**63

        async def answer(request: web.Request) -> web.StreamResponse:
            operation_id = self.new_id()
            if self.running >= limit:
                return tell(Busy("the bridge", limit=limit), operation_id)
            self.running += counted
            try:
                foreign = request.method not in SAFE_METHODS and hdrs.ORIGIN in request.headers
                if foreign and not open_to_pages:
                    self.refuse_foreign_pages(request)
                response = await handler(request, operation_id)
            except BusError as error:
                response = tell(error, operation_id)
            except ValidationError as error:
                response = tell(bad_request(error), operation_id)  # a part of the request made no ask
            except (ConnectionError, RequestPayloadError) as error:
                # Either the client is gone and reads this no more, or its body breaks HTTP's framing.
                response = tell(BadRequest("body", f"it broke off: {error}"), operation_id)
            except web.HTTPException:
                raise
            except Exception as failure:
                response = tell(conceal(failure), operation_id)
            finally:
                self.running -= counted
                if self._drained is not None and self.running == 0:
                    self._drained.set()
            mark(response.headers)  # too late for one that is sent already: `send` has marked that
            if self._drained is not None:
                response.force_close()  # else a busy client's next request would come on the same connection
            return response

        return self._recorded(answer) if self.settings.debug else answer

    async def close(self) -> None:
        """End what goes on beside the requests."""
        if self.contents is not None:
            await self.contents.close()

    async def drain(self, timeout_s: float) -> None:
        """Returns once no request runs any more, or after `timeout_s`; for when none is accepted now."""
        self._drained = asyncio.Event()
        if self.running:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), timeout_s)

    def refuse_foreign_pages(self, request: web.Request) -> None:
        """Raise Forbidden if a browser sent this for a page of another site.

        A page may post to any address without asking, so a server without passwords on a user's machine must
        not do what such a page says. Its own pages are those that it is reached by as an address or as
        localhost: any other name could have been pointed at it by whoever owns the name.
        """
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None:
            self.refuse_foreign_page(origin, request.headers.get(hdrs.HOST, ""))

    def refuse_foreign_page(self, origin: str, host: str) -> None:
        """Raise Forbidden unless the origin is allowed or is this bridge's own, reached as `host`."""
        if origin not in self.settings.allowed_origins and not _is_own(origin, host):
            raise Forbidden("a page of another origin may not do this", field="Origin", origin=origin[:200])

    def _recorded(self, answer: AiohttpHandler) -> AiohttpHandler:
        """The same handler, remembered among the last operations and timed in its headers."""

        async def record(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            response = await answer(request)
            seconds = time.perf_counter() - started
            if not response.prepared:
                response.headers["X-MCP-Session-ID"] = self.session_id
                response.headers["X-MCP-Process-Time"] = f"{seconds:.6f}"
            self.operations.append(
                {
                    "operation_id": response.headers.get(OPERATION_ID),
                    "method": request.method,
                    "path": request.path,
                    "status": response.status,
                    "duration_ms": round(seconds * 1000, 3),
                    "timestamp": time.time(),
                }
            )
            return response

        return record


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        if parts.netloc != host or parts.hostname is None:
            return False
        return parts.hostname == "localhost" or bool(ip_address(parts.hostname))
    except ValueError:
        return False
