"""What each operation does to a tree, and what it finds in its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, Conflict, NotFound
from ....schemas.paths import names_of
from ....schemas.tree import (
    AnyOperation,
    Copy,
    Metadata,
    Mkdir,
    Move,
    Outcome,
    Put,
    Remove,
    Symlink,
    Truncate,
    Write,
)
from ..unixfs.directory import build_symlink
from ..unixfs.importer import Node, import_bytes
from .attributes import Attributes, with_attributes
from .entries import Described, Entry, describe, leads_out, path_of, worded
from .files import write_file
from .overlay import Folder, Overlay

__all__ = ["Operations"]


class Operations:
    """Does operations to the tree of an overlay. One that raises may have done part of its work."""

    def __init__(self, overlay: Overlay, executor: Executor | None = None) -> None:
        self._overlay = overlay
        self._executor = executor

    async def do(self, operation: AnyOperation) -> Outcome:
        """Do one operation, if the entry at its path is the one it wants.

        Raises NotFound("path") for what is missing, Conflict for what stands in the way, BadRequest for
        what can never be, NotSupported for content that is not UnixFS, and what reading content raises.
        """
        if operation.if_cid is not None:
            await self._require(names_of(operation.path), operation.if_cid)
        return await _DOES[type(operation)](self, operation)

    async def _require(self, names: list[str], expected: str) -> None:
        try:
            cid = CID.parse(expected)
        except BadRequest as error:
            raise BadRequest("if_cid", error.details["problem"]) from None
        standing = await self._overlay.find(names)
        now = None if standing is None else (await self._overlay.settle(standing)).cid
        if now is None or now.to_v1() != cid.to_v1():
            raise Conflict(
                f"{path_of(names)} is not what was expected",
                path=path_of(names), expected=str(cid), cid=None if now is None else str(now),
            )  # fmt: skip

    # ---- directories ------------------------------------------------------------------------------------

    async def _mkdir(self, ask: Mkdir) -> Outcome:
        names = names_of(ask.path)
        standing = await self._overlay.find(names)
        if standing is not None:
            found = await self._overlay.describe(standing)
            if not found.is_directory or not (ask.exist_ok or ask.parents):
                raise _exists(ask.path, found)
            return _outcome(ask, ask.path, found)
        folder = await self._overlay.folder(names[:-1], make=ask.parents)
        new = await self._overlay.empty()
        if ask.mode is not None or ask.mtime is not None:
            await self._overlay.dress(new, lambda old: old.changed(ask.mode, ask.mtime))
        self._overlay.set(folder, names[-1], new)
        return _outcome(ask, ask.path, await self._overlay.describe(new), created=True)

    async def _remove(self, ask: Remove) -> Outcome:
        names = _not_the_root(ask.path)
        standing = await self._overlay.find(names)
        if standing is None:
            if ask.missing_ok:
                return Outcome(op=ask.op, path=ask.path)
            raise NotFound("path", ask.path)
        found = await self._overlay.describe(standing)
        if found.is_directory and not ask.recursive and found.links:
            raise Conflict(f"{ask.path} is a directory with something in it", path=ask.path, cid=_cid(found))
        self._overlay.set(await self._overlay.folder(names[:-1]), names[-1], None)
        return _outcome(ask, ask.path, found)

    # ---- content ----------------------------------------------------------------------------------------

    async def _put(self, ask: Put) -> Outcome:
        names = _not_the_root(ask.path)
        found = await describe(self._overlay.nodes, CID.parse(ask.cid))
        if found.target is not None and leads_out(names[:-1], found.target):
            raise BadRequest("cid", f"{ask.cid} is a symbolic link that leads out of the tree")
        entry = found.entry
        if ask.mode is not None or ask.mtime is not None:
            entry = await self._dressed(entry.cid, found.attributes.changed(ask.mode, ask.mtime))
        created = await self._place(names, entry, parents=ask.parents, overwrite=ask.overwrite)
        return _outcome(ask, ask.path, found._replace(entry=entry), created=created)

    async def _write(self, ask: Write) -> Outcome:
        content = ask.inline
        if content is None:
            raise BadRequest("content", "an operation carries its bytes: give `content` or `data`")
        names = _not_the_root(ask.path)
        old = await self._file(names, create=ask.create)
        offset = None if ask.append else ask.offset
        is_whole = ask.truncate and offset == 0 and (old is None or old.attributes == Attributes())
        node = await self._stored(content, None if is_whole else old, offset=offset, truncate=ask.truncate)
        entry = Entry.of(node)
        if ask.mode is not None or ask.mtime is not None:
            before = Attributes() if old is None else old.attributes
            entry = await self._dressed(entry.cid, before.changed(ask.mode, ask.mtime))
        return await self._placed_file(ask, names, entry, node.size_bytes, old, parents=ask.parents)

    async def _truncate(self, ask: Truncate) -> Outcome:
        names = _not_the_root(ask.path)
        old = await self._file(names, create=False)
        assert old is not None
        node = await self._stored(b"", old, size_bytes=ask.size_bytes)
        return await self._placed_file(ask, names, Entry.of(node), node.size_bytes, old)

    async def _symlink(self, ask: Symlink) -> Outcome:
        names = _not_the_root(ask.path)
        if leads_out(names[:-1], ask.target):
            raise BadRequest("target", f"{ask.target!r} leads out of the tree")
        node = await build_symlink(ask.target, self._overlay.sink, self._overlay.profile)
        entry = Entry.of(node)
        await self._place(names, entry, parents=ask.parents, overwrite=False)
        found = Described(entry, "symlink", node.size_bytes, 0, Attributes(), ask.target)
        return _outcome(ask, ask.path, found, created=True)

    async def _metadata(self, ask: Metadata) -> Outcome:
        names = names_of(ask.path)
        standing = await self._overlay.find(names)
        created = standing is None and ask.create and bool(names)
        if standing is None and not created:
            raise NotFound("path", ask.path)
        found = await self._empty_file() if standing is None else await self._overlay.describe(standing)

        def change(old: Attributes) -> Attributes:
            return (Attributes() if ask.clear else old).changed(ask.mode, ask.mtime)

        if found.is_directory:
            folder = await self._overlay.folder(names)
            await self._overlay.dress(folder, change)
            return _outcome(ask, ask.path, found._replace(entry=folder.stored))
        entry = await self._dressed(found.entry.cid, change(found.attributes))
        self._overlay.set(await self._overlay.folder(names[:-1]), names[-1], entry)
        return _outcome(ask, ask.path, found._replace(entry=entry), created=created)

    # ---- other paths ------------------------------------------------------------------------------------

    async def _move(self, ask: Move) -> Outcome:
        source = _not_the_root(ask.source, "source")
        return await self._transfer(ask, source, overwrite=ask.overwrite, goes=True)

    async def _copy(self, ask: Copy) -> Outcome:
        return await self._transfer(ask, names_of(ask.source), overwrite=ask.overwrite, goes=False)

    async def _transfer(self, ask: Move | Copy, source: list[str], *, overwrite: bool, goes: bool) -> Outcome:
        standing = await self._overlay.find(source)
        if standing is None:
            raise NotFound("path", ask.source)
        found = await self._overlay.describe(standing)
        names = await self._destination(ask, source)
        if names == source:
            if goes or overwrite:
                return _outcome(ask, path_of(names), found)
            raise _exists(path_of(names), found)
        if found.is_directory and names[: len(source)] == source:
            raise BadRequest("destination", f"{path_of(names)} lies inside {ask.source}")
        created = await self._place(names, found.entry, parents=ask.parents, overwrite=overwrite)
        if goes:
            self._overlay.set(await self._overlay.folder(source[:-1]), source[-1], None)
        return _outcome(ask, path_of(names), found, created=created)

    async def _destination(self, ask: Move | Copy, source: list[str]) -> list[str]:
        names = names_of(ask.destination)
        if not ask.exact and source:
            standing = await self._overlay.find(names)
            if isinstance(standing, Folder) or (
                standing is not None and (await self._overlay.describe(standing)).is_directory
            ):
                return [*names, source[-1]]
        return names or _not_the_root(ask.destination, "destination")

    # ---- what they share --------------------------------------------------------------------------------

    async def _place(self, names: list[str], entry: Entry, *, parents: bool, overwrite: bool) -> bool:
        """Let an entry stand at a path; whether nothing did before. What may be replaced are files, links
        and empty directories."""
        standing = await self._overlay.find(names)
        if standing is not None:
            found = await self._overlay.describe(standing)
            if not overwrite or (found.is_directory and found.links):
                raise _exists(path_of(names), found)
        folder = await self._overlay.folder(names[:-1], make=parents)
        self._overlay.set(folder, names[-1], entry)
        return standing is None

    async def _placed_file(
        self, ask: Write | Truncate, names: list[str], entry: Entry, size_bytes: int, old: Described | None,
        *, parents: bool = False,
    ) -> Outcome:  # fmt: skip
        self._overlay.set(await self._overlay.folder(names[:-1], make=parents), names[-1], entry)
        return _outcome(ask, ask.path, Described.file(entry, size_bytes), created=old is None)

    async def _file(self, names: list[str], *, create: bool) -> Described | None:
        """The file at a path, or None if there is nothing and it may be made."""
        standing = await self._overlay.find(names)
        if standing is None:
            if create:
                return None
            raise NotFound("path", path_of(names))
        found = await self._overlay.describe(standing)
        if found.type != "file":
            path = path_of(names)
            raise Conflict(f"{path} is a {worded(found.type)}, not a file", path=path, type=found.type)
        return found

    async def _stored(self, content: bytes, old: Described | None, **how: Any) -> Node:
        """A file of some bytes, or with these written into it, as `write_file` does."""
        overlay = self._overlay
        if old is not None or how.get("offset"):
            base = None if old is None else old.entry.cid
            written = await write_file(
                overlay.nodes, overlay.sink, base, _once(content), profile=overlay.profile,
                executor=self._executor, **how,
            )  # fmt: skip
            return written.node
        node, blocks = import_bytes(content, overlay.profile)
        for cid, block in blocks:
            await overlay.sink.put(cid, block)
        return node

    async def _empty_file(self) -> Described:
        node = await self._stored(b"", None)
        return Described.file(Entry.of(node), 0)

    async def _dressed(self, cid: CID, attributes: Attributes) -> Entry:
        overlay = self._overlay
        node = await with_attributes(overlay.nodes, overlay.sink, cid, attributes, overlay.profile)
        return Entry.of(node)


_DOES: dict[type, Callable[[Operations, Any], Awaitable[Outcome]]] = {
    Mkdir: Operations._mkdir,
    Put: Operations._put,
    Write: Operations._write,
    Truncate: Operations._truncate,
    Remove: Operations._remove,
    Move: Operations._move,
    Copy: Operations._copy,
    Symlink: Operations._symlink,
    Metadata: Operations._metadata,
}


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _not_the_root(path: str, field: str = "path") -> list[str]:
    names = names_of(path)
    if not names:
        raise BadRequest(field, "the root of a tree is neither removed nor replaced")
    return names


def _exists(path: str, found: Described) -> Conflict:
    message = f"{path} exists: it is a {worded(found.type)}"
    return Conflict(message, path=path, type=found.type, cid=_cid(found))


def _cid(found: Described) -> str:
    return str(found.entry.cid)


def _outcome(ask: AnyOperation, path: str, found: Described, *, created: bool = False) -> Outcome:
    return Outcome(
        op=ask.op, path=path, cid=_cid(found), type=found.type, size_bytes=found.size_bytes, created=created
    )
