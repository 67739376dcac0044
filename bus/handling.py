"""Stream handlers that are running: each is cancelled as soon as nobody wants what it makes.

Until its first message a stream has no subject of its own, so a caller that gives up waiting for it says so
to all instances of the actor, by the reply subject of its request, which nobody else can know:

    [gone] -> cidbus.at.every.<actor>.stream.gone      the reply subject of a request
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from cachetools import LRUCache

from ..schemas.rows import ROOT

__all__ = ["Handling", "Handlings", "gone_subject", "whose_subject"]

# How many callers are remembered whose word came before their request was taken up, or to another instance.
REMEMBERED_GONE = 4096
MAX_REPLY_BYTES = 256


def gone_subject(actor: str) -> str:
    """Where a caller tells that it no longer waits for the first message of a stream."""
    return f"{ROOT}.at.every.{actor}.stream.gone"


def whose_subject(actor: str) -> str:
    """Where a caller that has waited for long asks all instances of an actor which of them works on its
    request: each answers whether it does (see `inbox.py`)."""
    return f"{ROOT}.at.every.{actor}.stream.whose"


class Handling:
    """One running stream handler, a context manager around the work on its behalf.

    `end` cancels that work wherever it is; the context then swallows the cancellation that it caused, and no
    other, and `over` says why the work ended.
    """

    def __init__(self, others: Handlings, reply: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.over = ""
        self.caller_is_gone = False
        self._others = others
        self._reply = reply
        self._task: asyncio.Task[Any] | None = task
        self._cancelling = task.cancelling()

    def end(self, reason: str, *, caller_is_gone: bool) -> None:
        """Cancel the work, unless that is done or cancelled already."""
        self.caller_is_gone = self.caller_is_gone or caller_is_gone
        if not self.over and self._task is not None:
            self.over = reason
            self._task.cancel(reason)

    def __enter__(self) -> Self:
        self._others.begin(self._reply, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._others.forget(self._reply, self)
        task, self._task = self._task, None
        if not self.over or task is None:
            return False
        asked_by_others = task.uncancel() > self._cancelling
        return kind is asyncio.CancelledError and not asked_by_others


class Handlings:
    """All stream handlers of one actor instance, by the reply subject of their requests."""

    def __init__(self) -> None:
        self._running: dict[str, Handling] = {}
        self._gone: LRUCache[str, None] = LRUCache(REMEMBERED_GONE)

    def of(self, reply: str) -> Handling:
        return Handling(self, reply)

    def begin(self, reply: str, handling: Handling) -> None:
        self._running[reply] = handling
        if reply in self._gone:
            self.caller_is_gone(reply)

    def forget(self, reply: str, handling: Handling) -> None:
        if self._running.get(reply) is handling:
            del self._running[reply]

    def caller_is_gone(self, reply: str) -> None:
        """End the work for this caller: now, or as soon as it begins."""
        handling = self._running.get(reply)
        if handling is None:
            if len(reply) <= MAX_REPLY_BYTES:
                self._gone[reply] = None
        else:
            handling.end("the caller has gone", caller_is_gone=True)

    def end_all(self, reason: str) -> None:
        for handling in list(self._running.values()):
            handling.end(reason, caller_is_gone=False)
