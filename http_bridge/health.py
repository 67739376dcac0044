"""How the system is: alive, ready, healthy, and how much each actor has done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..schemas.errors import BusError, Forbidden, Unavailable
from .bridge import Bridge
from .problems import problem
from .replies import envelope, json_answer

__all__ = ["Health", "DebugDisabled"]

SERVICE_PREFIX = "cidbus-"


class DebugDisabled(Forbidden):
    """A page that only debug mode has."""

    kind = "debug_disabled"


Enough = Callable[[list[dict[str, Any]]], bool]


class Health:
    """Answers about the system, asked of the actors themselves at the time of the question."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._settings = bridge.settings

    async def live(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """This process answers."""
        return json_answer({"status": "alive"}, operation_id)

    async def ready(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """Every needed actor answers; 503 with those that do not."""
        missing = self._missing(await self._needed_actors())
        if missing or not self._bridge.bus.connected:
            return problem(Unavailable("not every needed actor answers", missing=missing), operation_id)
        return json_answer({"status": "ready"}, operation_id)

    async def health(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The documented summary. It is answered by 200 even when degraded; `/readyz` then says 503."""
        started = time.perf_counter()
        actors = await self._actors()
        missing = self._missing(actors)
        healthy = self._bridge.bus.connected and not missing
        return json_answer(
            envelope(operation_id, started)
            | {
                "success": healthy,
                "status": "ok" if healthy else "degraded",
                "timestamp": time.time(),
                "server_id": self._settings.server_id,
                "version": self._settings.version,
                "debug_mode": self._settings.debug,
                "isolation_mode": self._settings.isolation,
                "bus_connected": self._bridge.bus.connected,
                "uptime_s": round(time.time() - self._bridge.started_at, 3),
                "actors": actors,
                "missing": missing,
            },
            operation_id,
        )

    async def stats(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """What every actor instance has done since it began, by endpoint, and this bridge's near memory."""
        started = time.perf_counter()
        found = await self._discover("STATS")
        near = {} if self._bridge.contents is None else {"near": self._bridge.contents.stats()}
        return json_answer(
            envelope(operation_id, started)
            | {"timestamp": time.time(), "actors": [_stats(s) for s in found]}
            | near,
            operation_id,
        )

    async def debug(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """What the bridge itself is doing; only in debug mode."""
        self._require_debug()
        bridge = self._bridge
        document = {
            "success": True,
            "operation_id": operation_id,
            "timestamp": time.time(),
            "server_id": self._settings.server_id,
            "session_id": bridge.session_id,
            "debug_mode": True,
            "isolation_mode": self._settings.isolation,
            "running_requests": bridge.running,
            "tasks": len(asyncio.all_tasks()),
            "bus_connected": bridge.bus.connected,
            "operation_count": len(bridge.operations),
        }
        return json_answer(document, operation_id)

    async def operations(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The last operations, the newest last; only in debug mode."""
        self._require_debug()
        operations = list(self._bridge.operations)
        document = {
            "success": True,
            "operation_id": operation_id,
            "timestamp": time.time(),
            "operations": operations,
            "count": len(operations),
        }
        return json_answer(document, operation_id)

    # ---- asked of the actors ----------------------------------------------------------------------------

    async def _actors(self) -> dict[str, list[str]]:
        """The instances that answer, by actor."""
        return _instances(await self._discover("PING"))

    async def _needed_actors(self) -> dict[str, list[str]]:
        """Those that this bridge would ask, without waiting for more once every needed actor has answered."""
        bus = self._bridge.bus

        def asked(found: list[dict[str, Any]]) -> dict[str, list[str]]:
            return _instances([one for one in found if bus.would_ask(one)])

        return asked(await self._discover("PING", lambda found: not self._missing(asked(found))))

    def _missing(self, actors: dict[str, list[str]]) -> list[str]:
        return [actor for actor in self._settings.needed if actor not in actors]

    async def _discover(self, verb: str, until: Enough = lambda _: False) -> list[dict[str, Any]]:
        wait_s = self._settings.discovery_wait_s
        try:
            found = await self._bridge.bus.discover(verb, wait_s=wait_s, until=until)
        except BusError:
            return []  # without a connection nobody answers
        return [answer for answer in found if str(answer.get("name", "")).startswith(SERVICE_PREFIX)]

    def _require_debug(self) -> None:
        if not self._settings.debug:
            raise DebugDisabled("this page is only there in debug mode", error_type="DebugDisabled")


def _instances(answers: list[dict[str, Any]]) -> dict[str, list[str]]:
    actors: dict[str, list[str]] = {}
    for answer in answers:
        actors.setdefault(_actor(answer), []).append(str(answer.get("id")))
    return {actor: sorted(actors[actor]) for actor in sorted(actors)}


def _actor(answer: dict[str, Any]) -> str:
    return str(answer["name"]).removeprefix(SERVICE_PREFIX)


def _stats(answer: dict[str, Any]) -> dict[str, Any]:
    endpoints = [
        {
            "name": endpoint.get("name"),
            "subject": endpoint.get("subject"),
            "requests": endpoint.get("num_requests", 0),
            "errors": endpoint.get("num_errors", 0),
            "last_error": endpoint.get("last_error", ""),
            "average_ms": round(endpoint.get("average_processing_time", 0) / 1e6, 3),
            **(endpoint.get("data") or {}),
        }
        for endpoint in answer.get("endpoints") or []
    ]
    return {
        "actor": _actor(answer),
        "instance": answer.get("id"),
        "version": answer.get("version"),
        "started": answer.get("started"),
        "requests": sum(endpoint["requests"] for endpoint in endpoints),
        "errors": sum(endpoint["errors"] for endpoint in endpoints),
        **{name: int(count) for name, count in (answer.get("metadata") or {}).items() if count.isdigit()},
        "endpoints": endpoints,
    }
