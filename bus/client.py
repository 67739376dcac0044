"""The asking side of the bus: request, open, upload, publish, subscribe, discover.

bus = await Bus.connect(url, Credentials("client", seed))
pinned = await bus.request(PIN, PinRequest(cid="bafy…"))
async with await bus.open(CAT, CatRequest(cid="bafy…")) as stream:
    async for chunk in stream: ...
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import orjson
from nats.aio.msg import Msg
from pydantic import TypeAdapter, ValidationError

from ..schemas.errors import BadRequest, TooLarge, Unavailable
from ..schemas.rows import ROOT, Call, Event, Replied, Request, Stream, Upload
from ..schemas.subjects import ACTORS
from ..schemas.wire import Wire
from .envelope import deadline_header, raise_if_error, read_head
from .handling import gone_subject, whose_subject
from .inbox import is_lost
from .link import Credentials, Link
from .micro import SERVICE_PREFIX
from .streams import MAX_BODY_BYTES, IncomingStream, cut, send_stream

__all__ = ["Bus", "Subscription", "items_of"]

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)
H = TypeVar("H", bound=Wire)
E = TypeVar("E", bound=Wire)
M = TypeVar("M", bound=Wire)


# How a stream row is opened in another way: the request and its `timeout_s` in, the stream out.
Way = Callable[[Any, float | None], Awaitable[IncomingStream[Any]]]

PER_NODE = frozenset(name for name, info in ACTORS.items() if info.per_node)


class Bus:
    """One process's place on the bus.

    With a `node`, actors that each node has its own of (`ActorInfo.per_node`) are asked on that node.
    """

    link: Link

    def __init__(self, link: Link | None = None, *, node: str | None = None) -> None:
        """Without a link the bus is connected later, by `attach`; until then every use is Unavailable."""
        self.node = node
        self._ways: dict[Stream[Any, Any, Any], Way] = {}
        if link is not None:
            self.link = link

    def attach(self, link: Link, *, node: str | None = None) -> None:
        """Use this connection from now on."""
        self.link, self.node = link, node

    def __getattr__(self, name: str) -> NoReturn:
        if name == "link":
            raise Unavailable("not connected to NATS yet")
        raise AttributeError(name)

    @classmethod
    async def connect(
        cls,
        url: str,
        credentials: Credentials | None = None,
        *,
        timeout_s: float = 5.0,
        on_closed: Callable[[], None] = lambda: None,
        node: str | None = None,
    ) -> Self:
        """Connect; raises what `Link.connect` raises."""
        link = await Link.connect(url, credentials or Credentials(), timeout_s=timeout_s, on_closed=on_closed)
        return cls(link, node=node)

    async def close(self) -> None:
        await self.link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        link = self.__dict__.get("link")
        return link is not None and link.control.is_connected and link.bulk.is_connected

    # ---- asking -----------------------------------------------------------------------------------------

    async def request(
        self, row: Request[A, R], ask: A, *, timeout_s: float | None = None, at: str | None = None
    ) -> R:
        """The reply to one request, from any instance of the node or from the one named by `at`.

        Raises the BusError that the actor answers; Unavailable if none answers, DeadlineExceeded after
        `timeout_s` (the row's own by default).
        """
        msg = await self._ask(row, ask, timeout_s, at)
        return _read(row, msg)

    async def open(
        self, row: Stream[A, H, Any], ask: A, *, timeout_s: float | None = None, at: str | None = None
    ) -> IncomingStream[H]:
        """The bytes that a stream row sends; leave it with `async with` or `aclose()`.

        Raises as `request` does; an error later in the stream is raised by the iteration.
        """
        way = self._ways.get(row)
        if way is not None and at is None:
            return await way(ask, timeout_s)
        return await self.open_straight(row, ask, timeout_s=timeout_s, at=at)

    def divert(self, row: Stream[A, H, Any], way: Way) -> None:
        """From now on `open` of this row is answered by `way`, which may itself use `open_straight`."""
        self._ways[row] = way

    async def open_straight(
        self, row: Stream[A, H, Any], ask: A, *, timeout_s: float | None = None, at: str | None = None
    ) -> IncomingStream[H]:
        """As `open`, from the actor itself."""
        msg = await self._ask(row, ask, timeout_s, at)
        return IncomingStream(self.link, msg, read_head(msg.headers, row.head), timeout_s or row.timeout_s)

    async def items(
        self, row: Stream[A, Any, M], ask: A, *, timeout_s: float | None = None, at: str | None = None
    ) -> AsyncIterator[M]:
        """The items of a stream row whose items are models, a chunk of them at a time in memory."""
        async with await self.open(row, ask, timeout_s=timeout_s, at=at) as stream:
            async for item in items_of(row, stream):
                yield item

    async def upload(
        self,
        row: Upload[A, R],
        ask: A,
        content: AsyncIterable[bytes | memoryview] | None = None,
        *,
        timeout_s: float | None = None,
        at: str | None = None,
    ) -> R:
        """Ask with content: inside `ask` if `content` is None, else as a stream of chunks of any size.

        Raises as `request` does, and whatever iterating over `content` raises.
        """
        msg = await self._ask(row, ask, timeout_s, at)
        if msg.reply:
            chunks = cut(content if content is not None else _nothing())
            msg = await send_stream(self.link, msg.reply, chunks, timeout_s or row.timeout_s)
            raise_if_error(msg)
        return _read(row, msg)

    async def _ask(self, row: Call[A], ask: A, timeout_s: float | None, at: str | None) -> Msg:
        body = ask.to_wire()
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", limit=MAX_BODY_BYTES)
        within_s = row.timeout_s if timeout_s is None else timeout_s
        # What asks twice without harm may also be done late without harm: it travels without headers.
        headers = None if row.repeatable and timeout_s is None else deadline_header(within_s)
        if at is None and self.node is not None and row.actor in PER_NODE:
            at = self.node
        subject = row.subject if at is None else row.subject_at(at)
        gone = gone_subject(row.actor) if isinstance(row, Stream) else None
        whose = whose_subject(row.actor)
        try:
            msg = await self.link.inbox.request(subject, body, within_s, headers, gone=gone, whose=whose)
        except Unavailable as error:
            if not (is_lost(error) and row.repeatable):
                raise
            msg = await self.link.inbox.request(subject, body, within_s, headers, gone=gone, whose=whose)
        if msg.headers:
            raise_if_error(msg)
        return msg

    def would_ask(self, found: dict[str, Any]) -> bool:
        """Whether an instance that discovery has found is one that this bus sends requests to."""
        actor = str(found.get("name", "")).removeprefix(SERVICE_PREFIX)
        if self.node is None or actor not in PER_NODE:
            return True
        return bool((found.get("metadata") or {}).get("node") == self.node)

    # ---- telling ----------------------------------------------------------------------------------------

    async def publish(self, row: Event[E], event: E) -> None:
        """Tell whoever listens; returns once the message is on its way. Raises Unavailable if it is not."""
        await self.link.inbox.publish(row.subject, event.to_wire())

    async def subscribe(self, *rows: Event[Any], limit: int = 4096) -> Subscription:
        """Listen to these events, or to all. At most `limit` wait unread; the oldest are then dropped and
        counted in `Subscription.dropped`."""
        subjects = [row.subject for row in rows] or [f"{ROOT}.event.>"]
        subscription = Subscription(self.link, limit)
        await subscription.start(subjects)
        return subscription

    async def discover(
        self,
        verb: str,
        name: str = "",
        *,
        wait_s: float = 0.3,
        until: Callable[[list[dict[str, Any]]], bool] = lambda _: False,
    ) -> list[dict[str, Any]]:
        """What every actor answers to `$SRV.<verb>` (PING, INFO or STATS) within `wait_s` seconds, or sooner
        if what has come satisfies `until`."""
        found: list[dict[str, Any]] = []
        enough = asyncio.Event()

        def collect(msg: Msg | None, _number: str) -> None:
            if msg is not None and msg.data:
                found.append(orjson.loads(msg.data))
                if until(found):
                    enough.set()

        inbox_id, reply = self.link.inbox.open(collect)
        try:
            subject = f"$SRV.{verb}" + (f".{name}" if name else "")
            await self.link.inbox.publish(subject, b"", reply)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), wait_s)
        finally:
            self.link.inbox.close(inbox_id)
        return found


class Subscription:
    """Events as they come: an async iterator of (name, body), unsubscribed by leaving `async with`."""

    def __init__(self, link: Link, limit: int) -> None:
        self._link = link
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(limit)
        self._subscriptions: list[Any] = []
        self.dropped = 0

    async def start(self, subjects: list[str]) -> None:
        for subject in subjects:
            self._subscriptions.append(await self._link.control.subscribe(subject, cb=self._take))
        await self._link.flush()

    async def _take(self, msg: Msg) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait((msg.subject.removeprefix(f"{ROOT}.event."), msg.data))

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        """The next event: its row's name and its body as JSON."""
        return await self._queue.get()

    async def aclose(self) -> None:
        for subscription in self._subscriptions:
            if self._link.control.is_connected:
                await subscription.unsubscribe()
        self._subscriptions.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def items_of(row: Stream[Any, Any, M], chunks: AsyncIterable[bytes]) -> AsyncIterator[M]:
    """The items in the chunks of a stream; raises Unavailable for chunks that hold none of the row's."""
    read = TypeAdapter(list[row.item]).validate_json  # type: ignore[name-defined]
    async for chunk in chunks:
        try:
            items = read(chunk)
        except ValidationError as error:
            raise Unavailable(f"the answer to {row.name} cannot be read: {error}") from error
        for item in items:
            yield item


def _read(row: Replied[Any, R], msg: Msg) -> R:
    try:
        return row.reply.from_wire(msg.data)
    except BadRequest as error:
        # Not the caller's mistake: the actor speaks another version.
        raise Unavailable(f"the answer to {row.name} cannot be read: {error}") from error


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk
