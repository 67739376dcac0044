"""The transport that speaks to the actors themselves."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, cast

from cidbus.bus import Bus, Credentials, IncomingStream, Subscription, items_of
from cidbus.schemas.cache import CacheGet
from cidbus.schemas.ipfs import CatRequest
from cidbus.schemas.rows import Event, Request, Stream, Upload
from cidbus.schemas.wire import Wire

from .heads import file_head
from .stats import ActorStats, read_services
from .transport import RawItems, RawStream

__all__ = ["NatsTransport"]

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
M = TypeVar("M", bound=Wire)


class NatsTransport:
    """A bus connection; see `Transport` for what each operation promises."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    @classmethod
    async def connect(cls, url: str, seed: Path | None, timeout_s: float, node: str | None = None) -> Self:
        """Connect as the user `client`, to ask one node or any; raises what `Bus.connect` raises."""
        bus = await Bus.connect(url, Credentials("client", seed), timeout_s=timeout_s, node=node)
        return cls(bus)

    async def request(self, row: Request[A, R], ask: A, *, timeout_s: float | None = None) -> R:
        return await self.bus.request(row, ask, timeout_s=timeout_s)

    async def open(self, row: Stream[A, H, bytes], ask: A, *, timeout_s: float | None = None) -> RawStream[H]:
        stream = await self.bus.open(row, ask, timeout_s=timeout_s)
        if stream.head is None and stream.whole is not None and isinstance(ask, CatRequest | CacheGet):
            # A small file asked for by its own CID comes without a head: its bytes say it all.
            stream.head = cast(H, file_head(ask.cid, len(stream.whole), ask))
        return stream

    def items(self, row: Stream[A, Any, M], ask: A, *, timeout_s: float | None = None) -> AsyncIterator[M]:
        return self.bus.items(row, ask, timeout_s=timeout_s)

    async def open_items(
        self, row: Stream[A, H, M], ask: A, *, timeout_s: float | None = None
    ) -> RawItems[H, M]:
        stream = await self.bus.open(row, ask, timeout_s=timeout_s)
        return NatsItems(stream, row)

    async def upload(
        self,
        row: Upload[A, R],
        ask: A,
        content: AsyncIterable[bytes | memoryview] | None,
        *,
        timeout_s: float | None = None,
    ) -> R:
        return await self.bus.upload(row, ask, content, timeout_s=timeout_s)

    async def events(self, rows: tuple[Event[Any], ...]) -> Subscription:
        return await self.bus.subscribe(*rows)

    async def stats(self) -> list[ActorStats]:
        return read_services(await self.bus.discover("STATS"))

    async def aclose(self) -> None:
        await self.bus.close()


class NatsItems(Generic[H, M]):
    """The items of one stream."""

    def __init__(self, stream: IncomingStream[H], row: Stream[Any, H, M]) -> None:
        self.head = stream.head
        self._stream = stream
        self._row = row

    async def __aiter__(self) -> AsyncIterator[M]:
        async for item in items_of(self._row, self._stream):
            yield item

    async def aclose(self) -> None:
        await self._stream.aclose()
