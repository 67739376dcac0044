"""Where the tree is now: the newest entry of the log, followed as other processes append to it.

Several processes append to one log, so what this one knows may be behind. A write finds out when it appends;
a read asks first (`fresh`), and reads that come at the same time share one question.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from ...schemas.errors import InvalidContent, NotFound, Unavailable
from .chain import Position, Sealed, digest_of, unsealed
from .parts import Kept, Log

__all__ = ["Head"]

# Entries kept at hand for conflict checks and for readers of the recent past.
HISTORY_BYTES = 8 * 1024 * 1024

Mend = Callable[[str], Awaitable[None]]


class Head:
    """The position that holds now, as far as this process knows, and the entries that led to it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.position = Position(0, "")
        self.problem: str | None = None
        self._recent: deque[Sealed] = deque()
        self._recent_bytes = 0
        self._checking: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._following = asyncio.Lock()
        self._moved = asyncio.Event()
        # What is done when the log no longer has what it had; see `recovery.py`.
        self.mend: Mend | None = None

    # ---- moving on --------------------------------------------------------------------------------------

    def reset(self, position: Position) -> None:
        """Begin at another position, whatever was known before."""
        self.position = position
        self._recent.clear()
        self._recent_bytes = 0
        self.problem = None
        self._announce()

    def advance(self, sealed: Sealed) -> None:
        """Take in the next entry; one that is known already changes nothing."""
        if sealed.sequence <= self.position.sequence:
            return
        self.position = sealed.position
        self._recent.append(sealed)
        self._recent_bytes += len(sealed.body)
        while self._recent_bytes > HISTORY_BYTES:
            self._recent_bytes -= len(self._recent.popleft().body)
        self._announce()

    def forget(self, before: int) -> None:
        """Entries before a sequence are gone from the log: they are not told of from memory either."""
        while self._recent and self._recent[0].sequence < before:
            self._recent_bytes -= len(self._recent.popleft().body)

    def _announce(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until_moved(self) -> None:
        """Returns once another position holds."""
        await self._moved.wait()

    def usable(self) -> Position:
        """The position; raises Unavailable while no state of the tree is proven."""
        if self.problem is not None:
            raise Unavailable(self.problem)
        return self.position

    # ---- being up to date -------------------------------------------------------------------------------

    async def fresh(self) -> Position:
        """The position after everything that was acknowledged before this was asked.

        Raises Unavailable if the log does not answer, or no longer has what it had.
        """
        self.usable()
        if self._next is None:
            self._next = asyncio.create_task(self._check_after(self._checking))
            self._next.add_done_callback(_look_at)
        await asyncio.shield(self._next)
        return self.usable()

    async def _check_after(self, running: asyncio.Task[None] | None) -> None:
        """Ask once the question that is on its way has been answered: its answer may be too old."""
        if running is not None:
            await asyncio.wait([running])
        self._checking, self._next = self._next, None
        try:
            following = await self._log.next(self.position.sequence)
        except NotFound:
            await self._lost("the journal's stream is gone")
            return
        if following is not None:
            await self.follow(following)
            await self.follow()

    async def look_again(self) -> None:
        """Compare what is known with what the log has, after it has refused an entry.

        Raises Unavailable if the log no longer has what it had, and that cannot be mended.
        """
        try:
            last = await self._log.last()
        except NotFound:
            await self._lost("the journal's stream is gone")
            return
        known = self.position
        if last is None or last.sequence < known.sequence:
            if last is not None or known.sequence:
                await self._lost(f"the journal's stream has lost entries: it had {known.sequence}")
        elif last.sequence > known.sequence:
            await self.follow(last)
        elif digest_of(last.body) != known.digest:
            await self._lost(f"entry {last.sequence} of the journal is not what it was")

    async def follow(self, last: Kept | None = None) -> None:
        """Take in what has been appended, up to `last` if that is known to be the newest.

        Raises Unavailable if it does not follow from what is known.
        """
        async with self._following:
            try:
                if last is not None and last.sequence == self.position.sequence + 1:
                    self.advance(self.position.next(last.sequence, last.body))
                    return
                async for kept in self._log.read(
                    self.position.sequence, to=None if last is None else last.sequence
                ):
                    if kept.sequence > self.position.sequence:
                        self.advance(self.position.next(kept.sequence, kept.body))
                if last is None or self.position.sequence >= last.sequence:
                    return
                problem = f"entry {self.position.sequence + 1} of the journal cannot be read"
            except InvalidContent as error:
                problem = error.message
        await self._lost(problem)

    async def _lost(self, problem: str) -> None:
        """The log is not what it was: mend it, or tell everybody that nothing can be said."""
        if self.mend is None:
            self.problem = problem
        else:
            await self.mend(problem)
        self.usable()

    # ---- the past ---------------------------------------------------------------------------------------

    async def entry(self, sequence: int) -> Sealed:
        """One entry; raises NotFound if it has been forgotten or is yet to come."""
        first = self._recent[0].sequence if self._recent else self.position.sequence + 1
        if first <= sequence <= self.position.sequence:
            return self._recent[sequence - first]
        if not 0 < sequence <= self.position.sequence:
            raise NotFound("journal entry", str(sequence), last=self.position.sequence)
        try:
            kept = await self._log.get(sequence)
        except NotFound:
            state = await self._log.state()
            raise NotFound("journal entry", str(sequence), first=state and state.first) from None
        return unsealed(kept.sequence, kept.body)

    async def since(self, sequence: int) -> AsyncIterator[Sealed]:
        """The entries behind a sequence up to the position of now; raises NotFound if some are forgotten."""
        to = self.position.sequence
        if not self._recent or self._recent[0].sequence > sequence + 1:
            async for kept in self._log.read(sequence, to=to):
                if kept.sequence > sequence + 1:
                    raise NotFound("journal entry", str(sequence + 1))
                sequence = kept.sequence
                yield unsealed(kept.sequence, kept.body)
            return
        for sealed in list(self._recent):
            if sequence < sealed.sequence <= to:
                yield sealed


def _look_at(task: asyncio.Task[None]) -> None:
    """Whoever waited may be gone; the failure was theirs to hear."""
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
