"""`cidbus://`: the file tree, to read and to write.

Every change is one entry of the journal, whatever it comprises: a recursive copy or removal is one request,
and everything of a `with fs.transaction:` becomes so at once. Copies and moves carry no bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec.asyn import sync, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.compression import compr
from fsspec.core import get_compression

from cidbus.client.applying import apply
from cidbus.client.methods import Journal
from cidbus.client.upload import INLINE_BYTES
from cidbus.schemas.errors import Conflict
from cidbus.schemas.tree import Copy, Mkdir, Move, Remove, TreeEntry

from .base import ContentFileSystem, opened
from .copying import destinations, into, is_one_place, new_path
from .drafts import Draft
from .encoding import CompressedFile, TextFile
from .errors import as_os_errors
from .kinds import Info
from .transaction import TreeTransaction
from .writing import PART_BYTES, Output, WriteFile, WriteStream

__all__ = ["CidbusFileSystem"]

# Links of a listing that are followed at a time.
LINKS_AT_ONCE = 16
PORTION_BYTES = 1 << 20
TEXT_OPTIONS = ("encoding", "errors", "newline")


class CidbusFileSystem(ContentFileSystem):
    """The file tree of a system; paths are absolute, `cidbus:///a/b` and `cidbus://a/b` are the same.

    What is written makes the directories above it. Symbolic links are followed where something is read; what
    is written, moved or removed is the link.
    """

    protocol = "cidbus"
    root_marker = "/"
    transaction_type = TreeTransaction

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return "/" + "/".join(name for name in super()._strip_protocol(path).split("/") if name)

    async def _journal(self) -> Journal:
        return (await self.client()).journal

    async def scope(self) -> dict[str, Any]:
        """The fields by which a request belongs to the transaction that is under way, if one is."""
        return {"timeout_s": self.timeout_s} | (
            {"transaction": await self.transaction.id()} if self._intrans else {}
        )

    # ---- looking ----------------------------------------------------------------------------------------

    async def _info(self, path: str, **kwargs: Any) -> Info:
        return (await self._look(self._strip_protocol(path)))[0]

    async def _look(self, path: str) -> tuple[Info, str]:
        """What stands at a path, and which path that is without links."""
        return await self._followed(path, await self._entry(path))

    async def _entry(self, path: str) -> TreeEntry:
        """What stands at a path, itself if it is a link; of those above it none is left in its own path."""
        try:
            return await self._stat(path)
        except NotADirectoryError:
            above = await self._stat(self._parent(path), follow=True)
            return await self._stat(_joined(above.path, path.rpartition("/")[2]))

    async def _stat(self, path: str, follow: bool = False) -> TreeEntry:
        journal, scope = await self._journal(), await self.scope()
        with as_os_errors(path):
            return await journal.stat(path=path, follow=follow, **scope)

    async def _followed(self, path: str, entry: TreeEntry) -> tuple[Info, str]:
        """What an entry is, by the path that was asked for, and its own path; of a link, those of what it
        leads to, if it leads anywhere."""
        info, real = _info_of(entry, path), entry.path
        if entry.type == "symlink":
            with contextlib.suppress(OSError):
                target = await self._stat(entry.path, follow=True)
                info, real = info | _facts_of(target), target.path
        return info, real

    async def _ls(self, path: str, detail: bool = True, walked_from: str | None = None, **kwargs: Any) -> Any:
        path = self._strip_protocol(path)
        info, real = await self._look(path)
        found = {path: info}
        if info["type"] == "directory":
            is_left_out = info["islink"] and walked_from not in (None, path)
            found = {} if is_left_out else await self._listed(path, real, depth=1)
        return list(found.values()) if detail else list(found)

    # A walk goes through a link where it begins, but through none below, which might lead around in a circle.

    def walk(self, path: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from super().walk(path, *args, **{"walked_from": self._strip_protocol(path)} | kwargs)

    async def _walk(self, path: str, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for step in super()._walk(path, *args, **{"walked_from": self._strip_protocol(path)} | kwargs):
            yield step

    async def _find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, **kwargs: Any
    ) -> Any:
        """One listing, however deep the tree is; links below are found, and not gone through."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path = self._strip_protocol(path)
        found: dict[str, Info] = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            info, real = await self._look(path)
            if info["type"] == "directory":
                found = ({path: info} if withdirs else {}) | await self._listed(path, real, maxdepth)
            else:
                found = {path: info}
        found = {name: info for name, info in found.items() if withdirs or info["type"] != "directory"}
        return found if kwargs.get("detail") else list(found)

    async def _listed(self, path: str, real: str, depth: int | None) -> dict[str, Info]:
        """What stands below a directory, by name in its order; `real` is the path of it without links."""
        journal, scope = await self._journal(), await self.scope()
        with as_os_errors(path):
            if depth == 1:
                entries = [entry async for entry in journal.ls(path=real, **scope)]
            else:
                entries = [entry async for entry in journal.find(path=real, max_depth=depth, **scope)]
        named = {
            _joined(path, entry.path.removeprefix(real).lstrip("/")): entry
            for entry in entries
            if entry.path != real
        }
        turns = asyncio.Semaphore(LINKS_AT_ONCE)

        async def in_turn(name: str) -> Info:
            async with turns:
                return (await self._followed(name, named[name]))[0]

        links = [name for name, entry in named.items() if entry.type == "symlink"]
        followed = dict(zip(links, await asyncio.gather(*map(in_turn, links)), strict=True))
        return {name: followed.get(name) or _info_of(named[name], name) for name in sorted(named)}

    async def _modified(self, path: str) -> datetime:
        """The time that an entry has; of one that has none, when anything in the tree changed last: it was
        not later. Whoever keeps something for as long as this time stays never keeps it too long."""
        mtime = (await self._info(path)).get("mtime")
        if mtime is None:
            journal = await self._journal()
            with as_os_errors(path):
                changes = [entry async for entry in journal.log(limit=1, timeout_s=self.timeout_s)]
            mtime = changes[0].at if changes else 0.0
        return datetime.fromtimestamp(mtime, UTC)

    modified = sync_wrapper(_modified)

    # ---- directories ------------------------------------------------------------------------------------

    async def _mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        path = self._strip_protocol(path)
        parent = self._parent(path)
        above = [Mkdir(path=parent, parents=True)] if create_parents and parent != "/" else []
        with as_os_errors(path):
            await apply(await self.client(), [*above, Mkdir(path=path)], **await self.scope())

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        if not exist_ok:
            await self._mkdir(path)
            return
        path = self._strip_protocol(path)
        journal, scope = await self._journal(), await self.scope()
        with as_os_errors(path):
            await journal.mkdir(path, parents=True, exist_ok=True, **scope)

    async def _rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        path = self._strip_protocol(path)
        if (await self._stat(path)).type != "directory":
            raise NotADirectoryError(errno.ENOTDIR, "is not a directory", path)
        await self._rm(path)

    rmdir = sync_wrapper(_rmdir)

    # ---- removing, moving, copying ----------------------------------------------------------------------

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        path = self._strip_protocol(path)
        if (await self._stat(path)).type == "directory":
            raise IsADirectoryError(errno.EISDIR, "is a directory", path)
        await self._rm(path)

    async def _rm(
        self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """One change, whatever it removes; without `recursive` a directory has to be empty."""
        paths = [self._strip_protocol(path)]
        if maxdepth is not None or not is_one_place(path):
            deep = recursive and maxdepth is not None
            paths = await self._expand_path(path, recursive=deep, maxdepth=maxdepth)
        operations = [Remove(path=each, recursive=recursive) for each in sorted(paths, reverse=True)]
        with as_os_errors(path if isinstance(path, str) else None):
            await apply(await self.client(), operations, **await self.scope())

    async def _mv(self, path1: Any, path2: Any, recursive: bool = False, **kwargs: Any) -> None:
        """Give entries other paths; a directory moves with everything in it."""
        if is_one_place(path1):
            pairs = [(self._strip_protocol(path1), await new_path(self, path1, path2))]
        else:
            old = await self._expand_path(path1)
            pairs = list(zip(old, into(self._strip_protocol(path2), old), strict=True))
        operations = [Move(source=old, destination=new, exact=True) for old, new in pairs]
        with as_os_errors(path1 if isinstance(path1, str) else None):
            await apply(await self.client(), operations, **await self.scope())

    mv = sync_wrapper(_mv)

    async def _mv_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        journal, scope = await self._journal(), await self.scope()
        path1, path2 = self._strip_protocol([path1, path2])
        with as_os_errors(path1):
            await journal.mv(path1, path2, exact=True, parents=True, **scope)

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """A second path for what stands at the first, a directory with everything in it."""
        journal, scope = await self._journal(), await self.scope()
        path1, path2 = self._strip_protocol([path1, path2])
        source = (await self._entry(path1)).path
        with as_os_errors(path1):
            await journal.cp(source, path2, exact=True, overwrite=True, parents=True, **scope)

    async def _copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        on_error: str | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Second paths for all of it, as one change that carries no bytes."""
        if recursive and maxdepth is None and is_one_place(path1):
            new = await new_path(self, path1, path2)
            if not await self._exists(new):
                await self._cp_file(path1, new)
                return
        places = await destinations(self, path1, path2, recursive=recursive, maxdepth=maxdepth)
        operations: list[Mkdir | Copy] = []
        for old, new, is_directory in places:
            if is_directory:
                operations.append(Mkdir(path=new, parents=True, exist_ok=True))
            else:
                operations.append(Copy(source=old, destination=new, exact=True, overwrite=True, parents=True))
        client, scope = await self.client(), await self.scope()
        with as_os_errors(path1 if isinstance(path1, str) else None):
            try:
                await apply(client, operations, **scope)
            except Conflict:
                # A link may stand above a source, which operations do not go through.
                found = [await self._without_links(operation) for operation in operations]
                if found == operations:
                    raise
                await apply(client, found, **scope)

    async def _without_links(self, operation: Mkdir | Copy) -> Mkdir | Copy:
        if isinstance(operation, Mkdir):
            return operation
        source = (await self._entry(operation.source)).path
        return operation.model_copy(update={"source": source})

    # ---- writing ----------------------------------------------------------------------------------------

    async def write_inline(self, path: str, data: bytes, *, append: bool = False) -> None:
        """A small file, or a small end of one, together with its place."""
        journal, scope = await self._journal(), await self.scope()
        with as_os_errors(path):
            await journal.write(data, path=path, append=append, truncate=not append, parents=True, **scope)

    async def place(
        self, path: str, cid: str, *, release: str, overwrite: bool = True, if_cid: str | None = None
    ) -> None:
        """Content that is there at a path; the name that has kept it until now is let go."""
        journal, scope = await self._journal(), await self.scope()
        try:
            with as_os_errors(path):
                await journal.put(
                    path, cid, parents=True, overwrite=overwrite, if_cid=if_cid, release=release, **scope
                )
        except FileExistsError as error:
            # A file would have been replaced.
            raise IsADirectoryError(errno.EISDIR, error.strerror, path) if overwrite else error from error

    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        path, data = self._strip_protocol(path), memoryview(value).cast("B")
        if len(data) <= INLINE_BYTES and mode != "create":
            await self.write_inline(path, bytes(data))
            return
        await self._write_whole(path, _portions(data), mode)

    async def _put_file(
        self,
        lpath: Any,
        rpath: str,
        mode: str = "overwrite",
        callback: Callback = DEFAULT_CALLBACK,
        **kwargs: Any,
    ) -> None:
        """A local file, streamed; a local directory becomes one here."""
        source, rpath = Path(lpath), self._strip_protocol(rpath)
        if source.is_dir():
            await self._makedirs(rpath, exist_ok=True)
            return
        size = source.stat().st_size
        callback.set_size(size)
        if size <= INLINE_BYTES and mode != "create":
            await self.write_inline(rpath, await asyncio.to_thread(source.read_bytes))
            callback.absolute_update(size)
            return
        await self._write_whole(rpath, source, mode, callback)

    async def _write_whole(
        self, path: str, source: Any, mode: str, callback: Callback = DEFAULT_CALLBACK
    ) -> None:
        if mode == "create" and await self._exists(path):
            raise FileExistsError(errno.EEXIST, "there is something already", path)
        draft = Draft(self.client, self.timeout_s)
        try:
            cid = await draft.fill(source, callback.absolute_update)
            await self.place(path, cid, release=draft.name, overwrite=mode != "create")
        except BaseException:
            await draft.discard()
            raise

    async def _touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        """An empty file, or with `truncate=False` the time of what is there set to now."""
        path = self._strip_protocol(path)
        if truncate:
            await self.write_inline(path, b"")
            return
        journal, scope = await self._journal(), await self.scope()
        with as_os_errors(path):
            await journal.touch(path, **scope)

    touch = sync_wrapper(_touch)

    # ---- open files -------------------------------------------------------------------------------------

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """As fsspec's, but files written compressed or as text are placed, or discarded, as others are."""
        if "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        path = self._strip_protocol(path)
        text_options = {name: kwargs.pop(name) for name in TEXT_OPTIONS if name in kwargs}
        compression = get_compression(path, compression)
        autocommit = kwargs.pop("autocommit", not self._intrans)
        binary = mode.replace("t", "").replace("b", "") + "b"
        file = self._open(path, binary, block_size, autocommit, cache_options, **kwargs)
        try:
            if compression is not None:
                file = CompressedFile(file, compr[compression], mode[0])
            if "b" not in mode:
                file = TextFile(file, **text_options)
        except BaseException:
            file.discard()
            raise
        if not autocommit:
            self.transaction.files.append(file)
        return file

    def _open_to_write(
        self, path: str, mode: str, block_size: int | None, autocommit: bool, **kwargs: Any
    ) -> WriteFile:
        output, size = sync(self.loop, self._output, path, mode)
        return WriteFile(
            self, path, mode, output, size, part_bytes=block_size or PART_BYTES, autocommit=autocommit
        )

    async def _stream_to_write(
        self, path: str, mode: str, block_size: int | None = None, **kwargs: Any
    ) -> WriteStream:
        output, size = await self._output(path, mode)
        return WriteStream(self, path, mode, output, size, part_bytes=block_size or PART_BYTES)

    async def _output(self, path: str, mode: str) -> tuple[Output, int]:
        """Where the bytes go that are written to an open file, and how many it has already.

        Raises ValueError for another mode than wb, xb and ab, IsADirectoryError, and for xb FileExistsError.
        """
        if mode not in ("wb", "xb", "ab"):
            raise ValueError(f"{mode!r}: a file can be read (rb), written anew (wb, xb) or appended to (ab)")
        try:
            # Through a link above nothing is written.
            info, _ = await self._followed(path, await self._stat(path))
        except FileNotFoundError:
            return Output(self, path, mode), 0
        if mode == "xb":
            raise FileExistsError(errno.EEXIST, "there is something already", path)
        before = opened(info)
        if mode == "ab":
            return Output(self, path, mode, before), before.size
        return Output(self, path, mode), 0


def _joined(above: str, name: str) -> str:
    return f"{above.rstrip('/')}/{name}"


def _info_of(entry: TreeEntry, path: str) -> Info:
    info = {"name": path, "islink": entry.type == "symlink"} | _facts_of(entry)
    if entry.type == "symlink":
        info["destination"] = entry.target
    return info


def _facts_of(entry: TreeEntry) -> Info:
    return {
        "type": "link" if entry.type == "symlink" else entry.type,
        "size": entry.size_bytes if entry.type == "file" else 0,
        "cid": entry.cid,
        "mode": entry.mode,
        "mtime": entry.mtime,
    }


async def _portions(data: memoryview) -> AsyncIterator[memoryview]:
    for start in range(0, len(data), PORTION_BYTES):
        yield data[start : start + PORTION_BYTES]
