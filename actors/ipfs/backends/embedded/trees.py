"""File trees: patched, looked up, listed, measured, compared, exported; files written into; named roots."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing

from .....bus import handles
from .....schemas import dag, subjects, tree
from .....schemas.cid import CID
from .....schemas.errors import BadRequest, Conflict, NotFound
from ...store.roots import RootRecord
from ...tree.diff import Change, diff
from ...tree.directory import DirectoryEditor
from ...tree.entries import Described, find
from ...tree.export import export_tree
from ...tree.files import write_file
from ...tree.listing import entries_below
from ...tree.nodes import Nodes
from ...tree.patch import patch
from ...tree.usage import usage_of
from ...unixfs.profiles import profile_asked_for, profile_named
from .node import Node

__all__ = ["TreeRows"]

ROOTS_PER_TURN = 1000


class TreeRows(Node):
    """`tree.*`, `file.write` and `root.*`."""

    async def open(self) -> None:
        await super().open()
        self._nodes = Nodes(self._source)
        self._editor = DirectoryEditor(self._nodes)

    @handles(subjects.TREE_PATCH)
    async def tree_patch(self, ask: tree.TreePatch) -> tree.TreePatched:
        """One transaction of the store: the blocks, the root that is kept, the roots that are let go."""
        root = None if ask.root is None else CID.parse(ask.root)
        async with self._store.session() as session:
            patched = await patch(
                self._editor, session, root, ask.groups, profile=profile_named(ask.profile),
                executor=self._executor,
            )  # fmt: skip
            cid, dag_size_bytes = patched.root
            kept = session.kept_as(ask.keep, cid, ask.keep_s)
            await session.commit(roots=kept, release=ask.release or ())
        return tree.TreePatched(root=str(cid), dag_size_bytes=dag_size_bytes, results=patched.results)

    @handles(subjects.FILE_WRITE)
    async def file_write(self, ask: tree.FileWrite, content: AsyncIterator[bytes]) -> tree.FileWritten:
        """Durable when answered. Raises as `write_file` and `profile_asked_for` do."""
        async with self._store.session() as session:
            written = await write_file(
                self._source, session, None if ask.cid is None else CID.parse(ask.cid), content,
                profile=profile_asked_for(ask), offset=ask.offset, truncate=ask.truncate,
                size_bytes=ask.size_bytes, executor=self._executor,
            )  # fmt: skip
            await session.commit(roots=session.kept_as(ask.keep, written.cid, ask.keep_s))
        return tree.FileWritten(
            cid=str(written.cid),
            size_bytes=written.size_bytes,
            dag_size_bytes=written.dag_size_bytes,
            written_bytes=written.written_bytes,
        )

    # ---- reading ----------------------------------------------------------------------------------------

    @handles(subjects.TREE_STAT)
    async def tree_stat(self, ask: tree.TreeLookup) -> tree.TreeEntry:
        return _entry(*await find(self._nodes, CID.parse(ask.root), ask.path, follow=ask.follow))

    @handles(subjects.TREE_LS)
    async def tree_ls(self, ask: tree.TreeFind) -> AsyncIterator[tree.TreeEntry]:
        """Without `details` what is not here is not fetched to say what it is."""
        path, top = await self._to_list(CID.parse(ask.root), ask.path)
        yield _entry(path, top)
        if not top.is_directory:
            return
        below = entries_below(
            Nodes(self._source), top.entry.cid, path, glob=ask.glob, kind=ask.type, max_depth=ask.max_depth,
            details_from=None if ask.details else Nodes(self._store),
        )  # fmt: skip
        async with aclosing(below):
            count = 0
            async for found in below:
                yield _entry(*found)
                count += 1
                if count == ask.limit:
                    return

    async def _to_list(self, root: CID, path: str) -> tuple[str, Described]:
        """What stands at a path; where that is a link that leads to something, what it leads to."""
        path, found = await find(self._nodes, root, path)
        if found.target is not None:
            with contextlib.suppress(NotFound, Conflict, BadRequest):
                return await find(self._nodes, root, path, follow=True)
        return path, found

    @handles(subjects.TREE_DU)
    async def tree_du(self, ask: tree.TreeUsage) -> tree.Usage:
        path, top = await find(self._nodes, CID.parse(ask.root), ask.path)
        usage = await usage_of(Nodes(self._source), top.entry.cid, temp_folder=self._temp)
        return tree.Usage(
            path=path,
            files=usage.counts.files,
            directories=usage.counts.directories,
            symlinks=usage.counts.symlinks,
            size_bytes=usage.counts.size_bytes,
            unique_blocks=usage.unique_blocks,
            unique_bytes=usage.unique_bytes,
        )

    @handles(subjects.TREE_DIFF)
    async def tree_diff(self, ask: tree.TreeDiff) -> AsyncIterator[tree.Difference]:
        changes = diff(Nodes(self._source), CID.parse(ask.before), CID.parse(ask.after), ask.path)
        async with aclosing(changes):
            async for change in changes:
                yield _difference(change)

    @handles(subjects.TREE_EXPORT)
    async def tree_export(self, ask: tree.TreeExport) -> AsyncIterator[dag.CarHead | bytes]:
        """A block that is missing further down breaks the stream off."""
        root, since = CID.parse(ask.root), None if ask.since is None else CID.parse(ask.since)
        async with aclosing(export_tree(self._source, root, since, temp_folder=self._temp)) as pieces:
            first = await anext(pieces)  # so that a root that is not here is an error and not a broken CAR
            yield dag.CarHead(cid=str(root), roots=[str(root)])
            yield first
            async for piece in pieces:
                yield piece

    # ---- named roots ------------------------------------------------------------------------------------

    @handles(subjects.ROOT_SET)
    async def root_set(self, ask: tree.RootSet) -> tree.NamedRoot:
        expires_at = None if ask.expires_in_s is None else self.now() + ask.expires_in_s
        root = RootRecord(ask.name, CID.parse(ask.cid), expires_at)
        await self._store.roots.set(root)
        return _named_root(root)

    @handles(subjects.ROOTS_RM)
    async def roots_rm(self, ask: tree.RootsRemove) -> tree.RootsRemoved:
        return tree.RootsRemoved(removed=await self._store.roots.remove(ask.names))

    @handles(subjects.ROOTS)
    async def roots(self, ask: tree.RootList) -> AsyncIterator[tree.NamedRoot]:
        for number, root in enumerate(self._store.roots.list(ask.prefix, ask.after)):
            yield _named_root(root)
            if number % ROOTS_PER_TURN == ROOTS_PER_TURN - 1:
                await asyncio.sleep(0)


def _entry(path: str, found: Described) -> tree.TreeEntry:
    return tree.TreeEntry(
        path=path,
        name=path.rpartition("/")[2],
        cid=str(found.entry.cid),
        type=found.type,
        size_bytes=found.size_bytes,
        dag_size_bytes=found.entry.dag_size_bytes,
        blocks=found.links,
        mode=found.attributes.mode,
        mtime=found.attributes.mtime_s,
        target=found.target,
    )


def _difference(change: Change) -> tree.Difference:
    path, what, before, after = change
    found = after or before
    assert found is not None
    return tree.Difference(
        path=path,
        change=what,
        type=found.type,
        before=None if before is None else str(before.entry.cid),
        after=None if after is None else str(after.entry.cid),
        size_bytes=None if found.is_directory else found.size_bytes,
    )


def _named_root(root: RootRecord) -> tree.NamedRoot:
    return tree.NamedRoot(name=root.name, cid=str(root.cid), expires_at=root.expires_at)
