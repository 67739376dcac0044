"""The bus as the gateway asks it: within the time that an answer may take until its first byte, and for each
part after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar, cast

from ...bus import Bus, IncomingStream
from ...schemas.errors import DeadlineExceeded
from ...schemas.rows import Request, Stream
from ...schemas.wire import Wire
from ..settings import BridgeSettings

__all__ = ["Upstream"]

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
M = TypeVar("M", bound=Wire)
T = TypeVar("T")


class Upstream:
    """Requests and streams that end in DeadlineExceeded where the actor takes too long."""

    def __init__(self, bus: Bus, settings: BridgeSettings) -> None:
        self._bus = bus
        self._total_s = settings.gateway_total_timeout_s
        self._part_s = min(settings.gateway_retrieval_timeout_s, self._total_s)

    async def request(self, row: Request[A, R], ask: A) -> R:
        try:
            async with asyncio.timeout(self._part_s):
                return await self._bus.request(row, ask)
        except TimeoutError:
            raise self._too_late(row.name) from None

    async def open(self, row: Stream[A, H, Any], ask: A) -> IncomingStream[H]:
        """The opened stream: its first part is there."""
        try:
            async with asyncio.timeout(self._part_s):
                return await self._bus.open(row, ask)
        except TimeoutError:
            raise self._too_late(row.name) from None

    async def items(self, row: Stream[A, Any, M], ask: A) -> AsyncGenerator[M, None]:
        """The items of a stream, paced; the stream is opened by the first step and closed with this."""
        stream = cast("AsyncGenerator[M, None]", self._bus.items(row, ask))
        async with aclosing(stream):
            async for item in self.paced(stream):
                yield item

    async def paced(self, parts: AsyncIterator[T]) -> AsyncIterator[T]:
        """The same parts; raises DeadlineExceeded if one is too long in coming, or all of them together."""
        clock = asyncio.get_running_loop().time
        ends_at = clock() + self._total_s
        while True:
            try:
                async with asyncio.timeout_at(min(clock() + self._part_s, ends_at)):
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise self._too_late("the rest of the content") from None
            yield part

    def _too_late(self, what: str) -> DeadlineExceeded:
        return DeadlineExceeded(what, self._part_s)
