"""One add by way of Kubo: bytes, or a form of many files, sent on as the form that Kubo reads.

content ─┬─ bytes ─> one file ─────────────────────────> root
         └─ form ──> its parts, wrapped by a directory ──> that directory, its only entry, or each entry

A form's paths are checked before they are sent, since Kubo makes something of any path.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Any, NamedTuple

from .....schemas.cid import CID, RAW
from .....schemas.errors import BadRequest, InvalidContent
from .....schemas.ipfs import Added, AddedEntry, AddRequest, EntryType
from ...remote.kubo import FilePart, KuboRpc
from ...unixfs.importer import Node
from ...unixfs.multipart import Form, Part, is_form
from ...unixfs.names import check_name
from ...unixfs.profiles import Profile, profile_asked_for
from ...unixfs.tree import Tree
from .daemon import LONG_S, field_of

__all__ = ["KuboAdding"]

MAX_LISTED = 1000
PINS_AT_ONCE = 100
# Stands for any file while paths are checked.
_FILE = Node(CID.of(RAW, b""), 0, 0)


class KuboAdding:
    """What one request adds. Use it once."""

    def __init__(self, ask: AddRequest, rpc: KuboRpc) -> None:
        """Raises as `profile_asked_for` does."""
        self._ask, self._rpc = ask, rpc
        self._profile = profile_asked_for(ask)
        self._pins = ask.pin and not ask.only_hash
        self._sent = _Sent(self._profile)
        self._told = _Told(self._sent, with_directories=ask.like_kubo)

    async def run(self, content: AsyncIterator[bytes]) -> Added:
        """Add the content; everything is pinned as asked when this returns.

        Raises BadRequest for a name or a form that cannot be, and what `KuboRpc.lines` raises.
        """
        ask = self._ask
        if is_form(ask.content_type):
            return await self._form(Form(content, ask.content_type or "", like_kubo=ask.like_kubo))
        if ask.wrap:
            if not ask.filename:
                raise BadRequest("filename", "is needed to wrap a file into a directory")
            check_name(ask.filename, "filename")
        await self._send(self._file(content), wrap=ask.wrap, pin=self._pins)
        return self._added(self._told.last, ask.filename, is_tree=ask.wrap)

    async def _file(self, content: AsyncIterator[bytes]) -> AsyncIterator[FilePart]:
        # Kubo takes a slash in a name for a directory; what is not wrapped needs no name.
        name = (self._ask.filename or "") if self._ask.wrap else ""
        yield FilePart(name, self._sent.noted(name, "file", content))

    # ---- forms ------------------------------------------------------------------------------------------

    async def _form(self, form: Form) -> Added:
        """Kubo wraps every form: only at its end is it known whether it had one top entry or several."""
        ask, told = self._ask, self._told
        await self._send(self._parts(form), wrap=True, pin=self._pins and ask.wrap)
        apart = ask.like_kubo and not ask.wrap
        roots = told.tops if apart or (len(told.tops) == 1 and not ask.wrap) else [told.last]
        if self._pins and not ask.wrap:
            await self._pin([root.cid for root in roots])
        root = roots[-1]
        name = form.fields.get("filename") if self._sent.has_unnamed else (root.name or None)
        is_tree = ask.like_kubo or root is told.last or root.name in self._sent.directories
        added = self._added(root, name or ask.filename, is_tree=is_tree)
        if apart and told.count > MAX_LISTED and not ask.only_hash:
            return added.model_copy(update={"listing": told.last.cid})
        return added

    async def _parts(self, form: Form) -> AsyncIterator[FilePart]:
        count = 0
        async for part in form.parts():
            count += 1
            yield self._part(part, form)
        if not count:
            raise BadRequest("content", "the form has no file")

    def _part(self, part: Part, form: Form) -> FilePart:
        sent = self._sent
        if part.path is None and not self._ask.like_kubo:
            if sent.has_unnamed:
                raise BadRequest("content", "two files of the form have no filename")
            sent.has_unnamed = True
        # Kubo calls what has no name by its CID.
        path = part.path or form.fields.get("filename") or self._ask.filename or ""
        sent.place(path, part.kind)
        content = b"" if part.kind == "directory" else sent.noted(path, part.kind, part)
        return FilePart(path, content, part.kind)

    async def _pin(self, cids: list[str]) -> None:
        for start in range(0, len(cids), PINS_AT_ONCE):
            some = cids[start : start + PINS_AT_ONCE]
            await self._rpc.call("pin/add", *some, recursive=True, name=self._ask.pin_name, timeout_s=LONG_S)

    # ---- there and back ---------------------------------------------------------------------------------

    async def _send(self, parts: AsyncIterator[FilePart], *, wrap: bool, pin: bool) -> None:
        ask = self._ask
        lines = self._rpc.lines(
            "add", upload=parts, wrap_with_directory=wrap, only_hash=ask.only_hash or None, pin=pin,
            pin_name=ask.pin_name if pin else None, hash=ask.hash, timeout_s=LONG_S,
            **_options(self._profile),
        )  # fmt: skip
        async with aclosing(lines):
            async for line in lines:
                self._told.take(line)

    def _added(self, root: _Line, name: str | None, *, is_tree: bool) -> Added:
        return Added(
            cid=root.cid,
            content_size_bytes=self._sent.size_bytes,
            dag_size_bytes=root.dag_size_bytes,
            profile=self._ask.profile,
            pinned=self._pins,
            filename=name,
            entry_count=self._entry_count if is_tree else None,
            entries=self._told.entries if is_tree else None,
        )

    @property
    def _entry_count(self) -> int:
        return self._told.count if self._ask.like_kubo else self._sent.files


class _Sent:
    """What has gone to Kubo: the paths, and how large the first 1,000 files were, which Kubo does not say."""

    def __init__(self, profile: Profile) -> None:
        self.size_bytes = self.files = 0
        self.has_unnamed = False
        self.directories: set[str] = set()  # at the top
        self.listed: dict[str, _Note] = {}
        self._tree = Tree(profile)

    def place(self, path: str, kind: EntryType) -> None:
        """Raises BadRequest(field="path") for a path that cannot be, or not beside those before it."""
        top, _, below = path.partition("/")
        if kind == "directory":
            self._tree.add_directory(path)
        elif path:
            self._tree.add_file(path, _FILE)
        if below or kind == "directory":
            self.directories.add(top)

    async def noted(
        self, path: str, kind: EntryType, content: AsyncIterable[bytes | memoryview]
    ) -> AsyncIterator[bytes]:
        """The content on its way."""
        self.files += 1
        note = _Note(kind)
        if len(self.listed) < MAX_LISTED:
            self.listed[path] = note
        async for piece in content:
            note.size_bytes += len(piece)
            self.size_bytes += len(piece)
            yield bytes(piece)


class _Note:
    def __init__(self, kind: EntryType) -> None:
        self.kind = kind
        self.size_bytes = 0


class _Line(NamedTuple):
    """One `{Name, Hash, Size}` of Kubo's; `name` is a path, "" for the directory around everything."""

    name: str
    cid: str
    dag_size_bytes: int


