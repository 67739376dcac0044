"""Rows that change the tree: each is a transaction of its own, or a part of one that is open.

[request] -> operations -> the commit loop          -> [changed]
                        -> the open transaction     -> [changed], by the process that it is open in
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from ....bus import handles
from ....schemas import ipfs, journal, journaling, subjects, tree
from ....schemas.errors import BadRequest, Conflict, NotFound, Unavailable
from ....schemas.journal import Changed, Changing, OperationType
from ....schemas.keeping import KEPT_S, new_keep
from ....schemas.rows import Request
from ....schemas.tree import AnyOperation, Put, Remove
from ..changes import Change
from ..requests import meaning
from .parts import Parts, gone_if_unheard

__all__ = ["ChangeRows"]

A = TypeVar("A", bound=Changing)

# How often a write is made anew when others write the same file meanwhile.
WRITE_TRIES = 20


class ChangeRows(Parts):
    """`journal.mkdir`, `write`, `put`, … `apply`, `record` and `restore`."""

    async def change(
        self,
        ask: Changing,
        operations: list[AnyOperation],
        named: OperationType | None = None,
        *,
        release: str | None = None,
    ) -> Changed:
        """Make a change in the transaction that the request names, or by itself."""
        if ask.transaction is not None:
            self._check_root_of(ask)
            changed = await self.transactions.apply(ask.transaction, operations, named)
            if release is not None:
                self.committer.let_go(release)
            return changed
        change = Change(
            operations=operations, sync=ask.sync, if_root=ask.if_root, named=named, release=release
        )
        return await self.committer.submit(change)

    def _check_root_of(self, ask: Changing) -> None:
        """Inside a transaction `if_root` means the tree that it has made."""
        assert ask.transaction is not None
        root = self.transactions.get(ask.transaction).root
        if ask.if_root not in (None, root):
            raise Conflict(
                f"the transaction's tree is {root}, not {ask.if_root}", expected=ask.if_root, root=root
            )

    async def _do(self, row: Request[A, Changed], ask: A) -> Changed:
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, row, ask)
        operations, named = meaning(ask)
        release = ask.release if isinstance(ask, journal.PutContent) else None
        return await self.change(ask, operations, named, release=release)

    @handles(subjects.FS_MKDIR)
    async def mkdir(self, ask: journal.MakeDirectory) -> Changed:
        return await self._do(subjects.FS_MKDIR, ask)

    @handles(subjects.FS_PUT)
    async def put(self, ask: journal.PutContent) -> Changed:
        return await self._do(subjects.FS_PUT, ask)

    @handles(subjects.FS_TRUNCATE)
    async def truncate(self, ask: journal.TruncateFile) -> Changed:
        return await self._do(subjects.FS_TRUNCATE, ask)

    @handles(subjects.FS_RM)
    async def rm(self, ask: journal.RemoveEntry) -> Changed:
        return await self._do(subjects.FS_RM, ask)

    @handles(subjects.FS_MV)
    async def mv(self, ask: journal.MoveEntry) -> Changed:
        return await self._do(subjects.FS_MV, ask)

    @handles(subjects.FS_CP)
    async def cp(self, ask: journal.CopyEntry) -> Changed:
        return await self._do(subjects.FS_CP, ask)

    @handles(subjects.FS_SYMLINK)
    async def symlink(self, ask: journal.MakeLink) -> Changed:
        return await self._do(subjects.FS_SYMLINK, ask)

    @handles(subjects.FS_METADATA)
    async def metadata(self, ask: journal.SetMetadata) -> Changed:
        return await self._do(subjects.FS_METADATA, ask)

    @handles(subjects.FS_TOUCH)
    async def touch(self, ask: journal.Touch) -> Changed:
        return await self._do(subjects.FS_TOUCH, ask)

    @handles(subjects.FS_CHMOD)
    async def chmod(self, ask: journal.Chmod) -> Changed:
        return await self._do(subjects.FS_CHMOD, ask)

    @handles(subjects.FS_MOUNT)
    async def mount(self, ask: journal.Mount) -> Changed:
        return await self._do(subjects.FS_MOUNT, ask)

    @handles(subjects.FS_UNMOUNT)
    async def unmount(self, ask: journal.Unmount) -> Changed:
        return await self._do(subjects.FS_UNMOUNT, ask)

    @handles(subjects.FS_APPLY)
    async def apply(self, ask: journal.Apply) -> Changed:
        return await self._do(subjects.FS_APPLY, ask)

    @handles(subjects.FS_RECORD)
    async def record(self, ask: journal.Recorded) -> Changed:
        """A checkpoint is an operation in the documented words too: it changes nothing in the tree."""
        if ask.operation_type == "checkpoint":
            made = await self.bus.request(subjects.JOURNAL_CHECKPOINT, journaling.CheckpointRequest())
            return Changed(root=made.root, sequence=made.sequence)
        return await self._do(subjects.FS_RECORD, ask)

    # ---- the past, brought back -------------------------------------------------------------------------

    @handles(subjects.FS_RESTORE)
    async def restore(self, ask: journal.Restore) -> Changed:
        """Raises NotFound if nothing stood at the path then."""
        place = self.elsewhere(ask.transaction)
        if place is not None:
            return await self.ask_at(place, subjects.FS_RESTORE, ask)
        root, _ = await self.root_at(ask.at)
        if ask.path != "/":
            entry = await self.trees.stat(tree.TreeLookup(root=root, path=ask.path))
            back = Put(path=ask.path, cid=entry.cid, parents=True)
            return await self.change(ask, [Remove(path=ask.path, recursive=True, missing_ok=True), back])
        if ask.transaction is not None:
            raise BadRequest("path", "the whole tree is not brought back inside a transaction")
        change = Change(root=root, if_root=ask.if_root, sync=ask.sync)
        return await self.committer.submit(change)

    async def root_at(self, moment: str) -> tuple[str, int | None]:
        """The tree of a moment, and its sequence if it is one of the journal's own."""
        raise NotImplementedError

    # ---- bytes ------------------------------------------------------------------------------------------

    @handles(subjects.FS_WRITE)
    async def write(self, ask: journal.WriteFile, content: AsyncIterator[bytes]) -> Changed:
        """Bytes that come as a stream are written beside the tree first, and then placed in it."""
        place = self.elsewhere(ask.transaction)
        if place is not None:
            try:
                return await self.bus.upload(
                    subjects.FS_WRITE, ask, content if ask.inline is None else None, at=place
                )
            except Unavailable as error:
                raise gone_if_unheard(error, ask.transaction) from None
        if ask.inline is not None:
            operations, named = meaning(ask)
            return await self.change(ask, operations, named)
        return await self._write_stream(ask, content)

    async def _write_stream(self, ask: journal.WriteFile, content: AsyncIterator[bytes]) -> Changed:
        """Write a stream into the file that stands at the path; if another write was faster, write the same
        bytes, which are content by then, into what that has left."""
        name = new_keep()
        base = await self._file_now(ask)
        written = await self._file_write(ask, base, content, name)
        offset = self._offset(ask, base)
        source, length = written.cid, written.written_bytes
        for _ in range(WRITE_TRIES):
            try:
                return await self.change(ask, [self._placed(ask, base, written.cid)], release=name)
            except Conflict:
                now = await self._file_now(ask)
                if (now and now.cid) == (base and base.cid):
                    raise
                base = now
            again = self._content_of(source, offset, length)
            written = await self._file_write(ask, base, again, name)
            source, offset = written.cid, self._offset(ask, base)
        raise Conflict(f"{ask.path} is written by others all the time", path=ask.path)

    async def _file_now(self, ask: journal.WriteFile) -> tree.TreeEntry | None:
        """The file at the path, None if there is none and one may be made.

        Raises Conflict if something else stands there, or `if_cid` names another file.
        """
        root = (await self.root_of(ask.transaction))[0]
        try:
            found = await self.trees.stat(tree.TreeLookup(root=root, path=ask.path))
        except NotFound:
            if not ask.create or ask.if_cid is not None:
                raise
            return None
        if found.type != "file":
            raise Conflict(f"{ask.path} is a {found.type}", path=ask.path, type=found.type)
        if ask.if_cid not in (None, found.cid):
            raise Conflict(
                f"{ask.path} is {found.cid}, not {ask.if_cid}", path=ask.path, expected=ask.if_cid,
                cid=found.cid,
            )  # fmt: skip
        return found

    async def root_of(self, transaction: str | None) -> tuple[str, int | None]:
        """The tree of an open transaction, else that of now with its sequence."""
        if transaction is not None:
            return self.transactions.get(transaction).root, None
        position = await self.head.fresh()
        return position.root, position.sequence

    @staticmethod
    def _offset(ask: journal.WriteFile, base: tree.TreeEntry | None) -> int:
        if not ask.append:
            return ask.offset
        return 0 if base is None else base.size_bytes

    async def _file_write(
        self,
        ask: journal.WriteFile,
        base: tree.TreeEntry | None,
        content: AsyncIterator[bytes],
        name: str,
    ) -> tree.FileWritten:
        write = tree.FileWrite(
            # All of the file is written anew if it ends where the bytes end and they begin at its start.
            cid=None if base is None or (ask.truncate and self._offset(ask, base) == 0) else base.cid,
            offset=self._offset(ask, base),
            truncate=ask.truncate,
            keep=name,
            keep_s=KEPT_S,
        )
        return await self.bus.upload(subjects.FILE_WRITE, write, content)

    @staticmethod
    def _placed(ask: journal.WriteFile, base: tree.TreeEntry | None, cid: str) -> Put:
        """The file in its place, if what stands there is still what was written into."""
        return Put(
            path=ask.path,
            cid=cid,
            parents=ask.parents,
            overwrite=base is not None,
            mode=ask.mode if base is None or ask.mode is not None else base.mode,
            mtime=ask.mtime,
            if_cid=base.cid if base is not None else None,
        )

    async def _content_of(self, cid: str, offset: int, length: int) -> AsyncIterator[bytes]:
        ask = ipfs.CatRequest(cid=cid, offset=offset, length=length)
        async with await self.bus.open(subjects.CAT, ask) as stream:
            async for chunk in stream:
                yield chunk
