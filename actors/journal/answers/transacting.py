"""Transactions over several requests: begun, ended, and told of."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ....bus import handles
from ....schemas import journal, subjects
from ....schemas.errors import BusError
from ....schemas.journal import Changed, TransactionInfo
from ..chain import unsealed
from ..effects import paths_told
from ..root_names import TRANSACTIONS
from ..transactions import began_at, instance_of
from .changing import ChangeRows

__all__ = ["TransactionRows"]

BATCH = 100


class TransactionRows(ChangeRows):
    """`journal.begin`, `commit`, `rollback` and `transactions`."""

    @handles(subjects.FS_BEGIN)
    async def begin(self, ask: journal.Begin) -> TransactionInfo:
        position = await self.head.fresh()
        return (await self.transactions.begin(position, ask.expires_in_s)).info()

    @handles(subjects.FS_COMMIT)
    async def commit(self, ask: journal.End) -> Changed:
        """Raises Conflict if others have changed what it has read; then it is over."""
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, subjects.FS_COMMIT, ask, ask.transaction)
        return await self.transactions.commit(ask.transaction)

    @handles(subjects.FS_ROLLBACK)
    async def rollback(self, ask: journal.End) -> TransactionInfo:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, subjects.FS_ROLLBACK, ask, ask.transaction)
        return await self.transactions.roll_back(ask.transaction)

    @handles(subjects.FS_TRANSACTIONS)
    async def list_transactions(self, ask: journal.TransactionList) -> AsyncIterator[TransactionInfo]:
        left = ask.limit
        if ask.status in ("all", "pending"):
            async for info in self._pending():
                if left == 0:
                    return
                left -= 1
                yield info
        if ask.status == "pending":
            return
        async for info in self._past():
            if left == 0:
                return
            if ask.status in ("all", info.status):
                left -= 1
                yield info

    async def _pending(self) -> AsyncIterator[TransactionInfo]:
        """Those that are open here, and of those in other processes what their named roots tell."""
        own = self.transactions.all()
        for transaction in own:
            yield transaction.info()
        known = {transaction.id for transaction in own}
        async for root in self.trees.kept(TRANSACTIONS):
            name = root.name.removeprefix(TRANSACTIONS)
            if name not in known and instance_of(name) != self.instance:
                yield TransactionInfo(
                    transaction=name,
                    status="pending",
                    base=root.cid,
                    root=root.cid,
                    started_at=began_at(name),
                    instance=instance_of(name),
                )

    async def _past(self) -> AsyncIterator[TransactionInfo]:
        async for record in self.records_backwards():
            for number, change in reversed(list(enumerate(record.changes))):
                yield TransactionInfo(
                    transaction=change.transaction or f"{record.id}.{number}",
                    status=change.status,
                    sequence=record.sequence,
                    base=record.before,
                    root=record.root,
                    operations=change.operations,
                    paths=paths_told(change.writes),
                    error=change.error,
                    started_at=change.started_at,
                    ended_at=record.at,
                    instance=record.instance,
                )

    async def records_backwards(self) -> AsyncIterator[journal.Record]:
        """The entries of the stream, the newest first; a batch of them in memory."""
        end = (await self.head.fresh()).sequence
        while end > 0:
            start = max(0, end - BATCH)
            batch = []
            async for kept in self.log.read(start, to=end):
                batch.append(unsealed(kept.sequence, kept.body).record)
            if not batch:
                return
            for record in reversed(batch):
                yield record
            end = start

    async def open_count(self) -> int:
        """How many transactions are open, over all processes; of this one if ipfs does not answer."""
        number = len(self.transactions)
        with contextlib.suppress(BusError):
            async for root in self.trees.kept(TRANSACTIONS):
                number += instance_of(root.name.removeprefix(TRANSACTIONS)) != self.instance
        return number
