"""A log: one JetStream stream to which an actor appends entries, each only if it is the next.

    log = await Log.open(bus, JOURNAL_ENTRIES)
    sequence = await log.append(body, expected=41, msg_id="…")      # 42, or Conflict if another was first
    async for kept in log.read(after=sequence): ...

Entries are numbered from one, are on the disk when `append` returns (the server's `sync_interval: always`),
never change, and go only from the front, by `purge`. What is read again is not trusted blindly: who needs to
know that nothing was lost chains the entries.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import orjson
from nats.aio.msg import Msg

from ..schemas import rows
from ..schemas.errors import BusError, Conflict, DeadlineExceeded, NotFound, StorageFull, Unavailable
from .client import Bus
from .inbox import connection_lost
from .streams import MAX_BODY_BYTES

__all__ = ["Kept", "Log", "LogState"]

ANSWER_S = 5.0
# A server that restarts, or a cluster that elects another leader, is back within this time.
KEEP_TRYING_S = 25.0
TRY_AGAIN_S = 0.1
LAG_S = 1.0
BATCH = 1000
BATCH_BYTES = 4 * 1024 * 1024
WINDOW_S = 120  # for so long the server knows a `Nats-Msg-Id` again

# The server's own numbers of what went wrong (`errors.json` of nats-server).
NO_STREAM, NO_MESSAGE, WRONG_SEQUENCE, OTHER_CONFIG = 10059, 10037, 10071, 10058
FULL = frozenset({10023, 10047, 10077})


@dataclass(frozen=True)
class Kept:
    """One entry as it is stored; its `msg_id` is told by `get` and `last` alone."""

    sequence: int
    body: bytes
    msg_id: str = ""


@dataclass(frozen=True)
class LogState:
    """What a log holds now; an empty one's `first` is `last` + 1."""

    first: int
    last: int
    messages: int
    size_bytes: int
    created_at: float


