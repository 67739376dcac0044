"""Open transactions: each works on a tree of its own until it is committed on the tree of everybody.

It sees the tree that it began with and its own changes. What it reads is remembered; it can be committed if
nothing of that was changed meanwhile by others, else it is a Conflict and has to begin again. An open
transaction lives in one process: when that ends, it is rolled back.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field

from ...schemas.errors import BusError, Busy, NotFound, TooLarge
from ...schemas.journal import Changed, EntryState, OperationType, TransactionInfo
from ...schemas.tree import MAX_OPERATIONS, AnyOperation, Outcome, Put, Truncate, Write
from .chain import Position
from .changes import Change, Ended
from .commits import Committer, told
from .effects import collapsed, parent_of, paths_told, types_of, writes_of
from .overlap import Reads
from .parts import Trees
from .patching import Keep, apply_groups
from .root_names import transaction_root

__all__ = ["Transaction", "Transactions", "began_at", "gone", "instance_of"]

# A named root outlives its transaction by so long: the tree is still needed while it is committed.
GRACE_S = 300.0


def instance_of(transaction: str) -> str:
    """The process in which a transaction is open, by its id."""
    return transaction.split("-", 1)[0]


def began_at(transaction: str) -> float:
    """When it was begun, by its id; 0 if the id is of another making."""
    parts = transaction.split("-")
    try:
        return int(parts[1], 16) / 1000
    except (IndexError, ValueError):
        return 0.0


@dataclass
class Transaction:
    """One that is open: `base` is where it began, `root` the tree that it has made."""

    id: str
    base: Position
    root: str
    expires_in_s: float
    started_at: float
    operations: list[AnyOperation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    writes: dict[str, None] = field(default_factory=dict)
    reads: Reads = field(default_factory=Reads)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    timer: asyncio.TimerHandle | None = None

    def info(self, status: EntryState = "pending", sequence: int | None = None) -> TransactionInfo:
        return TransactionInfo(
            transaction=self.id,
            status=status,
            sequence=sequence,
            base=self.base.root,
            root=self.root,
            operations=dict(self.counts),
            paths=paths_told(self.writes),
            started_at=self.started_at,
            ended_at=None if status == "pending" else time.time(),
            instance=instance_of(self.id),
        )

    def ended(self, status: EntryState = "completed", error: str | None = None) -> Ended:
        return Ended(
            transaction=self.id,
            started_at=self.started_at,
            base_sequence=self.base.sequence,
            base_root=self.base.root,
            root=self.root,
            reads=self.reads,
            writes=collapsed(self.writes),
            status=status,
            operations=dict(self.counts),
            error=error,
        )


class Transactions:
    """Those that are open in this process, at most `limit`."""

    def __init__(self, instance: str, trees: Trees, committer: Committer, *, limit: int) -> None:
        self._instance = instance
        self._trees = trees
        self._committer = committer
        self._limit = limit
        self._open: dict[str, Transaction] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def all(self) -> list[Transaction]:
        """The newest first."""
        return list(reversed(self._open.values()))

    async def begin(self, base: Position, expires_in_s: float) -> Transaction:
        """Begin at a position; raises Busy if too many are open."""
        if len(self._open) >= self._limit:
            raise Busy("the journal", limit=self._limit, what="transactions are open", retry_after_s=10.0)
        now = time.time()
        name = f"{self._instance}-{int(now * 1000):x}-{secrets.token_hex(6)}"
        transaction = Transaction(name, base, base.root, expires_in_s, now)
        self._open[name] = transaction
        try:
            await self._trees.keep(transaction_root(name), base.root, expires_in_s + GRACE_S)
        except BaseException:
            del self._open[name]
            raise
        self._use(transaction)
        return transaction

    def get(self, name: str) -> Transaction:
        """An open transaction, whose time begins anew; raises NotFound if it is not (or no longer) open."""
        found = self._open.get(name)
        if found is None:
            raise gone(name)
        self._use(found)
        return found

    def _use(self, transaction: Transaction) -> None:
        if transaction.timer is not None:
            transaction.timer.cancel()
        loop = asyncio.get_running_loop()
        transaction.timer = loop.call_later(transaction.expires_in_s, self._expire, transaction)

    def _expire(self, transaction: Transaction) -> None:
        if transaction.lock.locked():  # it is being used right now
            self._use(transaction)
            return
        task = asyncio.create_task(self._roll_back_expired(transaction))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _roll_back_expired(self, transaction: Transaction) -> None:
        with contextlib.suppress(BusError):
            await self.roll_back(transaction.id, error="it expired unused")

    # ---- what it does -----------------------------------------------------------------------------------

    async def apply(
        self, name: str, operations: list[AnyOperation], named: OperationType | None = None
    ) -> Changed:
        """Do operations in it, all or none; raises what they raise, and TooLarge past 10,000 in all."""
        transaction = self.get(name)
        async with transaction.lock:
            if self._open.get(name) is not transaction:
                raise gone(name)
            if len(transaction.operations) + len(operations) > MAX_OPERATIONS:
                raise TooLarge("operations", limit=MAX_OPERATIONS, unit="operations in a transaction")
            keep = Keep(transaction_root(name), transaction.expires_in_s + GRACE_S)
            root, [done] = await apply_groups(self._trees, transaction.root, [operations], keep)
            if done.error is not None:
                _remember_failed(transaction, operations)
                raise done.error
            transaction.root = root
            _remember(transaction, operations, done.outcomes, named)
        return Changed(root=root, transaction=name, outcomes=told(done.outcomes))

    async def commit(self, name: str) -> Changed:
        """Make what it has done so for everybody; raises Conflict if others changed what it has read."""
        transaction = self.get(name)
        async with transaction.lock:
            self._close(transaction)
            change = Change(operations=transaction.operations, explicit=transaction.ended())
            try:
                return await self._committer.submit(change)
            finally:
                await self._release(name)

    async def roll_back(self, name: str, error: str | None = None) -> TransactionInfo:
        """Forget what it has done."""
        transaction = self.get(name)
        async with transaction.lock:
            self._close(transaction)
            note = Change(explicit=transaction.ended("rolled_back", error))
            try:
                changed = await self._committer.submit(note)
            finally:
                await self._release(name)
        return transaction.info("rolled_back", changed.sequence)

    async def close(self) -> None:
        """Roll back whatever is open: the process ends."""
        for transaction in self.all():
            with contextlib.suppress(BusError):
                await self.roll_back(transaction.id, error="its process ended")
        if self._ending:
            await asyncio.wait(self._ending)

    async def _release(self, name: str) -> None:
        # It would expire by itself, but until then it counts as open.
        with contextlib.suppress(BusError):
            await self._trees.release([transaction_root(name)])

    def _close(self, transaction: Transaction) -> None:
        if self._open.pop(transaction.id, None) is None:
            raise gone(transaction.id)
        if transaction.timer is not None:
            transaction.timer.cancel()


def gone(name: str) -> NotFound:
    return NotFound(
        "transaction", f"{name} is not open: it has ended, has expired, or its process has and rolled it back"
    )


def _remember(
    transaction: Transaction,
    operations: list[AnyOperation],
    outcomes: list[Outcome],
    named: OperationType | None,
) -> None:
    """What it takes to do these operations again on another tree, and what they depend on."""
    for operation, outcome in zip(operations, outcomes, strict=True):
        transaction.operations.append(_lasting(operation, outcome))
        _depend(transaction, operation, outcome)
    transaction.counts.update({named: 1} if named else types_of(operations, outcomes))
    transaction.writes.update(dict.fromkeys(writes_of(operations, outcomes)))


def _lasting(operation: AnyOperation, outcome: Outcome) -> AnyOperation:
    """The same without its bytes: nobody else has changed the file when it is done again."""
    if isinstance(operation, Write | Truncate) and outcome.cid is not None:
        return Put(path=operation.path, cid=outcome.cid, parents=getattr(operation, "parents", False))
    return operation


def _depend(transaction: Transaction, operation: AnyOperation, outcome: Outcome) -> None:
    for write in writes_of([operation], [outcome]):
        letter, path = write[0], write[1:]
        if letter == "t":
            transaction.reads.add("subtree", path)
        elif letter == "e":
            transaction.reads.add("missing" if outcome.created else "entry", path)
    if hasattr(operation, "source"):
        transaction.reads.add("subtree", operation.source)
    elif not outcome.created and outcome.path != "/":
        transaction.reads.add("entry", outcome.path)


def _remember_failed(transaction: Transaction, operations: list[AnyOperation]) -> None:
    """A client may act on what it was refused: that depends on what stood there."""
    for operation in operations:
        for path in {operation.path, getattr(operation, "destination", operation.path)}:
            transaction.reads.add("entry", path)
            transaction.reads.add("missing", path)
            transaction.reads.add("entry", parent_of(path))
