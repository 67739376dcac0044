"""One add: bytes, or a form of many files, become a DAG in the store, pinned in the same commit.

content ─┬─ bytes ─────────────> file ──┐
         └─ form ──> files, links, … ──> tree ──> root ──commit──> Added
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Executor

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ....schemas.ipfs import Added, AddedEntry, AddRequest, EntryType
from ..blocks import BlockSink
from ..store.pins import PinRecord
from ..store.session import Session
from .directory import build_symlink
from .importer import Node, import_bytes, import_file
from .multipart import Form, Part, is_form
from .names import check_name
from .profiles import Profile, profile_asked_for
from .tree import Tree

__all__ = ["Adding"]

MAX_LISTED = 1000
MAX_TARGET_BYTES = 4096


class Adding:
    """What one request adds. Use it once."""

    def __init__(self, ask: AddRequest, session: Session, executor: Executor) -> None:
        self._ask = ask
        self._session: BlockSink = _Nowhere() if ask.only_hash else session
        self._commit_to = session
        self._executor = executor
        self._profile: Profile = profile_asked_for(ask)
        self._listed: list[AddedEntry] = []
        self._listed_count = 0
        self._size_bytes = 0

    async def run(self, content: AsyncIterator[bytes]) -> Added:
        """Store the content; everything is durable and pinned as asked when this returns.

        Raises BadRequest for a name or a form that cannot be, TooLarge past their limits, StorageFull.
        """
        ask = self._ask
        if is_form(ask.content_type):
            form = Form(content, ask.content_type or "", like_kubo=ask.like_kubo)
            return await (self._kubo_form(form) if ask.like_kubo else self._form(form))
        inline = ask.inline
        node = await (self._file(content) if inline is None else self._inline(inline))
        self._size_bytes = node.size_bytes
        if ask.wrap:
            return await self._wrapped(node)
        return await self._commit(node, ask.filename)

    async def _inline(self, content: bytes) -> Node:
        node, blocks = import_bytes(content, self._profile)
        for cid, block in blocks:
            await self._session.put(cid, block)
        return node

    async def _file(self, content: AsyncIterator[bytes] | Part) -> Node:
        return await import_file(content, self._session, self._profile, executor=self._executor)

    async def _wrapped(self, node: Node) -> Added:
        name = self._ask.filename
        if not name:
            raise BadRequest("filename", "is needed to wrap a file into a directory")
        check_name(name, "filename")
        tree = Tree(self._profile)
        tree.add_file(name, node)
        self._list(name, node)
        return await self._commit_tree(tree, wrap=True)

    # ---- forms ------------------------------------------------------------------------------------------

    async def _form(self, form: Form) -> Added:
        """A form of one file is that file; of several, or with directories, it is a tree."""
        tree = Tree(self._profile)
        unnamed: Node | None = None
        async for part in form.parts():
            if part.path is not None:
                await self._place(part, tree)
            elif unnamed is None:
                unnamed = await self._file(part)
                self._size_bytes += unnamed.size_bytes
            else:
                raise BadRequest("content", "two files of the form have no filename")
        if unnamed is None:
            return await self._commit_tree(tree, wrap=self._ask.wrap)
        name = form.fields.get("filename") or self._ask.filename
        if tree.entry_count == 0 and not self._ask.wrap:
            return await self._commit(unnamed, name)
        tree.add_file(name or str(unnamed.cid), unnamed)
        self._list(name or str(unnamed.cid), unnamed)
        return await self._commit_tree(tree, wrap=self._ask.wrap)

    async def _kubo_form(self, form: Form) -> Added:
        """Every part in its place, a nameless one under its CID; each top entry a root, unless wrapped."""
        tree = Tree(self._profile)
        async for part in form.parts():
            if part.path is not None:
                await self._place(part, tree)
                continue
            node = await self._file(part)
            self._size_bytes += node.size_bytes
            tree.add_file(str(node.cid), node)
            self._list(str(node.cid), node)
        if tree.entry_count == 0:
            raise BadRequest("content", "the form has no file")
        if self._ask.wrap:
            roots = [await tree.finish(self._session, wrap=True, on_directory=self._list_directory)]
        else:
            roots = await tree.finish_apart(self._session, on_directory=self._list_directory)
        listing = None
        if self._listed_count > MAX_LISTED and not self._ask.only_hash:
            listing = (await tree.finish(self._session, wrap=True)).node
        last = roots[-1]
        nodes = [root.node for root in roots]
        added = await self._commit(last.node, last.name, self._listed_count, nodes)
        return added.model_copy(update={"listing": str(listing.cid) if listing else None})

    async def _place(self, part: Part, tree: Tree) -> None:
        path = part.path or ""
        if part.kind == "directory":
            tree.add_directory(path)
            return
        tree.check_file(path)  # before its content is taken in for nothing
        node = await (self._link(part) if part.kind == "symlink" else self._file(part))
        tree.add_file(path, node)
        self._size_bytes += node.size_bytes
        self._list(path, node, "symlink" if part.kind == "symlink" else "file")

    async def _link(self, part: Part) -> Node:
        target = await part.read(MAX_TARGET_BYTES, "target")
        return await build_symlink(target, self._session, self._profile)

    def _list_directory(self, path: str, node: Node) -> None:
        self._list(path, node, "directory")

    def _list(self, path: str, node: Node, kind: EntryType = "file") -> None:
        self._listed_count += 1
        if len(self._listed) < MAX_LISTED:
            entry = AddedEntry(
                path=path,
                cid=str(node.cid),
                type=kind,
                size_bytes=node.size_bytes,
                dag_size_bytes=node.dag_size_bytes,
            )
            self._listed.append(entry)

    # ---- the end ----------------------------------------------------------------------------------------

    async def _commit_tree(self, tree: Tree, *, wrap: bool) -> Added:
        if tree.entry_count == 0:
            raise BadRequest("content", "the form has no file")
        root = await tree.finish(self._session, wrap=wrap)
        name = root.name or self._ask.filename
        if not root.is_directory:
            return await self._commit(root.node, name)
        return await self._commit(root.node, name, entry_count=self._listed_count)

    async def _commit(
        self,
        root: Node,
        name: str | None,
        entry_count: int | None = None,
        roots: list[Node] | None = None,
    ) -> Added:
        ask = self._ask
        pinned = ask.pin and not ask.only_hash
        if not ask.only_hash:
            kept = (roots or [root]) if pinned else []
            pins = [PinRecord(node.cid, "recursive", ask.pin_name) for node in kept]
            named = self._commit_to.kept_as(ask.keep, root.cid, ask.keep_s)
            await self._commit_to.commit(pins, roots=named)
        return Added(
            cid=str(root.cid),
            content_size_bytes=self._size_bytes,
            dag_size_bytes=root.dag_size_bytes,
            profile=ask.profile,
            pinned=pinned,
            filename=name,
            entry_count=entry_count,
            entries=self._listed if entry_count is not None else None,
        )


class _Nowhere:
    """Takes blocks whose CID is all that is wanted."""

    async def put(self, cid: CID, data: bytes) -> None:
        return
