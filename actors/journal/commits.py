"""The commit loop: what has queued up becomes one tree and one entry, and is answered once that is durable.

    [change], [change], … -> one patch of the tree -> one append -> [answer], [answer], …

While one commit is on its way the next batch gathers, so the rate of commits does not bound the rate of
changes. If another process appends first, the same changes are made on the tree that it has left. A change
that fails, or that changes nothing, is answered only when it is sure that it was tried on the newest tree.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ...schemas.errors import BusError, Busy, Conflict, NotFound, Unavailable
from ...schemas.journal import Changed
from ...schemas.journaling import ChangeRecord, Totals
from ...schemas.tree import MAX_GROUPS, Outcome
from .chain import Position, Sealed, Who
from .changes import Change, Ended
from .effects import types_of, writes_of
from .head import Head
from .parts import Log, Trees
from .patching import Keep, apply_groups, size_of
from .root_names import commit_root

__all__ = ["Committer", "told"]

logger = logging.getLogger(__name__)

GATHER_S = 0.02  # how long `sync=batch` waits for company
BATCH_BYTES = 512 * 1024
MAX_LEAVING = 1000
MAX_QUEUED = 4096
MAX_QUEUED_BYTES = 64 * 1024 * 1024
# Outcomes of a large group that an answer has room for.
MAX_OUTCOMES_TOLD = 1000

Note = Callable[[Sealed], None]
Tell = Callable[[Sealed], Awaitable[None]]


@dataclass
class _Tried:
    """A change that was made, or refused, on one tree."""

    change: Change
    record: ChangeRecord | None = None
    outcomes: list[Outcome] | None = None
    error: BusError | None = None


class Committer:
    """Turns changes into entries, in batches, one batch at a time."""

    def __init__(self, log: Log, trees: Trees, head: Head, who: Who, note: Note, tell: Tell) -> None:
        """`note` writes an entry down beside the log before anybody is answered; `tell` announces it."""
        self._log = log
        self._trees = trees
        self._head = head
        self._who = who
        self._note = note
        self._tell = tell
        self._queue: deque[Change] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._leaving: list[str] = []  # named roots that the next patch lets go
        self._prefix = who.instance[:8]

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def submit(self, change: Change) -> Changed:
        """Queue a change; returns once it is durable.

        Raises Busy if too much waits already, Conflict if the change needs another tree than there is, what
        its operations raise, and Unavailable if it is not known whether it was made.
        """
        change.size_bytes = sum(map(size_of, change.operations))
        if len(self._queue) >= MAX_QUEUED or self._queued_bytes + change.size_bytes > MAX_QUEUED_BYTES:
            raise Busy("journal", limit=MAX_QUEUED)
        self._queue.append(change)
        self._queued_bytes += change.size_bytes
        self._arrived.set()
        return await change.done

    async def run(self) -> None:
        """Commit what comes, for as long as the actor lives."""
        while True:
            batch = await self._gather()
            try:
                await self._commit(batch)
            except BusError as error:
                for change in batch:
                    change.fail(_copy(error))
            except asyncio.CancelledError:
                for change in batch:
                    change.fail(Unavailable("the journal's process is ending; the change may be made or not"))
                raise
            except Exception as error:
                # A mistake of ours: those who wait are told, and the loop goes on for everybody else.
                logger.exception("a commit of %d changes failed", len(batch))
                for change in batch:
                    change.fail(error)

    def let_go(self, name: str) -> None:
        """Release a named root with the next commit."""
        self._leaving.append(name)

    async def drain(self) -> None:
        """Returns once nothing waits to be committed."""
        while self._queue:
            with contextlib.suppress(BusError):
                await asyncio.shield(self._queue[-1].done)

    # ---- a batch ----------------------------------------------------------------------------------------

    async def _gather(self) -> list[Change]:
        """The changes that wait, in order, as many as belong into one commit; at least one."""
        while True:
            self._forget_abandoned()
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if left_s := self._time_for_company():
                self._arrived.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), left_s)
                continue
            return self._take()

    def _forget_abandoned(self) -> None:
        """Changes whose requester has gone before they were begun are not made."""
        if any(change.done.done() for change in self._queue):
            self._queue = deque(change for change in self._queue if not change.done.done())
            self._queued_bytes = sum(change.size_bytes for change in self._queue)

    def _time_for_company(self) -> float:
        """Seconds that may still be waited for others: none if one that waits is in a hurry."""
        if len(self._queue) >= MAX_GROUPS or any(change.sync == "now" for change in self._queue):
            return 0.0
        return max(0.0, self._queue[0].at + GATHER_S - time.time())

    def _take(self) -> list[Change]:
        batch = [self._pop()]
        size = batch[0].size_bytes
        while self._queue and len(batch) < MAX_GROUPS:
            following = self._queue[0]
            size += following.size_bytes
            if following.goes_first or size > BATCH_BYTES:
                break
            batch.append(self._pop())
        return batch

    def _pop(self) -> Change:
        change = self._queue.popleft()
        self._queued_bytes -= change.size_bytes
        return change

    # ---- a commit ---------------------------------------------------------------------------------------

    async def _commit(self, batch: list[Change]) -> None:
        """Make the changes on the newest tree, whichever that turns out to be."""
        while True:
            position = self._head.usable()
            commit_id = f"{int(time.time() * 1000):012x}-{self._prefix}-{secrets.token_hex(4)}"
            root, tried = await self._try(position, batch, commit_id)
            sealed = self._seal(position, root, tried, commit_id)
            sure = sealed is not None and all(one.error is None for one in tried)
            # Whoever is refused, or told that nothing had to be done, has to be tried on the newest tree.
            if not sure and await self._head.fresh() != position:
                self._leaving.append(commit_root(commit_id))
                continue
            if sealed is None:
                self._leaving.append(commit_root(commit_id))
            elif not await self._append(sealed):
                await self._head.look_again()
                continue
            self._leaving += [change.release for change in batch if change.release]
            for one in tried:
                _answer(one, root, sealed)
            if sealed is not None:
                await self._tell(sealed)
            return

    async def _append(self, sealed: Sealed) -> bool:
        """Write the entry; False if the log is no longer where the entry was made for."""
        name = commit_root(sealed.record.id)
        try:
            await self._log.append(sealed.body, expected=sealed.sequence - 1, msg_id=sealed.record.id)
        except (Conflict, NotFound):
            self._leaving.append(name)
            return False
        except BusError as error:
            if not error.retryable:  # then it is sure that it was not written
                self._leaving.append(name)
            raise
        self._note(sealed)
        self._head.advance(sealed)
        return True

    async def _try(self, position: Position, batch: list[Change], commit_id: str) -> tuple[str, list[_Tried]]:
        """The tree that the changes make of this one, and what became of each."""
        tried = [_Tried(change) for change in batch]
        first = tried[0]
        first.error = await self._refusal(first.change, position)
        root, shortcut = position.root, _shortcut(first, position)
        if shortcut is not None:
            root = shortcut
        keep = Keep(commit_root(commit_id))
        leaving = self._leaving[:MAX_LEAVING]
        doable = [one for one in tried if one.error is None]
        groups = [[] if shortcut and one is first else one.change.operations for one in doable]
        root, done = await apply_groups(self._trees, root, groups, keep, release=leaving or None)
        del self._leaving[: len(leaving)]
        for one, result in zip(doable, done, strict=True):
            one.error, one.outcomes = result.error, result.outcomes
        for one in tried:
            one.record = _record(one)
        return root, tried

    async def _refusal(self, change: Change, position: Position) -> BusError | None:
        """Why a change that needs a certain tree cannot be made on this one, None if it can."""
        if change.if_root is not None and change.if_root != position.root:
            return Conflict(
                f"the tree is {position.root}, not {change.if_root}",
                expected=change.if_root, root=position.root,
            )  # fmt: skip
        ended = change.explicit
        if ended is None or ended.status != "completed" or ended.base_sequence == position.sequence:
            return None
        try:
            touched = await self._touched(ended)
        except NotFound:
            touched = "/"  # what was written since is forgotten: it may be anything
        if touched is None:
            return None
        return Conflict(
            f"{touched} was changed by another transaction",
            path=touched, base=ended.base_root, root=position.root, transaction=ended.transaction,
        )  # fmt: skip

    async def _touched(self, ended: Ended) -> str | None:
        async for sealed in self._head.since(ended.base_sequence):
            if sealed.record.kind == "recover":
                return "/"
            for change in sealed.record.changes:
                if (path := ended.reads.overlap(change.writes)) is not None:
                    return path
        return None

    def _seal(self, position: Position, root: str, tried: list[_Tried], commit_id: str) -> Sealed | None:
        """The entry of these changes; None if there is nothing to tell."""
        replaced = tried[0].change.recovers
        records = [one.record for one in tried if one.record is not None]
        if root == position.root and not replaced and not any(one.change.explicit for one in tried):
            return None
        return position.followed_by(
            self._who, entry_id=commit_id, kind="recover" if replaced else "commit", root=root,
            changes=records, totals=_totals(position.totals, records),
        )  # fmt: skip


def _shortcut(first: _Tried, position: Position) -> str | None:
    """The tree that a change is known to make without doing it again."""
    change, ended = first.change, first.change.explicit
    if first.error is not None:
        return None
    if ended is not None and ended.status == "completed" and ended.base_sequence == position.sequence:
        return ended.root
    return change.root


def _record(one: _Tried) -> ChangeRecord | None:
    """What the entry tells of a change; nothing of one that failed by itself."""
    change, ended = one.change, one.change.explicit
    if ended is not None and (one.error is not None or ended.status != "completed"):
        status = "failed" if one.error is not None else ended.status
        error = one.error.message if one.error is not None else ended.error
        return ChangeRecord(
            transaction=ended.transaction, status=status, operations=ended.operations, error=error,
            started_at=ended.started_at,
        )  # fmt: skip
    if one.error is not None or one.outcomes is None:
        return None
    if change.root is not None:
        return ChangeRecord(status="completed", writes=["t/"], started_at=change.at)
    if ended is not None:
        return ChangeRecord(
            transaction=ended.transaction, status="completed", operations=ended.operations,
            writes=ended.writes, started_at=ended.started_at,
        )  # fmt: skip
    types = Counter({change.named: 1}) if change.named else types_of(change.operations, one.outcomes)
    return ChangeRecord(
        status="completed", operations=dict(types), writes=writes_of(change.operations, one.outcomes),
        started_at=change.at,
    )  # fmt: skip


def _totals(before: Totals, changes: list[ChangeRecord]) -> Totals:
    statuses, operations = Counter(before.statuses), Counter(before.operations)
    for change in changes:
        statuses[change.status] += 1
        if change.status == "completed":
            operations.update(change.operations)
    return Totals(statuses=dict(statuses), operations=dict(operations))


def _answer(one: _Tried, root: str, sealed: Sealed | None) -> None:
    change = one.change
    if change.done.done():
        return
    if one.error is not None:
        change.done.set_exception(one.error)
        return
    sequence = None if sealed is None else sealed.sequence
    transaction = None if change.explicit is None else change.explicit.transaction
    outcomes = told(one.outcomes or [])
    change.done.set_result(
        Changed.model_construct(root=root, sequence=sequence, transaction=transaction, outcomes=outcomes)
    )


def told(outcomes: list[Outcome]) -> list[Outcome]:
    """As many of the first outcomes as an answer has room for."""
    size = 0
    for number, outcome in enumerate(outcomes[:MAX_OUTCOMES_TOLD]):
        size += 200 + 3 * len(outcome.path)
        if size > BATCH_BYTES:
            return outcomes[:number]
    return outcomes[:MAX_OUTCOMES_TOLD]


def _copy(error: BusError) -> BusError:
    """An error of a whole batch, once for each who hears of it: a raised one keeps its traceback."""
    return type(error).rebuild(error.message, dict(error.details))
