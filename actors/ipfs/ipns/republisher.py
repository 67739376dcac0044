"""Keeps published names alive: each gets a new record, signed and told to everybody, well before its end.

What is due, and when, stands in the store (`Publication`), so it survives a restart, and of several processes
that share a store only one renews a name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ....schemas.errors import BusError
from .fresh import NowNs
from .moments import SECOND_NS
from .name import IpnsName
from .names import Names

__all__ = ["Republisher", "Round"]

log = logging.getLogger(__name__)

# Another process may publish what this one has to renew, so nobody sleeps until the next known name is due.
LOOK_EVERY_S = 5.0
FORGET_EVERY_NS = 3600 * SECOND_NS


@dataclass
class Round:
    """What one round did: the names renewed, those of them that some place did not take (place → why), and
    the names that could not be renewed."""

    renewed: list[IpnsName] = field(default_factory=list)
    refused: dict[IpnsName, dict[str, str]] = field(default_factory=dict)
    failed: dict[IpnsName, str] = field(default_factory=dict)


class Republisher:
    """Renews the names of one `Names`. `run` is its whole life; `round` is one look."""

    def __init__(self, names: Names, now_ns: NowNs) -> None:
        self._names = names
        self._now_ns = now_ns
        self._forget_at_ns = 0

    async def run(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Look every few seconds, for ever; what goes wrong is logged and tried again."""
        while True:
            try:
                await self.round()
            except Exception:
                log.exception("names were not republished; trying again in %g s", LOOK_EVERY_S)
            await pause(LOOK_EVERY_S)

    async def round(self) -> Round:
        """Renew every name that is due and, once an hour, forget expired records of others. One name after
        the other: a place that fails, or a name whose key is gone, stops nothing else."""
        done = Round()
        due = [name for name, wanted in self._names.kept.publications() if wanted.due_ns <= self._now_ns()]
        for name in due:
            try:
                published = await self._names.renew(name)
            except BusError as error:
                done.failed[name] = error.message
                log.warning("%s was not republished: %s", name, error)
                continue
            if published is not None:
                done.renewed.append(name)
                if published.told.failed:
                    done.refused[name] = published.told.failed
        if self._forget_at_ns <= self._now_ns():
            await self._names.kept.forget_expired()
            self._forget_at_ns = self._now_ns() + FORGET_EVERY_NS
        return done
