"""How each kind of row is answered: one reply, a stream of chunks, or an upload taken in and replied to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
from nats.aio.msg import Msg

from ..schemas.errors import Cancelled, DeadlineExceeded, TooLarge
from ..schemas.rows import Request, Stream, Upload
from ..schemas.wire import Empty, Wire
from .envelope import head_header
from .handling import Handling
from .inbox import Inbox
from .micro import Endpoint
from .serving import ServedStreams
from .streams import CHUNK_BYTES, MAX_BODY_BYTES, cut

__all__ = ["Answers", "AlreadyTold"]

# A message of an item stream is filled up to this size, so that a long list costs few messages.
BATCH_BYTES = 64 * 1024

Payload = bytes | memoryview


class AlreadyTold(Exception):
    """A stream broke off and its caller has been told why, the `__cause__`; only statistics still care."""


class Answers:
    """The replies of one actor instance."""

    def __init__(self, inbox: Inbox, streams: ServedStreams, headers: dict[str, str] | None = None) -> None:
        """`headers` go with the first message of every answer."""
        self._inbox = inbox
        self._streams = streams
        self._headers = headers

    async def give(self, endpoint: Endpoint, msg: Msg, left_s: float | None = None) -> None:
        """Read the message, call the handler and send what it returns or yields. A stream's first message has
        `left_s` seconds, by default as long as callers wait for it.

        Raises what the handler raises before anything was sent; after that AlreadyTold.
        """
        row = endpoint.row
        if isinstance(row, Request):
            reply = await endpoint.handler(row.ask.from_wire(msg.data))
            await self._inbox.publish(msg.reply, _body(reply), "", self._headers)
        elif isinstance(row, Stream):
            produced = endpoint.handler(row.ask.from_wire(msg.data))
            await self._stream(row, produced, msg, row.timeout_s if left_s is None else left_s)
        elif isinstance(row, Upload):
            await self._upload(endpoint.handler, row.ask.from_wire(msg.data), msg)

    # ---- streams ----------------------------------------------------------------------------------------

    async def _stream(self, row: Stream[Any, Any, Any], produced: Any, msg: Msg, within_s: float) -> None:
        handling = self._streams.handlings.of(msg.reply)
        try:
            with handling:
                async with asyncio.timeout(within_s) as first_is_due:
                    await self._send(row, produced, msg, first_is_due, handling)
        except TimeoutError:
            if first_is_due.expired():
                raise DeadlineExceeded(row.name, within_s) from None
            raise
        finally:
            await produced.aclose()
        if handling.over and first_is_due.when() is not None and not handling.caller_is_gone:
            raise Cancelled(handling.over)  # the caller still waits for its first message

    async def _send(
        self,
        row: Stream[Any, Any, Any],
        produced: Any,
        msg: Msg,
        first_is_due: asyncio.Timeout,
        handling: Handling,
    ) -> None:
        chunks: AsyncIterator[Any] = produced if row.item is bytes else _batches(produced, row.head)
        first = await anext(chunks, b"")
        head = None
        if isinstance(first, Wire):
            head, first = first, await anext(chunks, b"")
        second = await anext(chunks, None)
        headers = self._headers if head is None else head_header(head) | (self._headers or {})
        if second is None and len(first) <= CHUNK_BYTES:
            first_is_due.reschedule(None)
            await self._inbox.publish(msg.reply, first, "", headers)
            return
        rest: AsyncIterator[Payload] = _chain(first, second, chunks)
        pieces = cut(rest) if row.item is bytes else rest
        chunk = await anext(pieces)  # before there is a stream, an error is the answer itself
        first_is_due.reschedule(None)
        await self._pump(chunk, pieces, headers, msg, handling)

    async def _pump(
        self,
        chunk: Payload,
        chunks: AsyncIterator[Payload],
        headers: dict[str, str] | None,
        msg: Msg,
        handling: Handling,
    ) -> None:
        stream = self._streams.outgoing(handling)
        try:
            total = len(chunk)
            await self._inbox.publish(msg.reply, chunk, stream.control, headers)
            # One chunk is held back: only when the next is there is it known not to be the last.
            chunk = await anext(chunks, b"")
            async for following in chunks:
                await stream.send(chunk)
                total += len(chunk)
                chunk = following
            await stream.send_last(chunk, total + len(chunk))
        except asyncio.CancelledError:
            if handling.over:
                await stream.fail(Cancelled(handling.over))
            raise
        except Cancelled as gone:
            await stream.fail(gone)  # nobody's fault, so no error in the statistics
        except Exception as failure:
            await stream.fail(failure)
            raise AlreadyTold from failure
        finally:
            stream.forget_unless_told()

    # ---- uploads ----------------------------------------------------------------------------------------

    async def _upload(self, handler: Callable[..., Awaitable[Wire]], ask: Any, msg: Msg) -> None:
        if ask.inline is not None:
            body = _body(await handler(ask, _one(ask.inline)))
            await self._inbox.publish(msg.reply, body, "", self._headers)
            return
        stream = self._streams.arriving()
        try:
            await self._inbox.publish(msg.reply, b"", stream.control, self._headers)
            await stream.finish(_body(await handler(ask, stream)))
        except Cancelled as gone:
            await stream.fail(gone)
        except Exception as failure:
            await stream.fail(failure)
            raise AlreadyTold from failure
        finally:
            stream.forget_unless_told()


def _body(reply: Wire) -> bytes:
    body = reply.to_wire()
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge("reply", limit=MAX_BODY_BYTES)
    return body


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _chain(
    first: Payload, second: Payload | None, rest: AsyncIterator[Payload]
) -> AsyncIterator[Payload]:
    yield first
    if second is not None:
        yield second
    async for chunk in rest:
        yield chunk


async def _batches(items: AsyncIterator[Wire], head: type[Wire]) -> AsyncIterator[Wire | bytes]:
    """The items as JSON arrays of about `BATCH_BYTES` each; before them the head, where the row has one."""
    batch: list[orjson.Fragment] = []
    size = 0
    async for item in items:
        if type(item) is head:
            yield item
            head = Empty  # there is one: items may be of the same class
            continue
        body = item.to_wire()
        batch.append(orjson.Fragment(body))
        size += len(body) + 1
        if size >= BATCH_BYTES:
            yield orjson.dumps(batch)
            batch, size = [], 0
    if batch:
        yield orjson.dumps(batch)
