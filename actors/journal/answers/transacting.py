"""Transactions over several requests: begun, ended, and told of."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from ....bus import handles
from ....schemas import journal, journaling, subjects
from ....schemas.errors import BusError, Unavailable
from ....schemas.journal import Changed, TransactionInfo
from ....schemas.tree import NamedRoot
from ..chain import unsealed
from ..effects import paths_told
from ..root_names import TRANSACTIONS
from ..transactions import began_at, instance_of
from .changing import ChangeRows
from .parts import is_unheard

__all__ = ["TransactionRows"]

BATCH = 100
LIVES_S = 1.0


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
            return await self.ask_at(place, subjects.FS_COMMIT, ask)
        return await self.transactions.commit(ask.transaction)

    @handles(subjects.FS_ROLLBACK)
    async def rollback(self, ask: journal.End) -> TransactionInfo:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, subjects.FS_ROLLBACK, ask)
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
        for transaction in self.transactions.all():
            yield transaction.info()
        async for root in self._open_elsewhere():
            name = root.name.removeprefix(TRANSACTIONS)
            yield TransactionInfo(
                transaction=name,
                status="pending",
                base=root.cid,
                root=root.cid,
                started_at=began_at(name),
                instance=instance_of(name),
            )

    async def _open_elsewhere(self) -> AsyncIterator[NamedRoot]:
        """The named roots of transactions that are open in other processes. That of one whose process was
        killed stays until it expires; it is open no more."""
        lives = {self.instance: False}
        async for root in self.trees.kept(TRANSACTIONS):
            instance = instance_of(root.name.removeprefix(TRANSACTIONS))
            if instance not in lives:
                lives[instance] = await self._lives(instance)
            if lives[instance] and (root.expires_at is None or root.expires_at > time.time()):
                yield root

    async def _lives(self, instance: str) -> bool:
        """Whether somebody hears what is asked of a process; one that is only slow does."""
        try:
            await self.bus.request(subjects.FS_STAT, journal.StatPath(), at=instance, timeout_s=LIVES_S)
        except Unavailable as error:
            return not is_unheard(error)
        except BusError:
            return True
        return True

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

    async def records_backwards(self) -> AsyncIterator[journaling.Record]:
        """The entries of the stream, the newest first, and then those that the archive has before them; a
        batch of them in memory."""
        end, first = (await self.head.fresh()).sequence, await self.past.stream_first()
        while end >= first:
            start = max(first - 1, end - BATCH)
            batch = []
            async for kept in self.log.read(start, to=end):
                batch.append(unsealed(kept.sequence, kept.body).record)
            for record in reversed(batch):
                yield record
            end = start
        async for record in self.past.backwards(first):
            yield record

    async def open_count(self) -> int:
        """How many transactions are open, over all processes; of this one if ipfs does not answer."""
        number = len(self.transactions)
        with contextlib.suppress(BusError):
            async for _ in self._open_elsewhere():
                number += 1
        return number
