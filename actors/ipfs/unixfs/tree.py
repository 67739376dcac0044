"""Trees in: files, links and empty directories gathered under their paths, then built from the bottom up."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ....schemas.errors import BadRequest, TooLarge
from ..blocks import BlockSink
from .directory import build_directory
from .importer import Node
from .names import split_new_path
from .profiles import Profile

__all__ = ["Tree", "Root"]

MAX_ENTRIES = 1_000_000


class Root(NamedTuple):
    """A built tree. `name` is the name of its only top entry when it was not wrapped, else None."""

    node: Node
    name: str | None
    is_directory: bool


class _Directory(dict[str, "Node | _Directory"]):
    """The entries of one directory while the tree grows. Not a plain dict only for a name in type errors."""

    __slots__ = ()


class Tree:
    """The paths of one add. Files come in any order, already stored; directories are made as they are named.

    In memory is one small tuple for each entry; no content.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._top = _Directory()
        self.entry_count = 0

    def add_file(self, path: str, node: Node) -> None:
        """Place a stored file or symbolic link. Raises BadRequest(field="path") for a path that is no path,
        is taken, or goes through a file, and TooLarge past a million entries."""
        self.check_file(path)
        *parents, name = path.split("/")
        directory = self._directory(parents)
        self._count()
        directory[name] = node

    def check_file(self, path: str) -> None:
        """Raises BadRequest as `add_file` would, so that no content is read for a path it cannot have."""
        *parents, name = split_new_path(path)
        directory = self._follow(parents, path)
        if directory is not None and name in directory:
            what = "a directory and a file" if isinstance(directory[name], _Directory) else "two files"
            raise BadRequest("path", f"{path!r} names {what}")

    def add_directory(self, path: str) -> None:
        """Make a directory, which may exist and may stay empty; raises as `add_file` does."""
        names = split_new_path(path)
        self._follow(names, path)
        self._directory(names)

    async def finish(
        self,
        sink: BlockSink,
        *,
        wrap: bool = False,
        on_directory: Callable[[str, Node], None] | None = None,
    ) -> Root:
        """Store the directories and give the root.

        A tree with a single top entry has that entry as its root unless `wrap` is set; otherwise the root is
        a directory of the top entries. `on_directory` hears the path ("" for the top) and node of each
        directory, children first. Raises as `build_directory` does.
        """
        if len(self._top) == 1 and not wrap:
            ((name, entry),) = self._top.items()
            if isinstance(entry, Node):
                return Root(entry, name, is_directory=False)
            return Root(await self._build(entry, name, sink, on_directory), name, is_directory=True)
        return Root(await self._build(self._top, "", sink, on_directory), None, is_directory=True)

    async def finish_apart(
        self, sink: BlockSink, *, on_directory: Callable[[str, Node], None] | None = None
    ) -> list[Root]:
        """Store the directories and give each top entry as a root of its own; otherwise as `finish`."""
        roots = []
        for name, entry in self._top.items():
            if isinstance(entry, Node):
                roots.append(Root(entry, name, is_directory=False))
            else:
                node = await self._build(entry, name, sink, on_directory)
                roots.append(Root(node, name, is_directory=True))
        return roots

    def _follow(self, names: list[str], path: str) -> _Directory | None:
        """The directory of these names as far as the tree has them, None past its end."""
        directory = self._top
        for name in names:
            entry = directory.get(name)
            if entry is None:
                return None
            if not isinstance(entry, _Directory):
                raise BadRequest("path", f"{path!r} goes through a file or names a file and a directory")
            directory = entry
        return directory

    def _directory(self, names: list[str]) -> _Directory:
        """The directory of these names, which `_follow` has allowed, made as needed."""
        directory = self._top
        for name in names:
            entry = directory.get(name)
            if not isinstance(entry, _Directory):
                self._count()
                entry = directory[name] = _Directory()
            directory = entry
        return directory

    def _count(self) -> None:
        self.entry_count += 1
        if self.entry_count > MAX_ENTRIES:
            raise TooLarge("path", limit=MAX_ENTRIES, unit="files and directories")

    async def _build(
        self,
        directory: _Directory,
        path: str,
        sink: BlockSink,
        on_directory: Callable[[str, Node], None] | None,
    ) -> Node:
        # Recursion is bounded by the depth of a path.
        entries: list[tuple[str, Node]] = []
        for name, entry in directory.items():
            if isinstance(entry, _Directory):
                below = f"{path}/{name}" if path else name
                entries.append((name, await self._build(entry, below, sink, on_directory)))
            else:
                entries.append((name, entry))
        node = await build_directory(entries, sink, self._profile)
        if on_directory is not None:
            on_directory(path, node)
        return node
