"""What stands at a path of a tree: found one block a level, and described from its own root block."""

from __future__ import annotations

from typing import NamedTuple

from ....schemas.cid import CID, RAW
from ....schemas.errors import BadRequest, Conflict, NotFound
from ....schemas.ipfs import EntryType
from ....schemas.paths import names_of
from ..unixfs import unixfs
from ..unixfs.importer import Node
from ..unixfs.listing import type_of
from .attributes import NO_ATTRIBUTES, Attributes
from .nodes import Nodes

__all__ = [
    "Described", "Entry", "describe", "entry_in", "find", "leads_out", "not_a_directory", "path_of", "worded",
]  # fmt: skip

# As many as Linux follows (path_resolution(7)).
MAX_SYMLINKS = 40


class Entry(NamedTuple):
    """A file, directory or link by its CID; `dag_size_bytes` is all of it, as the link to it claims."""

    cid: CID
    dag_size_bytes: int

    @staticmethod
    def of(node: Node) -> Entry:
        return Entry(node.cid, node.dag_size_bytes)


class Described(NamedTuple):
    """What an entry is: `size_bytes` of a file's content or a link's target, 0 for a directory; `links` are
    those of its root block."""

    entry: Entry
    type: EntryType
    size_bytes: int
    links: int
    attributes: Attributes
    target: str | None

    @property
    def is_directory(self) -> bool:
        return self.type == "directory"

    @staticmethod
    def file(entry: Entry, size_bytes: int) -> Described:
        """A file of which nothing but its size is told."""
        return Described(entry, "file", size_bytes, 0, NO_ATTRIBUTES, None)


async def describe(nodes: Nodes, cid: CID, dag_size_bytes: int | None = None) -> Described:
    """What an entry is, from its root block; `dag_size_bytes` is what a link to it claims, if there is one.
    Raises as `Nodes.open` does."""
    if cid.codec == RAW and dag_size_bytes is not None:
        return Described.file(Entry(cid, dag_size_bytes), dag_size_bytes)
    node, links, _ = await nodes.open(cid)
    if dag_size_bytes is None:
        dag_size_bytes = await nodes.dag_size(cid)
    return Described(
        Entry(cid, dag_size_bytes), type_of(node), 0 if node.is_directory else node.size_bytes, len(links),
        Attributes.of(node), node.data.decode("utf-8", "replace") if node.type == unixfs.SYMLINK else None,
    )  # fmt: skip


async def find(nodes: Nodes, root: CID, path: str, *, follow: bool = False) -> tuple[str, Described]:
    """What stands at a path, and that path, which is another one where links were followed: those on the way,
    and with `follow` one that stands there itself.

    Raises NotFound("path") where nothing stands, Conflict where the path goes through what is no directory
    and where links lead around in a circle, BadRequest("path") where one leads out.
    """
    walk, names = _Walk(nodes, root, path), names_of(path)
    if not follow:
        try:
            return await walk.find(names)
        except Conflict as conflict:
            if conflict.details.get("type") != "symlink":
                raise
    return await walk.follow(names, last=follow)


class _Walk:
    """One way through a tree; `_path` is what was asked for."""

    def __init__(self, nodes: Nodes, root: CID, path: str) -> None:
        self._nodes = nodes
        self._root = root
        self._path = path

    async def find(self, names: list[str]) -> tuple[str, Described]:
        here = Entry(self._root, 0)
        for depth, name in enumerate(names):
            here = await self._step(here, names[:depth], name)
        return path_of(names), await self._describe(here, names)

    async def follow(self, names: list[str], *, last: bool) -> tuple[str, Described]:
        """As `find`, but a link stands for its target, and `..` in one for the directory above; the `last`
        one too, or only those on the way."""
        above: list[Entry] = []
        here, done, links = Entry(self._root, 0), [""], 0
        while True:
            described = await self._describe(here, done[1:])
            if described.target is not None and (names or last):
                links += 1
                if links > MAX_SYMLINKS:
                    raise Conflict(f"{self._path} leads through too many links", path=self._path)
                if described.target.startswith("/") or not above:
                    raise self._leads_out(done[1:])
                names = [*described.target.split("/"), *names]
                here = above.pop()
                done.pop()
            elif not names:
                return path_of(done[1:]), described
            name, names = names[0], names[1:]
            if name == "..":
                if not above:
                    raise self._leads_out(done[1:])
                here = above.pop()
                done.pop()
            elif name not in ("", "."):
                above.append(here)
                here = await self._step(here, done[1:], name)
                done.append(name)

    async def _describe(self, here: Entry, names: list[str]) -> Described:
        return await describe(self._nodes, here.cid, here.dag_size_bytes if names else None)

    def _leads_out(self, names: list[str]) -> BadRequest:
        return BadRequest("path", f"a link at or below {path_of(names)} leads out of the tree")

    async def _step(self, here: Entry, above: list[str], name: str) -> Entry:
        found = await entry_in(self._nodes, here.cid, above, name)
        if found is None:
            raise NotFound("path", self._path)
        return found


async def entry_in(nodes: Nodes, cid: CID, path: list[str], name: str) -> Entry | None:
    """The entry of that name in what stands at a path, or None; raises Conflict if that is no directory."""
    node = (await nodes.open(cid)).node
    if not node.is_directory:
        raise not_a_directory(path_of(path), type_of(node))
    link = await nodes.find_link(cid, name)
    return None if link is None else Entry(link.cid, link.size)


def leads_out(folder: list[str], target: str) -> bool:
    """Whether a link in a folder would lead out of the tree, by what it says alone."""
    depth = len(folder)
    for name in target.split("/"):
        depth += -1 if name == ".." else name not in ("", ".")
        if depth < 0:
            return True
    return target.startswith("/")


def path_of(names: list[str]) -> str:
    return "/" + "/".join(names)


def not_a_directory(path: str, found: EntryType) -> Conflict:
    return Conflict(f"{path} is a {worded(found)}, not a directory", path=path, type=found)


def worded(kind: EntryType) -> str:
    """A type of entry as a sentence calls it."""
    return "symbolic link" if kind == "symlink" else kind
