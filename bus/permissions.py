"""What each user of the NATS server may say and hear, derived from the table.

An actor hears its own subjects and every event, and says its own events, the rows it is declared to call
and one answer to each request it got (`allow_responses`), to the caller's private inbox. It writes and
manages the stream of its own log, if it keeps one. Callers (`bridge`,
`client`) may ask every row and say no event. `admin` may do everything; it prepares streams and buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..schemas.rows import ROOT
from ..schemas.subjects import ACTORS, logs
from .micro import SERVICE_PREFIX, VERBS

__all__ = ["CALLERS", "USERS", "Permissions", "permissions_of"]

CALLERS = ("bridge", "client")
ADMIN = "admin"
USERS = (ADMIN, *CALLERS, *ACTORS)

LOG_VERBS = (
    "STREAM.CREATE", "STREAM.INFO", "STREAM.PURGE", "STREAM.DELETE", "STREAM.MSG.GET", "DIRECT.GET",
)  # fmt: skip

# Each answer is to a reply subject of its own, so one is enough; the longest requests take an hour.
ALLOW_RESPONSES = {"max": 1, "expires": "2h"}


@dataclass(frozen=True)
class Permissions:
    """Subjects a user may publish to and subscribe to; `responds` adds one answer per request."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False


def permissions_of(user: str) -> Permissions:
    """The permissions of one user; raises KeyError for a user that does not exist."""
    if user == ADMIN:
        return Permissions((">",), (">",))
    inbox = f"_INBOX_{user}.>"
    if user in CALLERS:
        asks = [subject for actor in ACTORS for subject in _asks(f"{actor}.>")]
        return Permissions((*asks, "$SRV.>"), (f"{ROOT}.event.>", inbox))
    info = ACTORS[user]
    asks = [
        subject for row in info.calls for subject in (*_asks(row.name), f"{ROOT}.at.*.{row.actor}.stream.>")
    ]
    return Permissions(
        publish=tuple(dict.fromkeys([f"{ROOT}.event.{user}.>", *_log(user), *asks])),
        subscribe=(f"{ROOT}.{user}.>", f"{ROOT}.at.*.{user}.>", f"{ROOT}.event.>", *_discovery(user), inbox),
        responds=True,
    )


def _asks(name: str) -> tuple[str, str]:
    return f"{ROOT}.{name}", f"{ROOT}.at.*.{name}"


def _log(actor: str) -> list[str]:
    """What it takes to append to one's own stream, to read it, to make it and to shorten it."""
    return [
        subject
        for row in logs(actor)
        for subject in (row.subject, *(f"$JS.API.{verb}.{row.stream}" for verb in LOG_VERBS))
    ]


def _discovery(actor: str) -> tuple[str, ...]:
    # Spelt out: `$SRV.*` would let an actor subscribe to `$SRV.>` and overhear what others are asked.
    service = SERVICE_PREFIX + actor
    return tuple(f"$SRV.{verb}{name}" for verb in VERBS for name in ("", f".{service}", f".{service}.*"))
