"""Rows that read the tree: of now, of a moment, or as an open transaction sees it.

A read of now sees everything that was acknowledged before it was asked. To know that, the stream is asked
whether it has a newer entry than the one that is known: 0.4 ms, which reads that come together share.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from ....bus import IncomingStream, handles, items_of
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
L = TypeVar("L", journal.ListPath, journal.FindPath)


class ReadRows(TransactionRows):
    """`journal.stat`, `read`, `ls`, `find`, `du`, `diff` and `export`."""

    async def on_start(self) -> None:
        await super().on_start()
        self._moments = Moments(self.log, self.head, self.past)

    async def root_at(self, moment: str, field: str = "at") -> tuple[str, int | None]:
        return await self._moments.root_at(moment, field)

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
        if place is not None:
            return await self.ask_at(place, subjects.FS_STAT, ask)
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
            opened = self._opened(place, subjects.FS_READ, ask)
        else:
            entry, _, _ = await self._look_up(ask, ask.path, follow=True)
            wanted = ipfs.CatRequest(cid=entry.cid, offset=ask.offset, length=ask.length)
            opened = self.bus.open(subjects.CAT, wanted)
        async with await opened as stream:
            if stream.head is not None:
                yield stream.head
            async for chunk in stream:
                yield chunk

    # ---- many entries -----------------------------------------------------------------------------------

    @handles(subjects.FS_LS)
    async def ls(self, ask: journal.ListPath) -> AsyncIterator[ListHead | tree.TreeEntry]:
        def wanted(root: str) -> tree.TreeFind:
            depth = None if ask.recursive else 1
            return tree.TreeFind(root=root, path=ask.path, max_depth=depth, details=ask.details)

        kind: ReadKind = "subtree" if ask.recursive else "children"
        async with aclosing(self._list(subjects.FS_LS, ask, kind, wanted)) as parts:
            async for part in parts:
                yield part

    @handles(subjects.FS_FIND)
    async def find(self, ask: journal.FindPath) -> AsyncIterator[ListHead | tree.TreeEntry]:
        def wanted(root: str) -> tree.TreeFind:
            return tree.TreeFind(
                root=root, path=ask.path, glob=ask.glob, type=ask.type, max_depth=ask.max_depth,
                limit=ask.limit,
            )  # fmt: skip

        async with aclosing(self._list(subjects.FS_FIND, ask, "subtree", wanted)) as parts:
            async for part in parts:
                yield part

    async def _list(
        self,
        row: Stream[L, ListHead, tree.TreeEntry],
        ask: L,
        kind: ReadKind,
        wanted: Callable[[str], tree.TreeFind],
    ) -> AsyncGenerator[ListHead | tree.TreeEntry, None]:
        """What is `wanted` of the tree that is asked about, by the process that has it."""
        place = self.elsewhere(ask.transaction)
        if place is not None:
            async with await self._opened(place, row, ask) as stream:
                if stream.head is not None:
                    yield stream.head
                async for entry in items_of(row, stream):
                    yield entry
            return
        self._note(ask, kind, ask.path)
        root, sequence = await self._state(ask)
        async with await self.bus.open(subjects.TREE_LS, wanted(root)) as stream:
            cid = stream.head.cid if stream.head is not None else root
            if stream.head is not None and stream.head.path != ask.path:
                self._note(ask, kind, stream.head.path)  # where a link has led to
            yield ListHead(path=ask.path, root=root, cid=cid, sequence=sequence)
            async for entry in items_of(subjects.TREE_LS, stream):
                yield entry

    @handles(subjects.FS_DU)
    async def du(self, ask: journal.UsePath) -> tree.Usage:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, subjects.FS_DU, ask)
        self._note(ask, "subtree", ask.path)
        root, _ = await self._state(ask)
        return await self.bus.request(subjects.TREE_DU, tree.TreeUsage(root=root, path=ask.path))

    @handles(subjects.FS_DIFF)
    async def diff(self, ask: journal.DiffStates) -> AsyncIterator[journal.DiffHead | tree.Difference]:
        before, _ = await self.root_at(ask.before, "before")
        after = (await self.root_at(ask.after, "after"))[0] if ask.after else (await self.head.fresh()).root
        yield journal.DiffHead(before=before, after=after)
        wanted = tree.TreeDiff(before=before, after=after, path=ask.path)
        async with await self.bus.open(subjects.TREE_DIFF, wanted) as stream:
            async for difference in items_of(subjects.TREE_DIFF, stream):
                yield difference

    @handles(subjects.FS_EXPORT)
    async def export(self, ask: journal.ExportPath) -> Exported:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, subjects.FS_EXPORT, ask)
        entry, root, sequence = await self._look_up(ask, ask.path, follow=False)
        self._note(ask, "subtree", ask.path)
        if ask.pin:
            await self.bus.request(
                subjects.PIN, ipfs.PinRequest(cid=entry.cid, name=f"journal {ask.path}"[:255])
            )
        return Exported(path=entry.path, cid=entry.cid, root=root, sequence=sequence)

    # ---- other processes --------------------------------------------------------------------------------

    async def _opened(self, place: str, row: Stream[A, H, Any], ask: A) -> IncomingStream[H]:
        """A stream from the process in which the request's transaction is open."""
        try:
            return await self.bus.open(row, ask, at=place)
        except Unavailable as error:
            raise gone_if_unheard(error, ask.transaction) from None