class Log:
    """The stream of one row, on one connection."""

    def __init__(self, bus: Bus, row: rows.Log[Any]) -> None:
        self._bus = bus
        self.subject = row.subject
        self.stream = row.stream

    @classmethod
    async def open(cls, bus: Bus, row: rows.Log[Any], *, first: int = 1, replicas: int = 1) -> Self:
        """The log, made if there is none; then its first entry will be number `first`.

        Raises Unavailable if JetStream does not answer, StorageFull if there is no room for another stream.
        """
        log = cls(bus, row)
        if await log.state() is None:
            await log.make(first, replicas)
        return log

    async def make(self, first: int = 1, replicas: int = 1) -> None:
        """Make the stream; one that is there stays as it is."""
        config = {
            "name": self.stream,
            "subjects": [self.subject],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": replicas,
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_age": 0,
            "max_msg_size": MAX_BODY_BYTES,
            "duplicate_window": WINDOW_S * 1_000_000_000,
            "deny_delete": True,
            "allow_direct": True,
            "first_seq": first,
        }
        with contextlib.suppress(Conflict):  # another process has made it meanwhile, beginning elsewhere
            await self._patiently(f"STREAM.CREATE.{self.stream}", config)

    # ---- writing ----------------------------------------------------------------------------------------

    async def append(self, body: bytes, *, expected: int, msg_id: str) -> int:
        """Write the entry that follows number `expected`; returns its number once it is on the disk.

        Raises Conflict if another entry is there already, StorageFull if the disk has no room, NotFound if
        the stream is gone, and Unavailable if for 25 s nobody could tell whether it is written: then it may
        be.
        """
        headers = {"Nats-Msg-Id": msg_id, "Nats-Expected-Last-Sequence": str(expected)}
        until = time.monotonic() + KEEP_TRYING_S
        while True:
            try:
                answer = await self._request(self.subject, body, headers)
                return int(answer["seq"])
            except Conflict:
                return await self._mine(expected + 1, msg_id)
            except (Unavailable, DeadlineExceeded) as error:
                if await self._is_gone():
                    raise NotFound("stream", self.stream) from error
                await self._wait(until, error)

    async def _is_gone(self) -> bool:
        """Whether the server answers, and has no such stream."""
        try:
            await self._ask(f"STREAM.INFO.{self.stream}", None)
        except NotFound:
            return True
        except BusError:
            return False
        return False

    async def _mine(self, sequence: int, msg_id: str) -> int:
        """The number of the entry if it is ours after all, from a try whose answer was lost."""
        with contextlib.suppress(NotFound):
            if (await self.get(sequence)).msg_id == msg_id:
                return sequence
        raise Conflict(f"entry {sequence} of {self.stream} was written by another", sequence=sequence)

    async def purge(self, before: int) -> int:
        """Forget the entries before a number; returns how many there were."""
        answer = await self._patiently(f"STREAM.PURGE.{self.stream}", {"seq": before})
        return int(answer["purged"])

    async def delete(self) -> None:
        """Remove the stream with all it holds."""
        await self._patiently(f"STREAM.DELETE.{self.stream}", None)

    # ---- reading ----------------------------------------------------------------------------------------

    async def state(self) -> LogState | None:
        """What the log holds; None if there is no such stream."""
        try:
            answer = await self._patiently(f"STREAM.INFO.{self.stream}", None)
        except NotFound:
            return None
        state = answer["state"]
        return LogState(
            first=int(state["first_seq"]),
            last=int(state["last_seq"]),
            messages=int(state["messages"]),
            size_bytes=int(state["bytes"]),
            created_at=datetime.fromisoformat(answer["created"]).timestamp(),
        )

    async def last(self) -> Kept | None:
        """The newest entry, of all that were acknowledged before this was asked; None if there is none."""
        return await self._message_if_any({"last_by_subj": self.subject})

    async def next(self, after: int) -> Kept | None:
        """The first entry behind number `after` that there is, of all that were acknowledged before this was
        asked; None if there is none. Costs less than `last`, which always brings an entry."""
        return await self._message_if_any({"seq": after + 1, "next_by_subj": self.subject})

    async def get(self, sequence: int) -> Kept:
        """One entry; raises NotFound if it is not there (any more)."""
        return await self._message({"seq": sequence})

    async def _message_if_any(self, which: dict[str, Any]) -> Kept | None:
        try:
            return await self._message(which)
        except NotFound as missing:
            if missing.details["what"] == "stream":
                raise
            return None

    async def _message(self, which: dict[str, Any]) -> Kept:
        answer = await self._patiently(f"STREAM.MSG.GET.{self.stream}", which)
        message = answer["message"]
        headers = b64decode(message.get("hdrs", ""))
        return Kept(int(message["seq"]), b64decode(message.get("data", "")), _msg_id(headers))

    async def read(self, after: int = 0, *, to: int | None = None) -> AsyncIterator[Kept]:
        """The entries behind number `after`, in order, up to number `to` or to the newest of now.

        Holds a batch of 4 MiB at most. Entries that cannot be read, because the server has found them
        damaged, are left out. Raises Unavailable if nobody answers.
        """
        if to is None:
            state = await self.state()
            to = 0 if state is None else state.last
        until = time.monotonic() + KEEP_TRYING_S
        lag_until = time.monotonic() + LAG_S
        while after < to:
            try:
                batch = await self._batch(after + 1)
            except (Unavailable, DeadlineExceeded) as error:
                await self._wait(until, error)
                continue
            if not batch:
                # Gone, or damaged; or a replica answers that is behind the one that has acknowledged.
                state = await self.state()
                if state is None or state.first > min(to, state.last) or time.monotonic() >= lag_until:
                    return
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            until = time.monotonic() + KEEP_TRYING_S
            lag_until = time.monotonic() + LAG_S
            for kept in batch:
                if kept.sequence > to:
                    return
                yield kept
                after = kept.sequence

    async def _batch(self, first: int) -> list[Kept]:
        """The entries from a number on that come in one go.

        Bodies alone are asked for first, which halves what reading costs; only the number of the last comes
        with them. Where they do not fill the way there from `first`, entries are missing between them, and
        they are asked for again with the number of each.
        """
        last, messages = await self._messages(first, headers=False)
        if last - len(messages) + 1 == first:
            return [Kept(number, msg.data) for number, msg in enumerate(messages, first)]
        _, messages = await self._messages(first, headers=True)
        return [Kept(int(_headers_of(msg)["Nats-Sequence"]), msg.data) for msg in messages]

    async def _messages(self, first: int, *, headers: bool) -> tuple[int, list[Msg]]:
        """The messages of a batch, and the number of the last of them (0 if there is none)."""
        loop = asyncio.get_running_loop()
        messages: list[Msg] = []
        done: asyncio.Future[int] = loop.create_future()

        def take(msg: Msg | None, _number: str) -> None:
            if done.done():
                return
            if msg is not None and "Status" not in _headers_of(msg):
                messages.append(msg)
            else:
                _finish(done, msg, self.stream)

        inbox = self._bus.link.inbox
        inbox_id, reply = inbox.open(take)
        timer = loop.call_later(ANSWER_S, _expire, done, self.stream)
        try:
            wanted = {"seq": first, "batch": BATCH, "max_bytes": BATCH_BYTES, "no_hdr": not headers}
            await inbox.publish(f"$JS.API.DIRECT.GET.{self.stream}", orjson.dumps(wanted), reply)
            return await done, messages
        finally:
            timer.cancel()
            inbox.close(inbox_id)

    # ---- asking the server ------------------------------------------------------------------------------

    async def _patiently(self, verb: str, body: dict[str, Any] | None) -> dict[str, Any]:
        until = time.monotonic() + KEEP_TRYING_S
        while True:
            try:
                return await self._ask(verb, body)
            except (Unavailable, DeadlineExceeded) as error:
                await self._wait(until, error)

    async def _ask(self, verb: str, body: dict[str, Any] | None) -> dict[str, Any]:
        return await self._request(f"$JS.API.{verb}", b"" if body is None else orjson.dumps(body), None)

    async def _request(self, subject: str, body: bytes, headers: dict[str, str] | None) -> dict[str, Any]:
        msg = await self._bus.link.inbox.request(subject, body, ANSWER_S, headers)
        if msg.headers and msg.headers.get("Status") == "503":
            raise Unavailable("JetStream does not answer")
        answer: dict[str, Any] = orjson.loads(msg.data)
        if "error" in answer:
            raise self._error(answer["error"])
        return answer

    def _error(self, told: dict[str, Any]) -> BusError:
        code, text = int(told.get("err_code", 0)), str(told.get("description", ""))
        if code == NO_STREAM:
            return NotFound("stream", self.stream)
        if code == NO_MESSAGE:
            return NotFound("entry", f"of {self.stream}")
        if code in (WRONG_SEQUENCE, OTHER_CONFIG):
            return Conflict(f"{self.stream}: {text}")
        if code in FULL or "no space left" in text:
            return StorageFull(f"the disk has no room for another entry of {self.stream}: {text}")
        return Unavailable(f"{self.stream}: {text}", err_code=code)

    @staticmethod
    async def _wait(until: float, error: BusError) -> None:
        """Wait before another try; raises the error once it has been tried for long enough."""
        if time.monotonic() >= until:
            raise error
        await asyncio.sleep(TRY_AGAIN_S)


def _headers_of(msg: Msg) -> dict[str, str]:
    return msg.headers or {}


def _finish(done: asyncio.Future[int], msg: Msg | None, stream: str) -> None:
    """What ends a batch: 204 with the number of its last entry, 404 for nothing from there on, 503 for
    nobody there."""
    if msg is None:
        done.set_exception(connection_lost())
        return
    headers = _headers_of(msg)
    if headers.get("Status") == "503":
        done.set_exception(Unavailable(f"nobody answers for {stream}"))
    else:
        done.set_result(int(headers.get("Nats-Last-Sequence", 0)))


def _expire(done: asyncio.Future[int], stream: str) -> None:
    if not done.done():
        done.set_exception(DeadlineExceeded(stream, ANSWER_S))


def _msg_id(headers: bytes) -> str:
    """The `Nats-Msg-Id` of raw headers, empty if there is none."""
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"Nats-Msg-Id":
            return value.strip().decode()
    return ""
