"""What a row of the table is: a subject, what goes in, what comes out, and one line that says why.

Five kinds, by what travels:

    Request   one body in, one reply out
    Stream    one body in, bytes or items out, pulled by the receiver
    Upload    one body and a pulled stream of bytes in, one reply out
    Event     one body to whoever listens, no reply
    Log       one body after the other, kept in order: a JetStream stream that its actor alone may touch
"""

from __future__ import annotations

from typing import Generic, TypeVar

from .wire import Empty, Wire

__all__ = ["Row", "Replied", "Request", "Stream", "Upload", "Event", "Log", "Call", "ROOT"]

ROOT = "cidbus"

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
I = TypeVar("I", bound=Wire | bytes)  # noqa: E741
E = TypeVar("E", bound=Wire)


class Row:
    """One line of the table. Rows are compared by identity: everybody passes the row itself."""

    kind: str

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self.summary = summary
        self.actor, _, self.verb = name.partition(".")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Call(Row, Generic[A]):
    """A row that somebody answers.

    `http` lists the routes below `/api/v0/mcp` that lead here, the documented one first, as
    `"METHOD /path/{field}"`; `timeout_s` is how long an answer (or the next part of one) may take when the
    caller sets no deadline; `repeatable` says that asking twice does no more than asking once, so that a
    caller may try again when an answer breaks off.
    """

    def __init__(
        self,
        name: str,
        ask: type[A],
        summary: str,
        *,
        http: str | tuple[str, ...],
        timeout_s: float,
        repeatable: bool,
    ) -> None:
        super().__init__(name, summary)
        self.ask = ask
        self.http = (http,) if isinstance(http, str) else http
        self.timeout_s = timeout_s
        self.repeatable = repeatable
        self.subject = f"{ROOT}.{name}"

    def subject_at(self, place: str) -> str:
        """The subject that only one instance of the actor hears, or the instances of one node."""
        return f"{ROOT}.at.{place}.{self.name}"


class Replied(Call[A], Generic[A, R]):
    """A call that one reply answers."""

    def __init__(
        self,
        name: str,
        ask: type[A],
        reply: type[R],
        summary: str,
        *,
        http: str | tuple[str, ...] = (),
        timeout_s: float = 30.0,
        repeatable: bool = False,
    ) -> None:
        super().__init__(name, ask, summary, http=http, timeout_s=timeout_s, repeatable=repeatable)
        self.reply = reply


class Request(Replied[A, R]):
    """One body in, one reply out."""

    kind = "request"


class Stream(Call[A], Generic[A, H, I]):
    """`item` is `bytes` for content, or the model of one item. A `head`, if the row has one, comes before
    them; a stream of items names its list in JSON answers by `items`."""

    kind = "stream"

    def __init__(
        self,
        name: str,
        ask: type[A],
        item: type[I],
        summary: str,
        *,
        head: type[H] = Empty,  # type: ignore[assignment]
        items: str = "items",
        http: str | tuple[str, ...] = (),
        timeout_s: float = 30.0,
        repeatable: bool = True,
    ) -> None:
        super().__init__(name, ask, summary, http=http, timeout_s=timeout_s, repeatable=repeatable)
        self.item = item
        self.head = head
        self.items = items


class Upload(Replied[A, R]):
    """A request that carries its content inside (`content` or `data` fields) is answered at once; one that
    does not is answered by a grant, and the bytes follow."""

    kind = "upload"


class Event(Row, Generic[E]):
    """Something that has happened; `also` is its name in the documented event API, accepted as a filter."""

    kind = "event"

    def __init__(self, name: str, event: type[E], summary: str, *, also: str = "") -> None:
        super().__init__(name, summary)
        self.event = event
        self.also = also
        self.subject = f"{ROOT}.event.{name}"


class Log(Row, Generic[E]):
    """What an actor writes down for good, entry by entry; `bus/log.py` reads and appends."""

    kind = "log"

    def __init__(self, name: str, entry: type[E], summary: str) -> None:
        super().__init__(name, summary)
        self.entry = entry
        self.subject = f"{ROOT}.log.{self.actor}"
        self.stream = f"{ROOT}_{self.actor}".upper()
