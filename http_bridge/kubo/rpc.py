"""The way in: `/api/v0/<command>`, POST only.

[POST] -> guard -> whose page? -> which command? -> Call -> handler -> Answer
"""

from __future__ import annotations

import asyncio
import re

from aiohttp import hdrs, web

from ...schemas.errors import DeadlineExceeded
from ..bodies import expectation
from ..bridge import Bridge
from ..problems import OPERATION_ID, MethodNotAllowed
from . import origins
from .answers import answer
from .command import Command
from .errors import UnknownCommand, told
from .table import COMMANDS

__all__ = ["API_PATH", "add_kubo_rpc"]

API_PATH = "/api/v0"


def add_kubo_rpc(app: web.Application, bridge: Bridge) -> None:
    """Serve the RPC below `/api/v0`, beside the bridge's table if that is served below it too."""
    rpc = _Rpc(bridge)
    resource = app.router.add_resource(API_PATH + "/{command:" + _not_the_table(bridge) + r"[\s\S]*}")
    expect = expectation(bridge, lambda _: bridge.settings.max_upload_bytes)
    # Which pages may call it is decided by Kubo's rules, in `serve`.
    resource.add_route(
        hdrs.METH_ANY, bridge.guard(rpc.serve, open_to_pages=True, tell=told), expect_handler=expect
    )


def _not_the_table(bridge: Bridge) -> str:
    """A pattern that no path below the bridge's own prefix matches."""
    prefix = bridge.settings.prefix.rstrip("/")
    below = prefix.removeprefix(API_PATH + "/")
    return "" if below == prefix else f"(?!{re.escape(below)}(?:/|$))"


class _Rpc:
    """Answers one request."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._settings = bridge.settings

    async def serve(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        origins.allow(self._bridge, request)
        if request.method == hdrs.METH_OPTIONS:
            return origins.preflight(request)
        if request.method != hdrs.METH_POST:
            raise MethodNotAllowed(request.method, [hdrs.METH_OPTIONS, hdrs.METH_POST])
        command, extra = _find(request.match_info["command"])
        call = command.call(self._bridge, request, extra)
        headers = origins.cors_headers(request) | {
            OPERATION_ID: operation_id,
            "Server": f"kubo/{self._settings.kubo_version}",
        }
        try:
            async with asyncio.timeout(call.timeout_s):
                made = command.handler(call)
                return await answer(request, made, headers, stall_s=self._settings.write_timeout_s)
        except TimeoutError:
            raise DeadlineExceeded(command.path, call.timeout_s) from None


def _find(path: str) -> tuple[Command, list[str]]:
    """The command of a path; what follows a command's own path is its first argument, as in `cat/<cid>`."""
    if path in COMMANDS:
        return COMMANDS[path], []
    parent, _, last = path.rpartition("/")
    if last and parent in COMMANDS and COMMANDS[parent].arguments:
        return COMMANDS[parent], [last]
    raise UnknownCommand
