"""What one commit takes to disk together: the blocks of many sessions and the changes that go with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ....schemas.cid import CID
from ....schemas.errors import BusError
from .index import Change

# What a block weighs besides its data, in memory and in the time its commit takes.
BLOCK_OVERHEAD_BYTES = 512


@dataclass(slots=True)
class Ticket:
    """How the index knows a session: `key` is its owner and number, `registered` whether the index does.

    A session that has blocks in an earlier transaction than its last one is registered, which protects them
    from collection meanwhile. `failure` is what befell any of its blocks.
    """

    key: bytes
    registered: bool = False
    failure: BaseException | None = None


@dataclass(slots=True, eq=False)
class Pending:
    """A block not yet on disk, and how many sessions want it there."""

    cid: CID
    data: bytes
    holders: int = 1


@dataclass(slots=True, eq=False)
class Request:
    """A change to be made in the batch's transaction, after its blocks; `done` gets its result.

    `ending` is the session that ends with it. A BusError that the change raises is its own outcome and
    undoes nothing, so it raises before it writes.
    """

    change: Callable[[Change], Any]
    done: asyncio.Future[Any]
    ending: Ticket | None = None
    result: Any = None
    error: BusError | None = None

    def run(self, change: Change) -> None:
        self.error = None
        try:
            self.result = self.change(change)
        except BusError as error:
            self.error = error

    def settle(self, failure: BaseException | None) -> None:
        """Tell the one who waits, unless it has gone."""
        outcome = failure or self.error
        if self.done.done():
            return
        if outcome is None:
            self.done.set_result(self.result)
        else:
            self.done.set_exception(outcome)


@dataclass(slots=True, eq=False)
class Batch:
    """Filled on the event loop, then written by the writer's thread; `wanted` once somebody waits for it."""

    blocks: dict[bytes, Pending] = field(default_factory=dict)
    tickets: dict[bytes, Ticket] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    size_bytes: int = 0
    wanted: bool = False

    def add(self, ticket: Ticket, cid: CID, data: bytes) -> None:
        found = self.blocks.get(cid.multihash)
        if found is None:
            self.blocks[cid.multihash] = Pending(cid, data)
            self.size_bytes += len(data) + BLOCK_OVERHEAD_BYTES
        else:
            found.holders += 1
        self.tickets[ticket.key] = ticket

    def drop(self, keys: list[bytes]) -> None:
        """Forget blocks that a session put, where no other session put them too."""
        for key in keys:
            found = self.blocks[key]
            found.holders -= 1
            if found.holders == 0:
                del self.blocks[key]
                self.size_bytes -= len(found.data) + BLOCK_OVERHEAD_BYTES

    def refuse_failed(self) -> None:
        """Answer the requests of sessions that have lost blocks already."""
        for request in self.requests:
            if request.ending is not None and request.ending.failure is not None:
                request.settle(request.ending.failure)
        self.requests = [request for request in self.requests if not request.done.done()]

    def settle(self, failure: BaseException | None) -> None:
        """Tell everybody how it went."""
        for ticket in self.tickets.values():
            ticket.registered = ticket.registered or failure is None
            ticket.failure = ticket.failure or failure
        for request in self.requests:
            if request.ending is not None and failure is None:
                request.ending.registered = False
            request.settle(failure)
