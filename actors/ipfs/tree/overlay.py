"""A tree while it is being changed: the directories that were touched, in memory over the stored ones.

    Folder(stored directory, changes: {name: Entry | Folder | None})

However many operations touch a directory, its blocks are written once, when it is settled. Each change can be
undone until `keep` is called, so that a group of operations is done whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ....schemas.errors import NotFound, TooLarge
from ..blocks import BlockSink
from ..codecs.dagpb import Link
from ..unixfs.profiles import Profile
from .attributes import Attributes, with_attributes
from .directory import DirectoryEditor, empty_directory
from .entries import Described, Entry, describe, entry_in, not_a_directory, path_of

__all__ = ["Folder", "Overlay"]

# How many changes are held in memory; past SETTLE_AT they are written between two groups.
MAX_CHANGES = 100_000
SETTLE_AT = 20_000


@dataclass(slots=True, eq=False)
class Folder:
    """A directory that is being changed: what is stored of it, and what is to be different."""

    stored: Entry
    changes: dict[str, Entry | Folder | None] = field(default_factory=dict)


Standing = Entry | Folder


class Overlay:
    """The tree of one request. The editor's nodes must have what `sink` is given."""

    def __init__(self, editor: DirectoryEditor, sink: BlockSink, root: Entry, profile: Profile) -> None:
        self.nodes = editor.nodes
        self.sink = sink
        self.profile = profile
        self.root = Folder(root)
        self._editor = editor
        self._undo: list[Callable[[], None]] = []
        self._count = 0
        self._empty: Entry | None = None

    async def empty(self) -> Folder:
        """A new directory, which stands nowhere yet."""
        if self._empty is None:
            node = await empty_directory(self.sink, self.profile)
            self._empty = Entry.of(node)
        return Folder(self._empty)

    # ---- looking ----------------------------------------------------------------------------------------

    async def find(self, names: list[str]) -> Standing | None:
        """What stands at a path, or None; raises Conflict where it goes through what is no directory."""
        here: Standing | None = self.root
        for depth, name in enumerate(names):
            if here is None:
                return None
            here = await self._child(here, names[:depth], name)
        return here

    async def folder(self, names: list[str], *, make: bool = False) -> Folder:
        """The directory at a path, to change it; what is missing is made with `make`.

        Raises NotFound("path") and, where something else stands, Conflict.
        """
        here = self.root
        for depth, name in enumerate(names):
            path = names[: depth + 1]
            child = await self._child(here, names[:depth], name)
            if child is None and not make:
                raise NotFound("path", path_of(path))
            if not isinstance(child, Folder):
                child = await self._opened_folder(child, path)
                self.set(here, name, child)
            here = child
        return here

    async def describe(self, standing: Standing) -> Described:
        """What something is, with its CID of now; raises as `describe` does."""
        entry = await self.settle(standing)
        return await describe(self.nodes, entry.cid, entry.dag_size_bytes)

    async def _child(self, here: Standing, above: list[str], name: str) -> Standing | None:
        if isinstance(here, Folder):
            if name in here.changes:
                return here.changes[name]
            here = here.stored
        return await entry_in(self.nodes, here.cid, above, name)

    async def _opened_folder(self, entry: Entry | None, path: list[str]) -> Folder:
        if entry is None:
            return await self.empty()
        described = await describe(self.nodes, entry.cid, entry.dag_size_bytes)
        if not described.is_directory:
            raise not_a_directory(path_of(path), described.type)
        return Folder(entry)

    # ---- changing ---------------------------------------------------------------------------------------

    def set(self, folder: Folder, name: str, standing: Standing | None) -> None:
        """Put something under a name, or nothing; raises TooLarge past 100,000 changes."""
        if self._count >= MAX_CHANGES:
            raise TooLarge("groups", limit=MAX_CHANGES, unit="changed entries at once")
        changes, had, old = folder.changes, name in folder.changes, folder.changes.get(name)
        changes[name] = standing
        self._count += not had

        def undo() -> None:
            if had:
                changes[name] = old
            else:
                del changes[name]
                self._count -= 1

        self._undo.append(undo)

    async def dress(self, folder: Folder, change: Callable[[Attributes], Attributes]) -> None:
        """Give a directory another mode or time."""
        cid = folder.stored.cid
        attributes = change(Attributes.of((await self.nodes.open(cid)).node))
        made = await with_attributes(self.nodes, self.sink, cid, attributes, self.profile)
        self._replace(folder, Entry.of(made), folder.changes)

    def keep(self) -> None:
        """What was done so far stays."""
        self._undo.clear()

    def undo(self) -> None:
        """Undo what was done since the last `keep`."""
        while self._undo:
            self._undo.pop()()

    # ---- writing ----------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether it is time to settle the root."""
        return self._count >= SETTLE_AT

    async def settle(self, standing: Standing) -> Entry:
        """Store what was changed at and below a directory; an entry is as it is.

        Recursion is bounded by the depth of paths: what is moved or copied is settled before.
        """
        if isinstance(standing, Entry):
            return standing
        if standing.changes:
            changes: dict[str, Link | None] = {}
            for name, child in standing.changes.items():
                entry = None if child is None else await self.settle(child)
                changes[name] = None if entry is None else Link(entry.cid, name, entry.dag_size_bytes)
            cid, dag_size_bytes = standing.stored
            made = await self._editor.edit(
                self.sink, cid, changes, self.profile, dag_size_bytes=dag_size_bytes
            )
            self._replace(standing, Entry.of(made), {})
        return standing.stored

    def _replace(self, folder: Folder, stored: Entry, changes: dict[str, Standing | None]) -> None:
        before = folder.stored, folder.changes
        count = len(folder.changes) - len(changes)
        folder.stored, folder.changes = stored, changes
        self._count -= count

        def undo() -> None:
            self._count += count
            folder.stored, folder.changes = before

        self._undo.append(undo)