class _Told:
    """What Kubo has told of an add, line by line: files, then the directories around them, the root last."""

    def __init__(self, sent: _Sent, *, with_directories: bool) -> None:
        self.entries: list[AddedEntry] = []
        self.count = 0
        self.tops: list[_Line] = []
        self._last: _Line | None = None
        self._sent, self._with_directories = sent, with_directories

    @property
    def last(self) -> _Line:
        """The root; raises InvalidContent if Kubo has told of none."""
        if self._last is None:
            raise InvalidContent("reply", "Kubo answered nothing to add")
        return self._last

    def take(self, told: Any) -> None:
        line = _Line(field_of(told, "Name", str), field_of(told, "Hash", str), field_of(told, "Size", int))
        self._last = line
        if line.name and "/" not in line.name:
            self.tops.append(line)
        if line.name:
            self._list(line)

    def _list(self, line: _Line) -> None:
        # A file without a name was sent as "", and comes back under its CID.
        listed = self._sent.listed
        note = listed.get(line.name) or (listed.get("") if line.name == line.cid else None)
        if note is None and not self._with_directories:
            return
        self.count += 1
        if len(self.entries) < MAX_LISTED:
            self.entries.append(
                AddedEntry(
                    path=line.name,
                    cid=line.cid,
                    type=note.kind if note else "directory",
                    size_bytes=note.size_bytes if note else 0,
                    dag_size_bytes=line.dag_size_bytes,
                )
            )


def _options(profile: Profile) -> dict[str, Any]:
    return {
        "cid_version": profile.cid_version,
        "raw_leaves": profile.raw_leaves,
        "chunker": f"size-{profile.chunk_bytes}",
        "max_file_links": profile.max_links,
    }
