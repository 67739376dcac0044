"""What waits to be committed: one change, from its request to its answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from ...schemas.journal import Changed, EntryState, OperationType, Sync
from ...schemas.tree import AnyOperation
from .overlap import Reads

__all__ = ["Change", "Ended"]


@dataclass(frozen=True)
class Ended:
    """What the journal notes of an explicit transaction: which, how it has ended, and what it had done on the
    way from its base to its own root."""

    transaction: str
    started_at: float
    base_sequence: int
    base_root: str
    root: str
    reads: Reads = field(default_factory=Reads)
    writes: list[str] = field(default_factory=list)
    status: EntryState = "completed"
    operations: dict[str, int] = field(default_factory=dict)
    error: str | None = None


@dataclass(eq=False)
class Change:
    """A group of operations that are done together or not at all.

    `root` replaces the whole tree instead. `explicit` is a transaction that ends with this: one that is not
    completed has no operations left to do. `named` is the documented type where the operations do not tell;
    `recovers` says that the tree goes back on purpose.
    """

    operations: list[AnyOperation] = field(default_factory=list)
    sync: Sync = "now"
    if_root: str | None = None
    root: str | None = None
    explicit: Ended | None = None
    named: OperationType | None = None
    release: str | None = None
    recovers: bool = False
    size_bytes: int = 0
    at: float = field(default_factory=time.time)
    done: asyncio.Future[Changed] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def goes_first(self) -> bool:
        """Whether it depends on the very tree that it finds, and so cannot follow others in one commit."""
        return self.if_root is not None or self.root is not None or self.explicit is not None

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)
