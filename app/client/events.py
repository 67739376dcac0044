"""Events as they happen: what a listener gets, and which events a filter means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson

from cidbus.schemas.errors import BadRequest
from cidbus.schemas.rows import Event
from cidbus.schemas.subjects import events
from cidbus.schemas.wire import Wire

from .transport import RawEvents

__all__ = ["EventStream", "Happened", "event_rows"]


@dataclass(frozen=True)
class Happened:
    """One event: its row's name, its body as it came, and the row's model of it.

    `event` is None for an event that this version of cidbus does not know.
    """

    type: str
    body: dict[str, Any]
    event: Wire | None

    @classmethod
    def read(cls, name: str, body: bytes | dict[str, Any]) -> Self:
        row = _BY_NAME.get(name)
        fields = body if isinstance(body, dict) else orjson.loads(body)
        return cls(name, fields, None if row is None else row.event.from_fields(fields))

    @property
    def cid(self) -> str:
        """The CID that it is about; empty for an event about none."""
        return str(self.body.get("cid", ""))


class EventStream:
    """Events in the order of their arrival: await it, enter it or ask it for one to begin listening.

    From then on none is missed: what happens between two steps of an iteration waits, up to a few thousand.
    """

    def __init__(self, start: Callable[[], Awaitable[RawEvents]], cid_prefix: str = "") -> None:
        self._start = start
        self._cid_prefix = cid_prefix
        self._stream: RawEvents | None = None
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many events came faster than they were taken, and are lost."""
        return 0 if self._stream is None else self._stream.dropped

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def _open(self) -> Self:
        if self._stream is None and not self._closed:
            self._stream = await self._start()
        return self

    def __aiter__(self) -> AsyncIterator[Happened]:
        return self

    async def __anext__(self) -> Happened:
        await self._open()
        while self._stream is not None:
            happened = Happened.read(*await self._stream.__anext__())
            if happened.cid.startswith(self._cid_prefix):
                return happened
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop listening."""
        stream, self._stream, self._closed = self._stream, None, True
        if stream is not None:
            await stream.aclose()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def event_rows(types: str | Iterable[str]) -> tuple[Event[Any], ...]:
    """The rows that a filter means: names such as `ipfs.added`, documented ones such as `content_added`.

    Raises BadRequest, naming what is known, if one of them is neither.
    """
    found: dict[str, Event[Any]] = {}
    for name in [types] if isinstance(types, str) else types:
        row = _BY_NAME.get(name) or _BY_OLD_NAME.get(name)
        if row is None:
            raise BadRequest("types", f"{name!r} is not one of {', '.join(sorted(_BY_NAME))}")
        found[row.name] = row
    return tuple(found.values())


_BY_NAME: dict[str, Event[Any]] = {row.name: row for row in events()}
_BY_OLD_NAME: dict[str, Event[Any]] = {row.also: row for row in events() if row.also}
