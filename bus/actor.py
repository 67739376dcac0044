"""What an actor is: a class whose methods answer rows of the table.

    [message] -> host -> handler -> [reply]

A handler's shape follows from its row, and the type checker holds it to that:

    @handles(PIN)     async def pin(self, ask: PinRequest) -> Pinned
    @handles(CAT)     async def cat(self, ask: CatRequest) -> AsyncIterator[FileHead | bytes]
    @handles(ADD)     async def add(self, ask: AddRequest, content: AsyncIterator[bytes]) -> Added
    @handles(ADDED)   async def added(self, event: ContentAdded) -> None

A stream handler yields its head first, where the row has one, then bytes of any size or items. What is at
hand may be answered before any of that, see `answers_at_once`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from ..schemas.rows import Call, Event, Request, Row, Stream, Upload
from ..schemas.wire import Wire

if TYPE_CHECKING:
    from .client import Bus

__all__ = ["Actor", "answers_at_once", "handles", "handlers_of", "marked_handlers", "marked_shortcuts"]

S = TypeVar("S")
A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
I = TypeVar("I", bound=Wire | bytes)  # noqa: E741
E = TypeVar("E", bound=Wire)

Answered = Call[Any] | Event[Any]


class Actor:
    """Owns some state and answers for it. One instance serves one process.

    `name` is the actor's name in the table. The limits say how many handlers run at once (requests and
    streams apart) and how many messages may wait; one more is answered by `Busy`.
    """

    name: ClassVar[str]
    max_running: ClassVar[int] = 256
    max_streams: ClassVar[int] = 128
    max_waiting: ClassVar[int] = 2048

    # NATS headers that every reply has, where the actor has something to say of all of them.
    reply_headers: dict[str, str] | None = None

    # Set by the host before `on_start`.
    bus: Bus
    instance: str
    node: str | None
    software_version: str

    async def on_start(self) -> None:
        """Runs once, connected but before the first message; raising ends the process."""

    async def on_stop(self) -> None:
        """Runs once, after the last handler has returned; the connection still works."""

    def handlers(self) -> dict[Answered, Callable[..., Any]]:
        """What answers each row: the methods that `handles` marks, unless an actor chooses otherwise."""
        return marked_handlers(self)

    def shortcuts(self) -> dict[Answered, Callable[[Any], bytes | None]]:
        """What may answer a row at once: the methods that `answers_at_once` marks."""
        return marked_shortcuts(self)


Unary = Callable[[S, A], Awaitable[R]]
Streaming = Callable[[S, A], AsyncIterator[H | I]]
Uploading = Callable[[S, A, AsyncIterator[bytes]], Awaitable[R]]
Listening = Callable[[S, E], Awaitable[None]]


@overload
def handles(row: Request[A, R]) -> Callable[[Unary[S, A, R]], Unary[S, A, R]]: ...
@overload
def handles(row: Stream[A, H, I]) -> Callable[[Streaming[S, A, H, I]], Streaming[S, A, H, I]]: ...
@overload
def handles(row: Upload[A, R]) -> Callable[[Uploading[S, A, R]], Uploading[S, A, R]]: ...
@overload
def handles(row: Event[E]) -> Callable[[Listening[S, E]], Listening[S, E]]: ...
def handles(row: Row) -> Callable[[Any], Any]:
    """Mark a method as the answer to a row."""

    def mark(method: Any) -> Any:
        method.__handles__ = row
        return method

    return mark


Shortcut = Callable[[S, A], bytes | None]


def answers_at_once(row: Stream[A, H, bytes]) -> Callable[[Shortcut[S, A]], Shortcut[S, A]]:
    """Mark a plain function that may answer a stream row's whole content, at most `CHUNK_BYTES`, from memory.

    It runs as the message arrives, without a task, a place in a lane or a stream, which halves what such an
    answer costs; None leaves the message to the row's handler. It must not wait for anything.
    """

    def mark(method: Any) -> Any:
        method.__answers_at_once__ = row
        return method

    return mark


def marked_handlers(object_: object) -> dict[Answered, Callable[..., Any]]:
    """The methods that `handles` has marked, by row; raises TypeError if two handle one row."""
    return _marked(object_, "__handles__")


def marked_shortcuts(object_: object) -> dict[Answered, Callable[[Any], bytes | None]]:
    """The methods that `answers_at_once` has marked, by row."""
    return _marked(object_, "__answers_at_once__")


def _marked(object_: object, mark: str) -> dict[Answered, Callable[..., Any]]:
    found: dict[Answered, Callable[..., Any]] = {}
    for attribute in dir(type(object_)):
        row = getattr(getattr(type(object_), attribute), mark, None)
        if row is None:
            continue
        if row in found:
            raise TypeError(f"{type(object_).__name__} handles {row.name} twice")
        found[row] = getattr(object_, attribute)
    return found


def handlers_of(actor: Actor) -> dict[Answered, Callable[..., Any]]:
    """The actor's handlers by row.

    Raises TypeError if two methods handle one row, or if a method answers another actor's row.
    """
    found = actor.handlers()
    for row in found:
        if not isinstance(row, Event) and row.actor != actor.name:
            raise TypeError(f"{type(actor).__name__} is {actor.name!r} and cannot answer {row.name}")
    return found
