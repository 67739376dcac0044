"""What a back end is: an object whose marked methods answer rows of the ipfs actor.

A back end answers a row by having a method that `handles` marks, as an actor does. It need not answer every
row: the actor tells callers which it does not.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable
from typing import Any, ClassVar

from ....bus import Actor, marked_handlers, marked_shortcuts
from ....schemas import ipfs
from ....schemas.errors import BusError
from ....schemas.ipfs import BackendName
from ....schemas.rows import Call, Event
from ....schemas.wire import Wire

__all__ = ["Backend"]

log = logging.getLogger(__name__)


class Backend:
    """One way to answer. `attach` comes before `open`; `close` is called once, after the last answer."""

    name: ClassVar[BackendName]

    _actor: Actor
    # What time it is, in nanoseconds since 1970.
    _now_ns: Callable[[], int] = staticmethod(time.time_ns)

    def attach(self, actor: Actor) -> None:
        """Learn on whose behalf the back end answers: its bus, its instance, its version."""
        self._actor = actor

    async def open(self) -> None:
        """Make ready to answer; raising ends the process."""

    async def close(self) -> None:
        """Finish what is under way and give everything back."""

    def handlers(self) -> dict[Call[Any] | Event[Any], Callable[..., Any]]:
        """What answers each row: the methods that `handles` marks."""
        return marked_handlers(self)

    def shortcuts(self) -> dict[Call[Any] | Event[Any], Callable[[Any], bytes | None]]:
        """What may answer a row at once: the methods that `answers_at_once` marks."""
        return marked_shortcuts(self)

    def now(self) -> float:
        """Unix seconds."""
        return self._now_ns() / 1e9

    def here(self) -> ipfs.Version:
        """The versions of this process, for a back end that answers by itself."""
        return ipfs.Version(
            version=self._actor.software_version,
            backend=self.name,
            python=platform.python_version(),
            system=f"{platform.machine()}/{platform.system().lower()}",
        )

    async def tell(self, row: Event[Any], event: Wire) -> None:
        """Announce what is done already: that nobody could be told does not undo it."""
        if isinstance(event, ipfs.OfNode):
            event = event.model_copy(update={"node": self._actor.node})
        try:
            await self._actor.bus.publish(row, event)
        except BusError as error:
            log.warning("%s was not announced: %s", row.name, error)
