"""Where answers arrive: one subscription per connection, fanned out to whoever waits.

`[request] -> subject` with `reply = <prefix>.<id>` and `[answer] -> <prefix>.<id>`; a stream numbers its
requests, `<prefix>.<id>.<n>`. The prefix ends in 128 random bits, so no other
user can guess it; programs that share one key, as all clients may, also share its inboxes.

Whoever took a request may be killed before it answers, and nobody tells the caller. So a caller that has
waited for two seconds asks all instances of the actor, by the reply subject of its request:

    [whose] -> cidbus.at.every.<actor>.stream.whose      the reply subject of a request
            <- yes | no                                  from each instance

If some say no and none says yes, three times in a row, the request is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable

from nats.aio.client import Client as NATS
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from ..schemas.errors import DeadlineExceeded, Unavailable

__all__ = ["NO", "YES", "Inbox", "is_lost"]

YES, NO = b"yes", b"no"
# How long a caller waits before it asks who works on its request, and between asking again.
ASK_WHOSE_AFTER_S, ASK_WHOSE_EVERY_S = 2.0, 1.0
LOST_AFTER = 3

# A callback gets each answer and the number at the end of its subject ("" for a plain request); on a lost
# connection it gets None.
Waiter = Callable[[Msg | None, str], None]


class Inbox:
    """The answers of one NATS connection."""

    def __init__(self, nc: NATS, prefix: str) -> None:
        self._nc = nc
        self._prefix = f"{prefix}.{secrets.token_hex(16)}"
        self._at = len(self._prefix) + 1
        self._ids = itertools.count(1)
        self._waiting: dict[str, Waiter] = {}
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        # Windows bound what can arrive; the limits here only have to be above their sum.
        await self._nc.subscribe(
            f"{self._prefix}.>", cb=self._deliver, pending_msgs_limit=1_000_000, pending_bytes_limit=1 << 30
        )

    def open(self, waiter: Waiter) -> tuple[str, str]:
        """Register a waiter; returns its id and the reply subject to put on a request."""
        inbox_id = format(next(self._ids), "x")
        self._waiting[inbox_id] = waiter
        return inbox_id, f"{self._prefix}.{inbox_id}"

    def close(self, inbox_id: str) -> None:
        self._waiting.pop(inbox_id, None)

    async def _deliver(self, msg: Msg) -> None:
        inbox_id, _, number = msg.subject[self._at :].partition(".")
        waiter = self._waiting.get(inbox_id)
        if waiter is not None:
            waiter(msg, number)

    def fail_all(self) -> None:
        """The connection is lost, and with it every answer that was on its way."""
        for waiter in list(self._waiting.values()):
            waiter(None, "")

    async def request(
        self,
        subject: str,
        body: bytes,
        timeout_s: float,
        headers: dict[str, str] | None = None,
        *,
        gone: str | None = None,
        whose: str | None = None,
    ) -> Msg:
        """One answer to one request.

        Raises DeadlineExceeded after `timeout_s` seconds and Unavailable if the connection is or goes away.
        An error reply is returned like any other. With a subject `gone`, whoever works on the answer is told
        there that it is no longer waited for, if the wait is cancelled or takes too long. With a subject
        `whose`, the wait ends once nobody works on the answer any more (see `is_lost`).
        """
        answer: asyncio.Future[Msg | None] = self._loop.create_future()

        def deliver(msg: Msg | None, _number: str) -> None:
            if not answer.done():
                answer.set_result(msg)

        def expire() -> None:
            if not answer.done():
                answer.set_exception(DeadlineExceeded(subject, timeout_s))

        watching: asyncio.Task[None] | None = None

        def watch() -> None:
            nonlocal watching
            assert whose is not None
            watching = self._loop.create_task(self._watch(whose, reply, answer))

        inbox_id, reply = self.open(deliver)
        timer = self._loop.call_later(timeout_s, expire)
        watcher = None if whose is None else self._loop.call_later(ASK_WHOSE_AFTER_S, watch)
        try:
            await self.publish(subject, body, reply, headers)
            msg = await answer
        except (asyncio.CancelledError, DeadlineExceeded):
            if gone is not None:
                with contextlib.suppress(Unavailable):
                    await self.publish(gone, reply.encode())
            raise
        finally:
            timer.cancel()
            if watcher is not None:
                watcher.cancel()
            if watching is not None:
                watching.cancel()
            del self._waiting[inbox_id]
        if msg is None:
            raise connection_lost()
        return msg

    async def _watch(self, whose: str, reply: str, answer: asyncio.Future[Msg | None]) -> None:
        """Ask again and again who works on an answer; it fails once nobody does."""
        in_vain = 0
        with contextlib.suppress(Unavailable):  # a connection that is lost ends the wait by itself
            while in_vain < LOST_AFTER:
                said = await self._hear_whose(whose, reply)
                in_vain = in_vain + 1 if NO in said and YES not in said else 0
            if not answer.done():
                answer.set_exception(
                    Unavailable("who worked on this has ended: it may have been done, or not", lost=True)
                )

    async def _hear_whose(self, whose: str, reply: str) -> set[bytes]:
        """What the instances say within a second."""
        said: set[bytes] = set()

        def hear(msg: Msg | None, _number: str) -> None:
            if msg is not None:
                said.add(msg.data)

        inbox_id, back = self.open(hear)
        try:
            await self.publish(whose, reply.encode(), back)
            await asyncio.sleep(ASK_WHOSE_EVERY_S)
        finally:
            self.close(inbox_id)
        return said

    async def publish(
        self, subject: str, body: bytes | memoryview, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send one message; raises Unavailable if there is no connection now."""
        if not self._nc.is_connected:
            raise connection_lost()
        try:
            await self._nc.publish(subject, body, reply, headers)  # type: ignore[arg-type]
        except (NatsError, OSError) as error:
            raise Unavailable(f"the message could not be sent: {error}") from error


def is_lost(error: Unavailable) -> bool:
    """Whether whoever worked on the request has ended before it answered."""
    return bool(error.details.get("lost"))


def connection_lost() -> Unavailable:
    return Unavailable("the connection to NATS is lost; it is being made again")
