"""Streams: bytes or items that are pulled, one request for each chunk.

A stream is pipelined request-reply, so any NATS client can take part in one (docs/protocol.md):

    [open] -> <row's subject>                     the row's model
           <- chunk 0, reply = <control>          no reply subject: that was all
    [next] -> <control>.1, <control>.2, …         up to a window of requests on their way
           <- chunk 1, chunk 2, …                 the last one says `Cidbus-End: <total>`
    [hold] -> <control>.hold                      "are you there?", answered by nothing or an error
    [stop] -> <control>.stop                      the receiver gives up

An upload is the mirror image: the requests carry the chunks, each is answered by nothing once it has been
taken, and the answer to the one that says `Cidbus-End` is the row's reply. The caller drives in both cases,
every request gets at most one answer, and neither side holds more than a window of chunks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from nats.aio.msg import Msg

from ..schemas.errors import DeadlineExceeded, Unavailable
from ..schemas.wire import Wire
from .envelope import END, raise_if_error, read_end
from .inbox import connection_lost
from .link import Link

__all__ = ["CHUNK_BYTES", "MAX_BODY_BYTES", "IncomingStream", "cut", "send_stream"]

CHUNK_BYTES = 512 * 1024
# The server's max_payload of 1 MiB, less room for headers and protocol lines.
MAX_BODY_BYTES = 1024 * 1024 - 8 * 1024
# While an answer is due: how long to wait before asking whether the other side still lives.
PROBE_AFTER_S = 2.0
# While no answer is due: how often to say that this side still lives.
HOLD_EVERY_S = 10.0

H = TypeVar("H", bound=Wire)


class _Conversation:
    """The caller's end of one stream: numbered requests on the bulk connection and their answers."""

    def __init__(self, link: Link, control: str, timeout_s: float) -> None:
        self._link = link
        self._control = control
        self._timeout_s = timeout_s
        self._inbox_id, self._reply = link.bulk_inbox.open(self._deliver)
        self._answers: deque[tuple[str, Msg | None]] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(HOLD_EVERY_S, self._hold)
        self._holding: asyncio.Task[None] | None = None
        self._closed = False
        link.streams += 1

    def _deliver(self, msg: Msg | None, number: str) -> None:
        if number == "hold" and msg is not None and not msg.headers:
            return  # the other side lives
        self._answers.append((number, msg))
        if self._arrived is not None:
            _wake(self._arrived)

    def _hold(self) -> None:
        self._holding = self._loop.create_task(self._say("hold"))
        self._timer = self._loop.call_later(HOLD_EVERY_S, self._hold)

    async def _say(self, word: str) -> None:
        with contextlib.suppress(Unavailable):  # whoever waits for an answer is told of it there
            await self._link.bulk_inbox.publish(f"{self._control}.{word}", b"", f"{self._reply}.{word}")

    async def ask(
        self, number: int, body: bytes | memoryview = b"", headers: dict[str, str] | None = None
    ) -> None:
        await self._link.bulk_inbox.publish(
            f"{self._control}.{number}", body, f"{self._reply}.{number}", headers
        )

    @property
    def ready(self) -> bool:
        """Whether an answer has arrived and waits to be taken."""
        return bool(self._answers)

    def arrival(self) -> asyncio.Future[None]:
        """A future that is done as soon as an answer has arrived."""
        self._arrived = self._loop.create_future()
        if self._answers:
            self._arrived.set_result(None)
        return self._arrived

    async def answer(self, expected: int) -> Msg:
        """The answer to request `expected`.

        Raises the error it tells of, Unavailable if the other side or the connection is gone, and
        DeadlineExceeded if the other side lives but has not answered for the row's `timeout_s`.
        """
        silent_s = 0.0
        while not self._answers:
            await self._wait(PROBE_AFTER_S)
            if not self._answers:
                silent_s += PROBE_AFTER_S
                if silent_s >= self._timeout_s:
                    raise DeadlineExceeded(self._control, self._timeout_s)
                await self._say("hold")
        number, msg = self._answers.popleft()
        if msg is None:
            raise connection_lost()
        raise_if_error(msg)
        if number != str(expected):
            raise Unavailable(f"the stream lost a message: {number} came instead of {expected}")
        return msg

    async def _wait(self, timeout_s: float) -> None:
        arrived = self.arrival()
        timer = self._loop.call_later(timeout_s, _wake, arrived)
        try:
            await arrived
        finally:
            timer.cancel()

    async def close(self, *, stop: bool) -> None:
        """Forget the stream; with `stop`, tell the other side to do so too."""
        if self._closed:
            return
        self._closed = True
        self._answers.clear()  # a whole window may have arrived: do not leave it to the collector
        self._timer.cancel()
        self._link.streams -= 1
        self._link.bulk_inbox.close(self._inbox_id)
        if stop:
            await self._say("stop")


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class IncomingStream(Generic[H]):
    """Chunks as they arrive: an async iterator of bytes, and an async context manager that cancels the
    stream when it is left early.

    `head` is what the row sends before its bytes, None if it sent none; `whole` is the content if it came in
    one message, else None. `cached` says whether a cache has answered, None where that is not known. `ahead`
    bounds how many chunks are on their way where that is to be fewer than the link allows; it may change
    while the stream runs.
    """

    cached: bool | None = None
    ahead: int | None = None

    def __init__(self, link: Link, first: Msg, head: H | None, timeout_s: float) -> None:
        self.head = head
        self._link = link
        self._first: bytes | None = first.data
        self._size = len(first.data)
        self._asked = self._got = 0
        self._talk = _Conversation(link, first.reply, timeout_s) if first.reply else None
        self.whole = None if self._talk else first.data

    @classmethod
    def of(cls, whole: bytes, head: H | None = None) -> Self:
        """What is at hand already, as if it had come in one message."""
        stream = cls.__new__(cls)
        stream.head, stream.whole, stream._first, stream._talk = head, whole, whole, None
        return stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            await self._ask_more()
            if first:
                return first
        if self._talk is None:
            raise StopAsyncIteration
        return await self._next(self._talk) or await self.__anext__()

    async def _next(self, talk: _Conversation) -> bytes:
        self._got += 1
        msg = await talk.answer(self._got)
        self._size += len(msg.data)
        total = read_end(msg.headers)
        if total is None:
            await self._ask_more()
        else:
            self._talk = None
            await talk.close(stop=False)
            if total != self._size:
                raise Unavailable(f"the stream broke: {self._size} of {total} bytes arrived")
        return msg.data

    async def _ask_more(self) -> None:
        talk = self._talk
        if talk is None:
            return
        window = self._link.window if self.ahead is None else min(self.ahead, self._link.window)
        # Ask in groups of a quarter window: one wake-up of the server for several requests.
        if self._asked - self._got > window * 3 // 4:
            return
        while self._asked - self._got < window:
            self._asked += 1
            await talk.ask(self._asked)

    async def aclose(self) -> None:
        """Stop the stream if it is still running; both sides then forget it."""
        talk, self._talk, self._first = self._talk, None, None
        if talk is not None:
            await talk.close(stop=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def send_stream(
    link: Link, control: str, source: AsyncIterable[bytes | memoryview], timeout_s: float
) -> Msg:
    """Send an upload's bytes to the actor that opened `control`; returns the message that answers it all.

    `source` yields chunks of at most `CHUNK_BYTES`. Raises what the actor answers, what `source` raises (the
    actor is then told to forget the upload), and what a lost connection or a silent actor raises.
    """
    talk = _Conversation(link, control, timeout_s)
    finished = False
    try:
        answer = await _send_all(link, talk, source.__aiter__())
        finished = True
        return answer
    finally:
        await talk.close(stop=not finished)


async def _send_all(link: Link, talk: _Conversation, source: AsyncIterator[bytes | memoryview]) -> Msg:
    sent = taken = total = 0
    step = asyncio.ensure_future(_next_chunk(source))
    try:
        while True:
            waits: set[asyncio.Future[Any]] = {step, talk.arrival()}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            while talk.ready or sent - taken >= link.window:
                taken += 1
                await talk.answer(taken)
            if not step.done():
                continue
            chunk = step.result()
            if chunk is None:
                break
            sent += 1
            total += len(chunk)
            step = asyncio.ensure_future(_next_chunk(source))
            await talk.ask(sent, chunk)
    finally:
        step.cancel()
    await talk.ask(sent + 1, b"", {END: str(total)})
    while taken < sent:
        taken += 1
        await talk.answer(taken)
    return await talk.answer(sent + 1)


async def _next_chunk(source: AsyncIterator[bytes | memoryview]) -> bytes | memoryview | None:
    """The next chunk, or None at the end."""
    return await anext(source, None)


async def cut(
    source: AsyncIterable[bytes | memoryview], chunk_bytes: int = CHUNK_BYTES
) -> AsyncIterator[bytes | memoryview]:
    """The same bytes in chunks of exactly `chunk_bytes` but for the last: small pieces are gathered and
    large ones cut."""
    gathered: list[bytes | memoryview] = []
    size = 0
    async for piece in source:
        view = piece
        while size + len(view) >= chunk_bytes:
            room = chunk_bytes - size
            head, view = memoryview(view)[:room], memoryview(view)[room:]
            yield head if not gathered else b"".join([*gathered, head])
            gathered, size = [], 0
        if len(view):
            gathered.append(view)
            size += len(view)
    if gathered:
        yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
