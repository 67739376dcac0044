"""Rows that read the tree: of now, of a moment, or as an open transaction sees it.

A read of now sees everything that was acknowledged before it was asked. To know that, the stream is asked
whether it has a newer entry than the one that is known: 0.4 ms, which reads that come together share.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar

from ....bus import handles, items_of
from ....schemas import ipfs, journal, subjects, tree
from ....schemas.errors import NotFound, Unavailable
from ....schemas.journal import Exported, ListHead, PathStat, Seen
from ....schemas.rows import Stream
from ....schemas.wire import Wire
from ..moments import Moments
from ..overlap import ReadKind
from .parts import gone_if_unheard
from .transacting import TransactionRows

__all__ = ["ReadRows"]

A = TypeVar("A", bound=Seen)
H = TypeVar("H", bound=Wire)
M = TypeVar("M", bound=Wire)


class ReadRows(TransactionRows):
    """`journal.stat`, `read`, `ls`, `find`, `du`, `diff` and `export`."""

    async def on_start(self) -> None:
        await super().on_start()
        self._moments = Moments(self.log, self.head, self.past)

    async def root_at(self, moment: str) -> tuple[str, int | None]:
        return await self._moments.root_at(moment)

    async def _state(self, ask: Seen) -> tuple[str, int | None]:
        """The tree that a question is about, and its sequence if it is one of the journal's own."""
        if ask.at is not None:
            self.head.usable()
            return await self.root_at(ask.at)
        return await self.root_of(ask.transaction)

    def _note(self, ask: Seen, kind: ReadKind, path: str) -> None:
        """Remember what a transaction has read: its commit depends on it."""
        if ask.transaction is not None:
            self.transactions.get(ask.transaction).reads.add(kind, path)

    # ---- one entry --------------------------------------------------------------------------------------

    @handles(subjects.FS_STAT)
    async def stat(self, ask: journal.StatPath) -> PathStat:
        """In a transaction a directory's own CID and sizes are not watched, only that it is there: what is
        below it is read by `ls`, `find` or `du`."""
        place = self.elsewhere(ask.transaction)
        if place is not None and ask.transaction is not None:
            return await self.ask_at(place, subjects.FS_STAT, ask, ask.transaction)
        entry, root, sequence = await self._look_up(ask, ask.path, ask.follow)
        return PathStat.model_construct(**dict(entry), root=root, sequence=sequence)

    async def _look_up(self, ask: Seen, path: str, follow: bool) -> tuple[tree.TreeEntry, str, int | None]:
        """What stands at a path, and in which tree; raises NotFound if nothing does."""
        try:
            root, sequence = await self._state(ask)
            entry = await self.trees.stat(tree.TreeLookup(root=root, path=path, follow=follow))
        except NotFound as missing:
            if missing.details.get("what") != "transaction":
                self._note(ask, "missing", path)
            raise
        self._note(ask, "entry", path)
        if entry.path != path:
            self._note(ask, "entry", entry.path)
        return entry, root, sequence

    @handles(subjects.FS_READ)
    async def read(self, ask: journal.ReadFile) -> AsyncIterator[ipfs.FileHead | bytes]:
        """Raises NotAFile for a directory, UnsatisfiableRange as `ipfs.cat` does."""
        place = self.elsewhere(ask.transaction)
        if place is not None:
            parts = self._forwarded(place, subjects.FS_READ, ask)
            async with aclosing(parts):
                async for part in parts:
                    yield part
            return
        entry, _, _ = await self._look_up(ask, ask.path, follow=True)
        wanted = ipfs.CatRequest(cid=entry.cid, offset=ask.offset, length=ask.length)
        async with await self.bus.open(subjects.CAT, wanted) as stream:
            if stream.head is not None:
                yield stream.head
            async for chunk in stream:
                yield chunk

    # ---- many entries -----------------------------------------------------------------------------------

    @handles(subjects.FS_LS)
    async def ls(self, ask: journal.ListPath) -> AsyncIterator[ListHead | tree.TreeEntry]:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            parts = self._forwarded_items(place, subjects.FS_LS, ask)
            async with aclosing(parts):
                async for part in parts:
                    yield part
            return
        self._note(ask, "subtree" if ask.recursive else "children", ask.path)
        root, sequence = await self._state(ask)
        depth = None if ask.recursive else 1
        wanted = tree.TreeFind(root=root, path=ask.path, max_depth=depth, details=ask.details)
        parts = self._listed(wanted, sequence)
        async with aclosing(parts):
            async for part in parts:
                yield part

    @handles(subjects.FS_FIND)
    async def find(self, ask: journal.FindPath) -> AsyncIterator[ListHead | tree.TreeEntry]:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            parts = self._forwarded_items(place, subjects.FS_FIND, ask)
            async with aclosing(parts):
                async for part in parts:
                    yield part
            return
        self._note(ask, "subtree", ask.path)
        root, sequence = await self._state(ask)
        wanted = tree.TreeFind(
            root=root, path=ask.path, glob=ask.glob, type=ask.type, max_depth=ask.max_depth, limit=ask.limit
        )
        parts = self._listed(wanted, sequence)
        async with aclosing(parts):
            async for part in parts:
                yield part

    async def _listed(
        self, wanted: tree.TreeFind, sequence: int | None
    ) -> AsyncGenerator[ListHead | tree.TreeEntry, None]:
        async with await self.bus.open(subjects.TREE_LS, wanted) as stream:
            cid = stream.head.cid if stream.head is not None else wanted.root
            yield ListHead(path=wanted.path, root=wanted.root, cid=cid, sequence=sequence)
            async for entry in items_of(subjects.TREE_LS, stream):
                yield entry

    @handles(subjects.FS_DU)
    async def du(self, ask: journal.UsePath) -> tree.Usage:
        place = self.elsewhere(ask.transaction)
        if place is not None and ask.transaction is not None:
            return await self.ask_at(place, subjects.FS_DU, ask, ask.transaction)
        self._note(ask, "subtree", ask.path)
        root, _ = await self._state(ask)
        return await self.bus.request(subjects.TREE_DU, tree.TreeUsage(root=root, path=ask.path))

    @handles(subjects.FS_DIFF)
    async def diff(self, ask: journal.DiffStates) -> AsyncIterator[journal.DiffHead | tree.Difference]:
        before, _ = await self.root_at(ask.before)
        after = (await self.root_at(ask.after))[0] if ask.after else (await self.head.fresh()).root
        yield journal.DiffHead(before=before, after=after)
        wanted = tree.TreeDiff(before=before, after=after, path=ask.path)
        async with await self.bus.open(subjects.TREE_DIFF, wanted) as stream:
            async for difference in items_of(subjects.TREE_DIFF, stream):
                yield difference

    @handles(subjects.FS_EXPORT)
    async def export(self, ask: journal.ExportPath) -> Exported:
        place = self.elsewhere(ask.transaction)
        if place is not None and ask.transaction is not None:
            return await self.ask_at(place, subjects.FS_EXPORT, ask, ask.transaction)
        entry, root, sequence = await self._look_up(ask, ask.path, follow=False)
        self._note(ask, "subtree", ask.path)
        if ask.pin:
            await self.bus.request(
                subjects.PIN, ipfs.PinRequest(cid=entry.cid, name=f"journal {ask.path}"[:255])
            )
        return Exported(path=entry.path, cid=entry.cid, root=root, sequence=sequence)

    # ---- other processes --------------------------------------------------------------------------------

    async def _forwarded(self, place: str, row: Stream[A, H, Any], ask: A) -> AsyncGenerator[H | bytes, None]:
        """Bytes, from the process in which the request's transaction is open."""
        async with await self._opened(place, row, ask) as stream:
            if stream.head is not None:
                yield stream.head
            async for chunk in stream:
                yield chunk

    async def _forwarded_items(self, place: str, row: Stream[A, H, M], ask: A) -> AsyncGenerator[H | M, None]:
        async with await self._opened(place, row, ask) as stream:
            if stream.head is not None:
                yield stream.head
            async for item in items_of(row, stream):
                yield item

    async def _opened(self, place: str, row: Stream[A, H, Any], ask: A) -> Any:
        try:
            return await self.bus.open(row, ask, at=place)
        except Unavailable as error:
            raise gone_if_unheard(error, ask.transaction or "") from None
