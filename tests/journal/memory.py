"""Stand-ins for the ipfs actor and the stream: the same contracts, in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

from cidbus.bus.log import Kept, LogState
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BusError, Conflict, NotFound
from cidbus.schemas.tree import (
    AnyOperation,
    Copy,
    GroupResult,
    Metadata,
    Mkdir,
    Move,
    NamedRoot,
    Outcome,
    Put,
    Remove,
    TreeEntry,
    TreeLookup,
    TreePatch,
    TreePatched,
    Write,
)  # fmt: skip
from cidbus.schemas.varint import encode_varint

Files = dict[str, str]  # path → content; directories end with a slash


class MemoryTrees:
    """Trees as plain mappings, named by the hash of what is in them."""

    def __init__(self) -> None:
        self.trees: dict[str, Files] = {}
        self.names: dict[str, str] = {}
        self.patches = 0
        self.before_patch = lambda: None

    def cid(self, files: Files) -> str:
        digest = hashlib.sha256(json.dumps(sorted(files.items())).encode()).digest()
        name = str(CID(1, 0x70, b"\x12\x20" + digest))
        self.trees[name] = dict(files)
        return name

    async def patch(self, ask: TreePatch) -> TreePatched:
        await asyncio.sleep(0)
        self.before_patch()
        self.patches += 1
        files = dict(self.trees[ask.root]) if ask.root else {}
        results = []
        for group in ask.groups:
            draft, outcomes = dict(files), []
            try:
                for operation in group:
                    outcomes.append(_do(draft, operation))
            except BusError as error:
                results.append(GroupResult(error=error.to_wire(), failed=len(outcomes)))
                continue
            files = draft
            results.append(GroupResult(outcomes=outcomes))
        root = self.cid(files)
        if ask.keep:
            self.names[ask.keep] = root
        for name in ask.release or []:
            self.names.pop(name, None)
        return TreePatched(root=root, dag_size_bytes=0, results=results)

    async def stat(self, ask: TreeLookup) -> TreeEntry:
        files = self.trees[ask.root]
        if ask.path not in files:
            raise NotFound("path", ask.path)
        return TreeEntry(path=ask.path, name=ask.path.rpartition("/")[2], cid=files[ask.path], type="file",
                         size_bytes=len(files[ask.path]), dag_size_bytes=0)  # fmt: skip

    async def has(self, cid: str) -> bool:
        return cid in self.trees

    async def export(self, root: str, since: str | None) -> AsyncIterator[bytes]:
        if root not in self.trees or (since and since not in self.trees):
            raise NotFound("block", root)
        body = json.dumps([root, self.trees[root]]).encode()
        header = b"header"
        yield bytes([len(header)]) + header + encode_varint(len(body))
        yield body

    async def restore(self, car: AsyncIterator[bytes]) -> int:
        content = b"".join([piece async for piece in car])
        body = content[content.index(b"[") :]
        root, files = json.loads(body)
        self.trees[root] = files
        return 1

    async def keep(self, name: str, cid: str, expires_in_s: float | None = None) -> None:
        self.names[name] = cid

    async def release(self, names: list[str]) -> None:
        for name in names:
            self.names.pop(name, None)

    async def kept(self, prefix: str) -> AsyncIterator[NamedRoot]:
        for name, cid in sorted(self.names.items()):
            if name.startswith(prefix):
                yield NamedRoot(name=name, cid=cid)


def _do(files: Files, operation: AnyOperation) -> Outcome:
    """Enough of each operation for the rules of the journal; directories are only made and listed."""
    path = operation.path
    created = path not in files
    match operation:
        case Mkdir():
            if not created and not operation.exist_ok:
                raise Conflict(f"{path} exists")
            files[path] = "dir"
        case Put():
            files[path] = operation.cid
        case Write():
            content = operation.inline.decode()
            files[path] = files.get(path, "") + content if operation.append else content
        case Remove():
            if created and not operation.missing_ok:
                raise NotFound("path", path)
            for each in [each for each in files if each == path or each.startswith(path + "/")]:
                del files[each]
        case Move():
            if path not in files:
                raise NotFound("path", path)
            files[operation.destination] = files.pop(path)
            return Outcome(op="move", path=operation.destination, created=True)
        case Copy():
            if path not in files:
                raise NotFound("path", path)
            files[operation.destination] = files[path]
            return Outcome(op="copy", path=operation.destination, created=True)
        case Metadata():
            files.setdefault(path, "")
        case _:
            raise TypeError(operation)
    return Outcome(op=operation.op, path=path, created=created, cid=files.get(path))


class MemoryLog:
    """The contract of `bus/log.py`."""

    def __init__(self) -> None:
        self.entries: dict[int, Kept] = {}
        self.newest = 0
        self.exists = True
        self.before_append = lambda: None

    async def make(self, first: int = 1) -> None:
        if not self.exists:
            self.exists, self.newest = True, first - 1

    async def append(self, body: bytes, *, expected: int, msg_id: str) -> int:
        await asyncio.sleep(0)
        self.before_append()
        self._there()
        if expected != self.newest:
            raise Conflict(f"entry {expected + 1} was written by another")
        self.newest += 1
        self.entries[self.newest] = Kept(self.newest, body, msg_id)
        return self.newest

    def _there(self) -> None:
        if not self.exists:
            raise NotFound("stream", "journal")

    async def last(self) -> Kept | None:
        await asyncio.sleep(0)
        self._there()
        return self.entries.get(self.newest)

    async def next(self, after: int) -> Kept | None:
        await asyncio.sleep(0)
        self._there()
        return next((self.entries[number] for number in sorted(self.entries) if number > after), None)

    async def get(self, sequence: int) -> Kept:
        self._there()
        if sequence not in self.entries:
            raise NotFound("entry", str(sequence))
        return self.entries[sequence]

    async def read(self, after: int = 0, *, to: int | None = None) -> AsyncIterator[Kept]:
        for sequence in sorted(self.entries):
            if sequence > after and (to is None or sequence <= to):
                yield self.entries[sequence]

    async def purge(self, before: int) -> int:
        gone = [sequence for sequence in self.entries if sequence < before]
        for sequence in gone:
            del self.entries[sequence]
        return len(gone)

    async def delete(self) -> None:
        self.entries.clear()
        self.exists = False

    async def state(self) -> LogState | None:
        if not self.exists:
            return None
        first = min(self.entries, default=self.newest + 1)
        size = sum(len(kept.body) for kept in self.entries.values())
        return LogState(first, self.newest, len(self.entries), size, created_at=0)
