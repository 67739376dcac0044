"""The items of an answer that says something before them, opened when they are first used.

rows = await client.cache.query(filter={"heat_score": {"$gt": 0.7}})   # opened, so that `rows.head` is there
async for row in rows: ...
page = [row async for row in client.cache.query(limit=100)]            # or used at once
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from cidbus.schemas.wire import Wire

from .transport import RawItems

__all__ = ["Items"]

H = TypeVar("H", bound=Wire)
M = TypeVar("M", bound=Wire)


class Items(Generic[H, M]):
    """An async iterator of models; await it or enter it to open it, `aclose()` or leave it to stop it."""

    def __init__(self, opening: Callable[[], Awaitable[RawItems[H, M]]]) -> None:
        self._opening = opening
        self._items: RawItems[H, M] | None = None

    @property
    def head(self) -> H | None:
        """What comes before the items; None until opened."""
        return None if self._items is None else self._items.head

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def _open(self) -> Self:
        if self._items is None:
            self._items = await self._opening()
        return self

    def __aiter__(self) -> AsyncIterator[M]:
        return self._each()

    async def _each(self) -> AsyncIterator[M]:
        await self._open()
        assert self._items is not None
        async for item in self._items:
            yield item

    async def aclose(self) -> None:
        """Stop the answer if it still runs; both sides then forget it."""
        if self._items is not None:
            await self._items.aclose()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
