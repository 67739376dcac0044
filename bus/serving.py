"""The actor's end of streams: chunks sent as they are asked for, or taken as they arrive.

Every stream of an actor lives under `cidbus.at.<instance>.<actor>.stream.<id>.…`, heard by one subscription
on the bulk connection. The ids carry 96 random bits: who does not know one cannot touch the stream.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator

from nats.aio.msg import Msg

from ..schemas.errors import BadRequest, Cancelled, NotFound
from ..schemas.rows import ROOT
from .envelope import END, REPLY_PREFIXES, error_reply, read_end
from .handling import Handling, Handlings, gone_subject
from .link import Link

__all__ = ["ServedStreams", "Outgoing", "Arriving"]

# A stream whose caller has said nothing for so long is dropped.
IDLE_S = 30.0
# How many chunks a caller may have on their way; more is a broken client.
MAX_WINDOW = 64

Payload = bytes | memoryview


class ServedStreams:
    """All running streams of one actor instance."""

    def __init__(self, link: Link, actor: str, instance: str) -> None:
        self._link = link
        self.prefix = f"{ROOT}.at.{instance}.{actor}.stream."
        self.handlings = Handlings()
        self._gone = gone_subject(actor)
        self._running: dict[str, _Served] = {}

    def __len__(self) -> int:
        return len(self._running)

    async def start(self) -> None:
        await self._link.bulk.subscribe(
            f"{self.prefix}>", cb=self._deliver, pending_msgs_limit=1_000_000, pending_bytes_limit=1 << 30
        )
        await self._link.bulk.subscribe(self._gone, cb=self._forget_caller)

    def outgoing(self, handling: Handling) -> Outgoing:
        """A new stream to a caller; it is registered until it is closed."""
        stream = Outgoing(self, *self._new_id(), handling)
        self._running[stream.id] = stream
        return stream

    def arriving(self) -> Arriving:
        """A new stream from a caller; it is registered until it is closed."""
        stream = Arriving(self, *self._new_id())
        self._running[stream.id] = stream
        return stream

    def _new_id(self) -> tuple[str, str]:
        stream_id = secrets.token_hex(12)
        return stream_id, self.prefix + stream_id

    async def _deliver(self, msg: Msg) -> None:
        stream_id, _, word = msg.subject[len(self.prefix) :].partition(".")
        stream = self._running.get(stream_id)
        if stream is not None:
            await stream.hear(word, msg)
        elif msg.reply:
            await self.fail(msg.reply, NotFound("stream", stream_id))

    async def _forget_caller(self, msg: Msg) -> None:
        self.handlings.caller_is_gone(msg.data.decode("utf-8", "replace"))

    async def send(self, reply: str, body: Payload, headers: dict[str, str] | None = None) -> None:
        if reply.startswith(REPLY_PREFIXES):
            await self._link.bulk_inbox.publish(reply, body, "", headers)

    async def fail(self, reply: str, error: BaseException) -> None:
        await self.send(reply, *error_reply(error))

    def forget(self, stream: _Served) -> None:
        self._running.pop(stream.id, None)

    def cancel_all(self, reason: str) -> None:
        """End every stream, and every handler that has sent nothing yet."""
        for stream in list(self._running.values()):
            stream.cancel(reason)
        self.handlings.end_all(reason)


class _Served:
    """What both directions share: who waits, how long the caller has been silent, and how it ends."""

    def __init__(self, streams: ServedStreams, stream_id: str, control: str) -> None:
        self.id = stream_id
        self.control = control
        self._streams = streams
        self._requests: deque[tuple[int, Msg]] = deque()
        self._next = 0
        self._over: str | None = None  # a reason, not an error: one kept and raised would be a cycle
        self._caller_is_gone = False
        self._last_word: tuple[bytes, dict[str, str]] | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(IDLE_S, self._check_idle)

    async def hear(self, word: str, msg: Msg) -> None:
        """One message of the caller: a numbered request, `hold` or `stop`."""
        self._heard = self._loop.time()
        if self._last_word is not None:
            await self._streams.send(msg.reply, *self._last_word)
            self.close()
            return
        if word == "hold":
            await self._streams.send(msg.reply, b"")
        elif word == "stop":
            self._caller_is_gone = True
            self.cancel("the caller stopped the stream")
        elif not (word.isascii() and word.isdecimal() and len(word) < 20):
            await self._streams.fail(msg.reply, BadRequest("sequence", "not a number, `hold` or `stop`"))
        elif len(self._requests) >= MAX_WINDOW:
            await self._streams.fail(
                msg.reply, BadRequest("window", "too many requests at once", limit=MAX_WINDOW)
            )
        else:
            self._requests.append((int(word), msg))
            self._wake()

    def cancel(self, reason: str) -> None:
        """End the stream: whoever serves it gets Cancelled at its next step, or at once if it waits."""
        self._over = self._over or reason
        self._wake()

    def _check_idle(self) -> None:
        left_s = self._heard + IDLE_S - self._loop.time()
        if left_s <= 0:
            self._caller_is_gone = True
            self.cancel(f"the caller has been silent for {IDLE_S:g} s")
        else:
            self._timer = self._loop.call_later(left_s, self._check_idle)

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def _take(self) -> Msg:
        """The caller's next request; raises Cancelled when the stream is over, BadRequest on a gap."""
        while not self._requests and self._over is None:
            self._wakeup = self._loop.create_future()
            await self._wakeup
        if self._over is not None:
            raise Cancelled(self._over)
        number, msg = self._requests.popleft()
        self._next += 1
        if number != self._next:
            error = BadRequest("sequence", f"request {number} came where {self._next} was due")
            await self._streams.fail(msg.reply, error)
            raise error
        return msg

    async def fail(self, error: BaseException) -> None:
        """End the stream with an error: the answer to what the caller has asked, or will ask next."""
        self._last_word = error_reply(error)
        if await self._answer_open(*self._last_word) or self._caller_is_gone:
            self.close()
        else:
            # The caller has nothing open: tell it at its next word, which comes within `HOLD_EVERY_S`.
            self._timer.cancel()
            self._timer = self._loop.call_later(IDLE_S, self._streams.forget, self)

    def close(self) -> None:
        """Forget the stream."""
        self._timer.cancel()
        self._streams.forget(self)

    def forget_unless_told(self) -> None:
        """Forget the stream, unless it stays to tell its caller of an error."""
        if self._last_word is None:
            self.close()

    async def _answer_open(self, body: Payload, headers: dict[str, str]) -> bool:
        """Give every open request this answer; says whether there was any."""
        found = bool(self._requests)
        while self._requests:
            _, msg = self._requests.popleft()
            await self._streams.send(msg.reply, body, headers)
        return found


