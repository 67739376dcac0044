"""What the running actors say of their work, as `$SRV.STATS` has it."""

from __future__ import annotations

from typing import Any

from cidbus.schemas.wire import Reply

__all__ = ["ActorStats", "EndpointStats", "StatsAnswer", "ordered", "read_services"]

SERVICE_PREFIX = "cidbus-"


class EndpointStats(Reply):
    """One row's counters since its instance started; times are those of the handler."""

    subject: str
    requests: int = 0
    errors: int = 0
    refused: int = 0
    average_ms: float = 0.0
    longest_ms: float = 0.0
    last_error: str = ""


class ActorStats(Reply):
    """One instance of an actor."""

    actor: str
    instance: str
    version: str
    started: str
    endpoints: list[EndpointStats]

    @property
    def requests(self) -> int:
        return sum(endpoint.requests for endpoint in self.endpoints)

    @property
    def errors(self) -> int:
        return sum(endpoint.errors for endpoint in self.endpoints)

    @property
    def refused(self) -> int:
        return sum(endpoint.refused for endpoint in self.endpoints)

    @property
    def busy_ms(self) -> float:
        """Time spent in handlers."""
        return sum(endpoint.average_ms * endpoint.requests for endpoint in self.endpoints)

    @property
    def longest_ms(self) -> float:
        return max((endpoint.longest_ms for endpoint in self.endpoints), default=0.0)


class StatsAnswer(Reply):
    """What a bridge answers to `GET /stats`."""

    actors: list[ActorStats]


def read_services(answers: list[dict[str, Any]]) -> list[ActorStats]:
    """cidbus's actors among the services that answered `$SRV.STATS`."""
    ours = [answer for answer in answers if str(answer.get("name", "")).startswith(SERVICE_PREFIX)]
    return ordered([ActorStats.from_fields(_instance(answer)) for answer in ours])


def ordered(instances: list[ActorStats]) -> list[ActorStats]:
    """The same, by actor and instance."""
    return sorted(instances, key=lambda stats: (stats.actor, stats.instance))


def _instance(answer: dict[str, Any]) -> dict[str, object]:
    return {
        "actor": str(answer["name"]).removeprefix(SERVICE_PREFIX),
        "instance": answer["id"],
        "version": answer["version"],
        "started": answer["started"],
        "endpoints": [_endpoint(endpoint) for endpoint in answer.get("endpoints") or []],
    }


def _endpoint(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "subject": fields["subject"],
        "requests": fields["num_requests"],
        "errors": fields["num_errors"],
        "average_ms": fields["average_processing_time"] / 1e6,
        "last_error": fields["last_error"],
        **(fields.get("data") or {}),
    }
