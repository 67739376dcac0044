"""What carries a request: the few operations that NATS and HTTP have in common."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cidbus.schemas.rows import Event, Request, Stream, Upload
from cidbus.schemas.wire import Wire

if TYPE_CHECKING:
    from .stats import ActorStats

__all__ = ["RawEvents", "RawItems", "RawStream", "Transport"]

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
H_co = TypeVar("H_co", bound=Wire, covariant=True)
M = TypeVar("M", bound=Wire)
M_co = TypeVar("M_co", bound=Wire, covariant=True)


class RawStream(Protocol[H_co]):
    """Bytes as they arrive. `head` is what comes before them, None where the transport has none."""

    @property
    def head(self) -> H_co | None: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...


class RawItems(Protocol[H_co, M_co]):
    """Items as they arrive, after the `head` of the answer."""

    @property
    def head(self) -> H_co | None: ...

    def __aiter__(self) -> AsyncIterator[M_co]: ...

    async def aclose(self) -> None: ...


class RawEvents(Protocol):
    """Events as they arrive: each the name of its row and its body, as JSON or as read from it."""

    @property
    def dropped(self) -> int: ...

    async def __anext__(self) -> tuple[str, bytes | dict[str, Any]]: ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """One connection to a system.

    Every operation raises the BusError that is answered, Unavailable if nobody can be reached or an answer
    breaks off, and DeadlineExceeded if none comes within `timeout_s` seconds (the row's own by default).
    """

    async def request(self, row: Request[A, R], ask: A, *, timeout_s: float | None = None) -> R:
        """The reply to one request."""

    async def open(self, row: Stream[A, H, bytes], ask: A, *, timeout_s: float | None = None) -> RawStream[H]:
        """The bytes that a row sends; `timeout_s` bounds the wait for each next part."""

    def items(self, row: Stream[A, Any, M], ask: A, *, timeout_s: float | None = None) -> AsyncIterator[M]:
        """The items that a row sends, one by one."""

    async def open_items(
        self, row: Stream[A, H, M], ask: A, *, timeout_s: float | None = None
    ) -> RawItems[H, M]:
        """The same, after what the row says before them."""

    async def upload(
        self,
        row: Upload[A, R],
        ask: A,
        content: AsyncIterable[bytes | memoryview] | None,
        *,
        timeout_s: float | None = None,
    ) -> R:
        """Ask with content: inside `ask` if `content` is None, else as a stream of pieces of any size."""

    async def events(self, rows: tuple[Event[Any], ...]) -> RawEvents:
        """Listen to these events, or to all; listening has begun when it returns."""

    async def stats(self) -> list[ActorStats]:
        """What every running actor says of its work."""

    async def aclose(self) -> None:
        """Close the connection."""
