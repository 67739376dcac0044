"""NATS micro services (ADR-32): what an actor says of itself to `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`.

The answers have the standard's shape, so `nats micro ls|info|stats` shows cidbus like any other service;
each endpoint's metadata carries the JSON schemas of its row, and the times are those of the handlers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import orjson

from ..schemas.rows import Call, Event, Replied, Row, Stream

__all__ = ["Endpoint", "Service", "SERVICE_PREFIX", "VERBS"]

VERBS = ("PING", "INFO", "STATS")

SERVICE_PREFIX = "cidbus-"
_TYPE = "io.nats.micro.v1.{}_response"


class Endpoint:
    """One row that an actor handles: the handler, its shortcut if it has one, and their counters."""

    def __init__(
        self,
        row: Call[Any] | Event[Any],
        handler: Callable[..., Any],
        at_once: Callable[[Any], bytes | None] | None = None,
    ) -> None:
        self.row = row
        self.handler = handler
        self.at_once = at_once
        self.requests = self.errors = self.refused = 0
        self.seconds = self.longest_s = 0.0
        self.last_error = ""

    def record(self, seconds: float, failed: str) -> None:
        """Count one call that took so long, and how it failed if it did (see `outcome`)."""
        self.requests += 1
        self.seconds += seconds
        if seconds > self.longest_s:
            self.longest_s = seconds
        if failed:
            self.errors += 1
            self.last_error = failed

    def refuse(self) -> None:
        """Count one call that found the actor too busy."""
        self.refused += 1

    @property
    def name(self) -> str:
        return self.row.verb.replace(".", "_")

    @cached_property
    def info(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "subject": self.row.subject,
            "queue_group": self.row.actor,
            "metadata": {"kind": self.row.kind, "summary": self.row.summary} | _schemas(self.row),
        }

    def stats(self) -> dict[str, Any]:
        nanoseconds = int(self.seconds * 1e9)
        return {
            "name": self.name,
            "subject": self.row.subject,
            "queue_group": self.row.actor,
            "num_requests": self.requests,
            "num_errors": self.errors,
            "last_error": self.last_error,
            "processing_time": nanoseconds,
            "average_processing_time": nanoseconds // self.requests if self.requests else 0,
            "data": {"refused": self.refused, "longest_ms": round(self.longest_s * 1000, 3)},
        }


def outcome(error: BaseException | None) -> str:
    """How a call failed, in the words of the statistics, such as `404:NotFound`.

    Text, because an error that is kept beside the frame that caught it is a cycle, and so are the blocks in
    that frame until the collector comes by.
    """
    return f"{getattr(error, 'code', 500)}:{type(error).__name__}"


def _schemas(row: Row) -> dict[str, str]:
    models: dict[str, Any] = {"request": row.ask} if isinstance(row, Call) else {}
    if isinstance(row, Replied):
        models["response"] = row.reply
    elif isinstance(row, Stream):
        models |= {"head": row.head, "item": row.item}
    elif isinstance(row, Event):
        models["event"] = row.event
    return {
        f"schema.{name}": json.dumps(model.model_json_schema(), separators=(",", ":"))
        for name, model in models.items()
        if model is not bytes
    }


class Service:
    """One instance of an actor, as service discovery sees it. `load` says how much it is doing now: handlers
    running and waiting, and open streams, as the metadata of its statistics; `node`, whose it is."""

    def __init__(
        self,
        actor: str,
        instance: str,
        version: str,
        summary: str,
        endpoints: list[Endpoint],
        load: Callable[[], dict[str, int]] = dict,
        node: str | None = None,
    ) -> None:
        self.name = SERVICE_PREFIX + actor
        self.instance = instance
        self.version = version
        self.summary = summary
        self.endpoints = endpoints
        self._load = load
        self._metadata = {} if node is None else {"node": node}
        self._started = datetime.now(UTC).isoformat().replace("+00:00", "Z")

    @property
    def subjects(self) -> tuple[str, ...]:
        names = ("", f".{self.name}", f".{self.name}.{self.instance}")
        return tuple(f"$SRV.{verb}{name}" for verb in VERBS for name in names)

    def answer(self, subject: str) -> bytes:
        """The answer to one `$SRV.<verb>…` request; empty for a verb that the standard does not have."""
        verb = subject.split(".")[1].lower()
        identity: dict[str, Any] = {
            "name": self.name,
            "id": self.instance,
            "version": self.version,
            "metadata": self._metadata,
        }
        identity["type"] = _TYPE.format(verb)
        if verb == "info":
            identity |= {"description": self.summary, "endpoints": [e.info for e in self.endpoints]}
        elif verb == "stats":
            counts = {name: str(count) for name, count in self._load().items()}
            identity["metadata"] = self._metadata | counts
            identity |= {"started": self._started, "endpoints": [e.stats() for e in self.endpoints]}
        elif verb != "ping":
            return b""
        return orjson.dumps(identity)
