"""How an actor is run: messages in, handlers called within limits, replies out, an orderly end.

    [subscription] -> lane (429 when full) -> task -> handler -> [reply]

Shutdown order: stop hearing new messages, let running and waiting handlers finish, cancel streams that
outlive the grace time, `on_stop`, close the connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from ..schemas.errors import BusError, Busy, DeadlineExceeded, NotFound, Unavailable
from ..schemas.rows import ROOT, Call, Event, Request
from ..schemas.subjects import ACTORS
from .actor import Actor, handlers_of
from .answers import AlreadyTold, Answers
from .client import Bus
from .envelope import REPLY_PREFIXES, error_reply, seconds_left
from .handling import whose_subject
from .inbox import NO, YES
from .lane import Lane
from .micro import Endpoint, Service, outcome
from .serving import ServedStreams

__all__ = ["Host"]

log = logging.getLogger(__name__)

GRACE_S = 10.0
DRAIN_S = 1.0
_PENDING = {"pending_msgs_limit": 100_000, "pending_bytes_limit": 256 * 1024 * 1024}


class Host:
    """Runs one actor on one bus connection; `instance` names it among others of its kind, and `node` what it
    owns among that of other nodes: the instances of one node share their work."""

    def __init__(
        self,
        actor: Actor,
        bus: Bus,
        *,
        instance: str | None = None,
        node: str | None = None,
        version: str = "0.1.0",
    ) -> None:
        self.actor = actor
        self.bus = bus
        self.node = node
        self.instance = instance or secrets.token_hex(8)
        actor.bus, actor.instance, actor.node, actor.software_version = bus, self.instance, node, version
        shortcuts = actor.shortcuts()
        endpoints = [
            Endpoint(row, handler, shortcuts.get(row)) for row, handler in handlers_of(actor).items()
        ]
        self._calls = {subject: e for e in endpoints for subject in self._subjects(e.row)}
        self._events = {e.row.subject: e for e in endpoints if isinstance(e.row, Event)}
        summary = ACTORS[actor.name].summary if actor.name in ACTORS else actor.name
        self._service = Service(actor.name, self.instance, version, summary, endpoints, self._load, node)
        self._streams = ServedStreams(bus.link, actor.name, self.instance)
        self._answers = Answers(bus.link.inbox, self._streams, actor.reply_headers)
        self._request_lane = Lane(actor.max_running, actor.max_waiting)
        self._stream_lane = Lane(actor.max_streams, actor.max_waiting)
        self._subscriptions: list[Any] = []
        self._takes_no_more = False
        self._taken: set[str] = set()  # the reply subjects of what runs and waits

    # ---- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the actor, then hear messages; returns once the server has every subscription."""
        await self.actor.on_start()
        await self._streams.start()
        name = self.actor.name
        await self._hear(f"{ROOT}.{name}.>", self._receive, queue=name)
        await self._hear(f"{ROOT}.at.{self.instance}.{name}.>", self._receive_at)
        if self.node is not None:
            await self._hear(f"{ROOT}.at.{self.node}.{name}.>", self._receive, queue=name)
        await self._hear(whose_subject(name), self._say_whose)
        for subject in self._events:
            await self._hear(subject, self._receive_event)
        for subject in self._service.subjects:
            await self._hear(subject, self._introduce)
        await self.bus.link.flush()
        log.info("%s %s is ready", name, self.instance)

    async def _hear(self, subject: str, callback: Callable[[Msg], Awaitable[None]], queue: str = "") -> None:
        subscribe = self.bus.link.control.subscribe
        self._subscriptions.append(await subscribe(subject, queue, cb=callback, **_PENDING))  # type: ignore[arg-type]

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Finish what was accepted, cancel what takes longer than `grace_s`, then close the connections."""
        try:
            await self._finish_accepted(grace_s)
        finally:
            await self.actor.on_stop()
            await self.bus.close()

    async def _finish_accepted(self, grace_s: float) -> None:
        # Without a server there is nothing to drain, and its return must not bring new requests.
        drains = [asyncio.ensure_future(s.drain()) for s in self._subscriptions if self.bus.connected]
        if drains:
            _, late = await asyncio.wait(drains, timeout=DRAIN_S)
            for drain in late:
                drain.cancel()
            await asyncio.gather(*drains, return_exceptions=True)
        self._takes_no_more = True
        lanes = [asyncio.create_task(lane.drain()) for lane in (self._request_lane, self._stream_lane)]
        await asyncio.wait(lanes, timeout=grace_s)
        self._streams.cancel_all("the actor is stopping")
        await asyncio.wait(lanes, timeout=1.0)
        await self._request_lane.cancel()
        await self._stream_lane.cancel()
        await asyncio.gather(*lanes)
        if self.bus.connected:
            with contextlib.suppress(NatsError, TimeoutError):
                await asyncio.wait_for(self.bus.link.flush(), DRAIN_S)

    def _subjects(self, row: Call[Any] | Event[Any]) -> Iterator[str]:
        """What requests for a row may come on."""
        if isinstance(row, Call):
            yield row.subject
            yield row.subject_at(self.instance)
            if self.node is not None:
                yield row.subject_at(self.node)

    def _load(self) -> dict[str, int]:
        return {
            "running": self._request_lane.running + self._stream_lane.running,
            "waiting": self._request_lane.waiting + self._stream_lane.waiting,
            "streams": len(self._streams),
        }

    # ---- messages in ------------------------------------------------------------------------------------

    async def _receive(self, msg: Msg) -> None:
        if not msg.reply.startswith(REPLY_PREFIXES):
            return  # nobody could be answered there, or the answer would be a forged event
        if self._takes_no_more:
            await self._fail(msg, Unavailable("this instance is stopping"))
            return
        endpoint = self._calls.get(msg.subject)
        if endpoint is None:
            await self._fail(msg, NotFound("subject", msg.subject))
            return
        if endpoint.at_once is not None and not msg.headers and await self._answer_at_once(endpoint, msg):
            return
        lane = self._request_lane if isinstance(endpoint.row, Request) else self._stream_lane
        if lane.submit(lambda: self._serve(endpoint, msg)):
            self._taken.add(msg.reply)
        else:
            endpoint.refuse()
            await self._fail(msg, Busy(self.actor.name, limit=lane.limit + lane.waiting_limit))

    async def _receive_at(self, msg: Msg) -> None:
        # The subjects of streams are below this one too; those are heard on the bulk connection.
        if not msg.subject.startswith(self._streams.prefix):
            await self._receive(msg)

    async def _say_whose(self, msg: Msg) -> None:
        """Tell a caller whether its request is here (see `inbox.py`)."""
        if msg.reply.startswith(REPLY_PREFIXES):
            is_here = msg.data.decode("utf-8", "replace") in self._taken
            await self.bus.link.inbox.publish(msg.reply, YES if is_here else NO)

    async def _receive_event(self, msg: Msg) -> None:
        endpoint = self._events[msg.subject]
        if not self._request_lane.submit(lambda: self._listen(endpoint, msg)):
            endpoint.refuse()

    async def _introduce(self, msg: Msg) -> None:
        answer = self._service.answer(msg.subject)
        if answer and msg.reply.startswith(REPLY_PREFIXES):
            await self.bus.link.inbox.publish(msg.reply, answer)

    async def _answer_at_once(self, endpoint: Endpoint, msg: Msg) -> bool:
        """Answer from memory if the shortcut can; its errors are the answer too."""
        started = time.perf_counter()
        failed = ""
        try:
            content = endpoint.at_once(endpoint.row.ask.from_wire(msg.data))  # type: ignore[misc, union-attr]
            if content is None:
                return False
            await self.bus.link.inbox.publish(msg.reply, content)
        except Exception as failure:
            failed = outcome(failure)
            await self._fail(msg, failure)
        endpoint.record(time.perf_counter() - started, failed)
        return True

    # ---- handlers called --------------------------------------------------------------------------------

    async def _serve(self, endpoint: Endpoint, msg: Msg) -> None:
        """Answer one call; whatever goes wrong becomes an error reply and a count."""
        started = time.perf_counter()
        failed = ""
        try:
            await self._give_in_time(endpoint, msg)
        except AlreadyTold as told:
            failed = outcome(told.__cause__)
        except Exception as failure:
            failed = outcome(failure)
            await self._fail(msg, failure)
        finally:
            self._taken.discard(msg.reply)
            endpoint.record(time.perf_counter() - started, failed)

    async def _give_in_time(self, endpoint: Endpoint, msg: Msg) -> None:
        left_s = seconds_left(msg.headers) if msg.headers else None
        if left_s is None:
            await self._answers.give(endpoint, msg)
        elif left_s <= 0:
            raise DeadlineExceeded(endpoint.row.name)
        elif isinstance(endpoint.row, Request):
            try:
                async with asyncio.timeout(left_s):
                    await self._answers.give(endpoint, msg)
            except TimeoutError:
                raise DeadlineExceeded(endpoint.row.name) from None
        else:
            # Once begun, a stream lives as long as its chunks keep coming.
            await self._answers.give(endpoint, msg, left_s)

    async def _listen(self, endpoint: Endpoint, msg: Msg) -> None:
        started = time.perf_counter()
        failed = ""
        try:
            row = endpoint.row
            assert isinstance(row, Event)
            await endpoint.handler(row.event.from_wire(msg.data))
        except Exception as failure:
            failed = outcome(failure)
            log.warning("%s: %s", endpoint.row.name, failure, exc_info=not isinstance(failure, BusError))
        finally:
            endpoint.record(time.perf_counter() - started, failed)

    async def _fail(self, msg: Msg, error: BaseException) -> None:
        if msg.reply.startswith(REPLY_PREFIXES):
            body, headers = error_reply(error)
            await self.bus.link.inbox.publish(msg.reply, body, "", headers | (self.actor.reply_headers or {}))