class Outgoing(_Served):
    """Chunks to a caller: each waits for its request. When the stream is over, its handler is cancelled,
    whatever it is doing."""

    def __init__(self, streams: ServedStreams, stream_id: str, control: str, handling: Handling) -> None:
        super().__init__(streams, stream_id, control)
        self._handling = handling

    def cancel(self, reason: str) -> None:
        super().cancel(reason)
        self._handling.end(reason, caller_is_gone=self._caller_is_gone)

    async def fail(self, error: BaseException) -> None:
        self._caller_is_gone = self._caller_is_gone or self._handling.caller_is_gone
        await super().fail(error)

    async def send(self, chunk: Payload) -> None:
        msg = await self._take()
        await self._streams.send(msg.reply, chunk)

    async def send_last(self, chunk: Payload, total: int) -> None:
        """The last chunk, with the number of bytes sent in all; ends the stream."""
        msg = await self._take()
        await self._streams.send(msg.reply, chunk, {END: str(total)})
        await self._answer_open(b"", {END: str(total)})
        self.close()


class Arriving(_Served):
    """Chunks from a caller: an async iterator; each is acknowledged when the next one is asked for."""

    def __init__(self, streams: ServedStreams, stream_id: str, control: str) -> None:
        super().__init__(streams, stream_id, control)
        self._unanswered: Msg | None = None
        self._size = 0
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        await self._acknowledge()
        msg = self._unanswered = await self._take()
        self._size += len(msg.data)
        total = read_end(msg.headers)
        if total is None:
            return msg.data
        self._ended = True
        if total != self._size:
            raise BadRequest("content", f"{self._size} of {total} bytes arrived")
        if msg.data:
            return msg.data
        raise StopAsyncIteration

    async def _acknowledge(self) -> None:
        msg, self._unanswered = self._unanswered, None
        if msg is not None:
            await self._streams.send(msg.reply, b"")

    async def finish(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer the whole upload with the row's reply."""
        async for _ in self:  # what the handler did not need
            pass
        last, self._unanswered = self._unanswered, None
        if last is not None:
            await self._streams.send(last.reply, body, headers)
        self.close()

    async def _answer_open(self, body: Payload, headers: dict[str, str]) -> bool:
        last, self._unanswered = self._unanswered, None
        if last is not None:
            await self._streams.send(last.reply, body, headers)
        return await super()._answer_open(body, headers) or last is not None
