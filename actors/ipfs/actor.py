"""The ipfs actor: content, blocks, pins and names of one node, answered by its back ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from ...bus import SIMULATED, Actor
from ...schemas.errors import BadRequest, NotSupported
from ...schemas.ipfs import Ask, BackendName
from ...schemas.rows import Call, Event
from ...schemas.subjects import calls
from .backends.backend import Backend
from .backends.choice import make_backends
from .settings import IpfsSettings

__all__ = ["IpfsActor"]

Handler = Callable[..., Any]
Handlers = dict[Call[Any] | Event[Any], Handler]


class IpfsActor(Actor):
    """Passes each request to the back end that it names, by default the first that is configured."""

    name = "ipfs"

    def __init__(self, backends: list[Backend]) -> None:
        self._backends = {backend.name: backend for backend in backends}
        self._first = backends[0]
        if self._first.name == "simulation":
            self.reply_headers = {SIMULATED: "true"}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The actor as the settings want it; raises BadRequest for settings that contradict each other."""
        return cls(make_backends(IpfsSettings.read(), folder))

    async def on_start(self) -> None:
        for backend in self._backends.values():
            backend.attach(self)
            await backend.open()

    async def on_stop(self) -> None:
        for backend in reversed(self._backends.values()):
            await backend.close()

    def handlers(self) -> Handlers:
        """One handler for each row of the actor, whether or not some back end answers it."""
        found = {name: backend.handlers() for name, backend in self._backends.items()}
        first = found[self._first.name]
        heard: Handlers = {row: handler for row, handler in first.items() if isinstance(row, Event)}
        return {**heard, **{row: self._switch(row, found) for row in calls(self.name)}}

    def shortcuts(self) -> Handlers:
        return self._first.shortcuts()

    def _switch(self, row: Call[Any], found: dict[BackendName, Handlers]) -> Handler:
        """Whichever back end's handler a request asks for."""

        def answer(ask: Ask, *content: Any) -> Any:
            name = ask.backend or self._first.name
            if name not in found:
                raise BadRequest("backend", f"{name!r} is not one of {', '.join(found)}")
            handler = found[name].get(row)
            if handler is None:
                raise NotSupported(f"the {name} back end does not answer {row.name}", backend=name)
            return handler(ask, *content)

        return answer
