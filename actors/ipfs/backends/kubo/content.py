"""Files and directories by way of Kubo's own importer and reader."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Any

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.errors import BadRequest, InvalidContent, NotAFile
from ...remote.kubo import FilePart
from ...unixfs.multipart import Form, is_form
from ...unixfs.profiles import Profile, profile_named
from ...unixfs.reader import span_of
from ..reading import ContentReads
from .daemon import Daemon, content_path, field_of

__all__ = ["ContentRows"]

MAX_LISTED = 1000
_TYPES: dict[int, ipfs.EntryType] = {0: "file", 1: "directory", 2: "file", 4: "symlink", 5: "directory"}


class ContentRows(ContentReads, Daemon):
    """`add`, `cat`, `get` and `ls`; `stat` as the engine tells it from the blocks on the path."""

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        """Kubo cuts the content by the profile's parameters; directories are sharded by its own rules."""
        parts = _Parts(ask, content)
        entries: list[ipfs.AddedEntry] = []
        count, root = 0, None
        lines = self._rpc.lines(
            "add", upload=parts.read(), pin=ask.pin, wrap_with_directory=ask.wrap,
            pin_name=ask.pin_name if ask.pin else None, **_options(profile_named(ask.profile)),
        )  # fmt: skip
        async with aclosing(lines):
            async for line in lines:
                if root is not None and root["Name"]:
                    count += 1
                    if len(entries) < MAX_LISTED:
                        entries.append(_entry(root))
                root = line
        if root is None:
            raise BadRequest("content", "the form has no file")
        added = ipfs.Added(
            cid=field_of(root, "Hash", str),
            content_size_bytes=parts.size_bytes,
            dag_size_bytes=field_of(root, "Size", int),
            profile=ask.profile,
            pinned=ask.pin,
            filename=parts.filename or ask.filename,
            entry_count=parts.files if count else None,
            entries=entries if count else None,
        )
        await self.tell(
            subjects.ADDED,
            ipfs.ContentAdded(
                cid=added.cid, size_bytes=added.content_size_bytes, pinned=ask.pin,
                filename=added.filename, at=self.now(),
            ),
        )  # fmt: skip
        return added

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        path = content_path(ask.cid, ask.path)
        facts = await self._file_facts(path)
        if facts["Type"] != "file":
            raise NotAFile(field_of(facts, "Hash", str), "directory")
        size_bytes = field_of(facts, "Size", int)
        start, count = span_of(size_bytes, ask.offset, ask.length)
        yield ipfs.FileHead(
            cid=field_of(facts, "Hash", str), size_bytes=size_bytes, offset=start, length=count
        )
        if count:
            async with aclosing(self._rpc.read("cat", path, offset=start, length=count)) as pieces:
                async for piece in pieces:
                    yield piece

    @handles(subjects.GET)
    async def get(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.TarHead | bytes]:
        """Kubo's own archive, whose top entry has the path's last name, or the CID."""
        path = content_path(ask.cid, ask.path)
        facts = await self._file_facts(path)
        yield ipfs.TarHead(cid=field_of(facts, "Hash", str), name=path.rpartition("/")[2])
        async with aclosing(self._rpc.read("get", path, archive=True)) as pieces:
            async for piece in pieces:
                yield piece

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        path = content_path(ask.cid, ask.path)
        facts = await self._file_facts(path)
        if facts["Type"] != "directory":
            raise BadRequest("cid", f"{field_of(facts, 'Hash', str)} is not a directory")
        async with aclosing(self._rpc.lines("ls", path, stream=True)) as lines:
            async for line in lines:
                for link in (link for each in line["Objects"] for link in each["Links"]):
                    yield ipfs.DirEntry(
                        name=field_of(link, "Name", str),
                        cid=field_of(link, "Hash", str),
                        type=_TYPES.get(link.get("Type"), "file"),
                        size_bytes=field_of(link, "Size", int),
                    )

    async def _file_facts(self, path: str) -> dict[str, Any]:
        """`{Hash, Size, CumulativeSize, Type}` of a file or directory."""
        facts: dict[str, Any] = await self._rpc.call("files/stat", path)
        if facts.get("Type") not in ("file", "directory"):
            raise InvalidContent("reply", "Kubo's answer has no usable Type")
        return facts


class _Parts:
    """What a request adds, as parts of the form that Kubo reads. `size_bytes` counts what went by."""

    def __init__(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> None:
        self._ask, self._content = ask, content
        self.size_bytes = self.files = 0
        self.filename: str | None = None

    async def read(self) -> AsyncIterator[FilePart]:
        if not is_form(self._ask.content_type):
            if self._ask.wrap and not self._ask.filename:
                raise BadRequest("filename", "is needed to wrap a file into a directory")
            yield FilePart(self._ask.filename or "", self._counted(self._content))
            return
        form = Form(self._content, self._ask.content_type or "")
        async for part in form.parts():
            name = part.path if part.path is not None else (self._ask.filename or "")
            self.filename = self.filename or name.partition("/")[0] or None
            self.files += part.kind != "directory"
            content = b"" if part.kind == "directory" else self._counted(part)
            yield FilePart(name, content, part.kind)

    async def _counted(self, content: AsyncIterable[bytes | memoryview]) -> AsyncIterator[bytes]:
        async for piece in content:
            self.size_bytes += len(piece)
            yield bytes(piece)


def _options(profile: Profile) -> dict[str, Any]:
    return {
        "cid_version": profile.cid_version,
        "raw_leaves": profile.raw_leaves,
        "chunker": f"size-{profile.chunk_bytes}",
        "max_file_links": profile.max_links,
    }


def _entry(line: dict[str, Any]) -> ipfs.AddedEntry:
    return ipfs.AddedEntry(
        path=field_of(line, "Name", str),
        cid=field_of(line, "Hash", str),
        size_bytes=field_of(line, "Size", int),
    )
