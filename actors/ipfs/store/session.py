"""A session is one add's view of the store: its blocks become durable together with what keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from ....schemas.cid import CID
from ....schemas.errors import BusError, Unavailable
from .batch import Batch, Ticket
from .committer import Committer
from .index import Change
from .pins import PinRecord, require_block, write_pin
from .roots import RootRecord, remove_root, write_root


class Session:
    """Where blocks are written (a BlockSink).

        async with store.session() as session:
            await session.put(cid, data)
            await session.commit([PinRecord(root)])

    Until it ends, nothing that it has put is collected, by any process. Left without `commit`, it leaves at
    most unpinned blocks.
    """

    def __init__(self, committer: Committer, key: bytes, clock: Callable[[], float]) -> None:
        self._committer = committer
        self._clock = clock
        self._ticket = Ticket(key)
        self._batch: Batch | None = None
        self._put: list[bytes] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._batch is None:
            return
        ending = self._committer.withdraw(self._batch, self._ticket, self._put)
        self._batch, self._put = None, []
        if ending is not None and error is None:
            await asyncio.wait([ending.done])

    async def put(self, cid: CID, data: bytes) -> None:
        """Take a block whose CID the caller has computed; waits when too much is not yet on disk.

        It can be read back at once and is durable after `flush` or `commit`. Raises StorageFull if an
        earlier block of this session could not be stored.
        """
        self.check()
        if cid.is_identity:
            return
        batch = await self._committer.put(self._ticket, cid, data)
        if batch is not self._batch:
            self._batch, self._put = batch, []
        self._put.append(cid.multihash)

    async def flush(self) -> None:
        """Make what was put durable, and keep it from being collected until the session ends.

        For content that also needs what was here before: flush, then `store.pins.add`, which looks whether
        all of it is there. Raises StorageFull.
        """
        self.check()
        await self._committer.flush()
        self.check()

    async def commit(
        self,
        pins: Iterable[PinRecord] = (),
        *,
        roots: Iterable[RootRecord] = (),
        release: Iterable[str] = (),
        also: Callable[[Change], None] = lambda change: None,
    ) -> None:
        """Make what was put durable, together with pins on it, named roots, and names to let go; all or none.

        The pins are believed: everything below them was put in this session; only that the pinned blocks
        themselves are here is checked. `also` is one more change of that transaction; if it raises a
        BusError, none is made. The session may go on with other content afterwards.
        Raises StorageFull, NotFound(what="block") and what `also` raises.
        """
        self.check()
        wanted, kept, released, now = list(pins), list(roots), list(release), self._clock()

        def change(change: Change) -> None:
            for pin in wanted:
                require_block(change, pin.cid)
            also(change)
            for pin in wanted:
                write_pin(change, pin, now)
            for name in released:
                remove_root(change, name, now)
            for root in kept:
                write_root(change, root)

        await self._committer.change(change, ending=self._ticket)
        self._batch, self._put = None, []

    async def checkpoint(self, roots: Iterable[RootRecord], also: Callable[[Change], None]) -> None:
        """As `commit`, but the session does not end with it: more may be put while this is under way.

        Wait for it before the session is left. Raises as `commit` does.
        """
        self.check()
        kept = list(roots)

        def change(change: Change) -> None:
            if isinstance(self._ticket.failure, BusError):
                raise self._ticket.failure
            if self._ticket.failure is not None:
                raise Unavailable("the store could not write what this is made of")
            also(change)
            for root in kept:
                write_root(change, root)

        await self._committer.change(change)

    def kept_as(self, name: str | None, cid: CID, keep_s: float | None = None) -> list[RootRecord]:
        """The named root to commit, if there is a name; with `keep_s` it ends that many seconds from now."""
        end = None if keep_s is None else self._clock() + keep_s
        return [] if name is None else [RootRecord(name, cid, end)]

    def check(self) -> None:
        """Raises what befell any block of this session: StorageFull, for the most part."""
        if self._ticket.failure is not None:
            raise self._ticket.failure
