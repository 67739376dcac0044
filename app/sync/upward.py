"""One-way sync from a local directory into the tree: what differs is sent first, and placed then.

scan, list -> read what only its bytes can tell -> send, a batch of files at a time -> place

What was sent is kept under names of its own until it is placed, so that a sync which was interrupted goes on
where it was. Placing is one transaction, or of more than a transaction takes as many as it needs, one after
the other: what the first have done is done, and the next run does the rest.
"""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from secrets import token_hex

from cidbus.client.applying import apply, portions
from cidbus.client.multipart import FILE, Entry, Tree
from cidbus.schemas.errors import BadRequest, Conflict, NotFound
from cidbus.schemas.tree import MAX_OPERATIONS, AnyOperation, Mkdir, Put, Remove, Symlink

from .differences import Placed, Unsent
from .memory import Stamp
from .noting import note_tree, read_unknown
from .oneway import OneWay
from .report import Report
from .scan import MAX_TOLD, Scan

__all__ = ["Upward"]

# One request to add files; a thousand of them is as many as its answer names.
BATCH_FILES = 1_000
BATCH_BYTES = 256 << 20
# How long what was sent waits for a sync that was interrupted.
KEPT_S = 7 * 86_400.0
RELEASED_AT_ONCE = 1_000


class Upward(OneWay):
    """One sync of the directory `top` to `path` of the tree. Use it once."""

    _exists = True

    async def run(self) -> Report:
        """Make the tree as the directory is.

        Raises BadRequest naming what the tree cannot hold, before anything is changed; Conflict for a
        directory of the tree that stands where a file has to go (unless `delete`), or if somebody changes the
        same paths meanwhile; OSError for what cannot be read.
        """
        await self._scan()
        await self._list()
        self._refuse_in_the_way()
        self._watch.phase("comparing", None)
        self.report.read = await read_unknown(self._top, self._memory)
        if self._options.dry_run:
            self._pretend()
            return self.report
        await self._recall()
        await self._send()
        await self._place()
        return self.report

    # ---- both sides -------------------------------------------------------------------------------------

    async def _scan(self) -> None:
        self._watch.phase("scanning", None)
        if self._options.checksum:
            self._memory.forget_cids()
        scan = Scan(self._top, self._path, self._excludes)
        await asyncio.to_thread(self._memory.note_here, scan)
        scan.refuse()
        self.report.entries = scan.entries

    async def _list(self) -> None:
        """Note what is in the tree, as it is at one moment."""
        self._watch.phase("listing", None)
        try:
            top = await self._tree_top()
        except NotFound:
            self._exists = False
            return
        await note_tree(self._client, self._path, top.root, self._memory, self._excludes)

    def _refuse_in_the_way(self) -> None:
        found = self._differences.in_the_way_there()
        refused = (path for path, shields in found if shields or not self._options.delete)
        told = list(islice(refused, MAX_TOLD))
        if told:
            raise Conflict(
                f"directories of the tree, but none here: {', '.join(told)}"
                " (--delete replaces them, where nothing excluded is in them)",
                path=told[0],
            )

    # ---- sending ----------------------------------------------------------------------------------------

    @property
    def _keeps(self) -> str:
        """How the names begin under which all is kept that this sync has sent."""
        return f"fs/sync/{self._memory.id}/"

    async def _recall(self) -> None:
        """Find out what an earlier run has sent and the system still keeps."""
        self._kept = [root.name async for root in self._client.ipfs.root_ls(prefix=self._keeps)]
        self._memory.forget_kept(self._kept)

    async def _send(self) -> None:
        total = self._differences.unsent_bytes()
        self._watch.phase("sending", total)
        unsent = self._differences.unsent()
        for files in portions(unsent, lambda file: file.size_bytes, BATCH_FILES, BATCH_BYTES):
            await self._send_batch(Batch(self._top, files))

    async def _send_batch(self, batch: Batch) -> None:
        keep = f"{self._keeps}{token_hex(8)}"
        before = self.report.sent_bytes

        def progress(sent: int) -> None:
            self._watch.advance(min(sent, batch.planned_bytes) - (self.report.sent_bytes - before))
            self.report.sent_bytes = before + min(sent, batch.planned_bytes)

        read_ns = time.time_ns()
        try:
            added = await self._client.ipfs.add(
                batch, content_type=batch.content_type, wrap=True, pin=False, keep=keep, keep_s=KEPT_S,
                progress=progress,
            )  # fmt: skip
        except BadRequest:
            if batch.sent:
                raise
            return  # every file of it has vanished
        self._kept.append(keep)
        for entry in added.entries or ():
            path, stamp = batch.sent[entry.path]
            if _stamp_of(self._top / path) == stamp:
                self._memory.learn(path, stamp, entry.cid, read_ns, keep)
                self.report.sent += 1
        self._memory.save()

    # ---- placing ----------------------------------------------------------------------------------------

    async def _place(self) -> None:
        self._watch.phase("placing", None)
        for steps in portions(self._steps(), len, MAX_OPERATIONS, MAX_OPERATIONS):
            changed = await apply(self._client, chain.from_iterable(steps))
            if changed is not None:
                self.report.root, self.report.sequence = changed.root, changed.sequence
        self._note_unsettled()
        if self._kept:
            for start in range(0, len(self._kept), RELEASED_AT_ONCE):
                await self._client.ipfs.root_rm(self._kept[start : start + RELEASED_AT_ONCE])
            self._memory.forget_kept()

    def _steps(self) -> Iterator[list[AnyOperation]]:
        """What is to be done, in operations that belong into one transaction."""
        if self._note_top():
            yield [Mkdir(path=self._path, parents=True, exist_ok=True)]
        for entry in self._differences.upward():
            self._tell_placed(entry)
            yield list(self._placing(entry))
        if self._options.delete:
            for gone in self._differences.gone_there():
                self._tell_gone(gone)
                path, is_directory = self._in_tree(gone.path), gone.kind == "directory"
                yield [Remove(path=path, recursive=is_directory, missing_ok=True)]

    def _pretend(self) -> None:
        """Tell what would be done, without doing any of it."""
        self.report.sent_bytes = self._differences.unsent_bytes()
        self._note_top()
        for entry in self._differences.upward(sent_only=False):
            self._tell_placed(entry)
        if self._options.delete:
            for gone in self._differences.gone_there():
                self._tell_gone(gone)

    def _note_top(self) -> bool:
        """Whether the directory of the tree has to be made."""
        if not self._exists:
            self._watch.change("+", self._path, "directory")
        return not self._exists

    def _placing(self, entry: Placed) -> Iterator[AnyOperation]:
        path = self._in_tree(entry.path)
        if entry.replaces not in (None, "file") or (entry.replaces and entry.kind != "file"):
            yield Remove(path=path, recursive=entry.replaces == "directory", missing_ok=True)
        if entry.kind == "directory":
            yield Mkdir(path=path, exist_ok=True, parents=True)
        elif entry.kind == "symlink":
            assert entry.target is not None
            yield Symlink(path=path, target=entry.target, parents=True)
        else:
            assert entry.cid is not None
            yield Put(path=path, cid=entry.cid, parents=True)

    def _note_unsettled(self) -> None:
        """What could not be sent because it changes faster than it is read."""
        self.report.unsettled = [file.path for file in islice(self._differences.unsent(), MAX_TOLD)]


def _stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file, None if there is none any more."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return Stamp.of(found) if stat.S_ISREG(found.st_mode) else None


class Batch(Tree):
    """Files as one form, each under its number: the names of a directory that nobody reads."""

    def __init__(self, top: Path, files: list[Unsent]) -> None:
        super().__init__([])
        self._top = top
        self._files = files
        self.planned_bytes = sum(file.size_bytes for file in files)
        self.sent: dict[str, tuple[str, Stamp]] = {}

    def entries(self) -> Iterator[Entry]:
        """Those that are still there; `sent` has them, and their stat just before they are read."""
        for number, file in enumerate(self._files):
            path = self._top / file.path
            stamp = _stamp_of(path)
            if stamp is not None:
                self.sent[str(number)] = file.path, stamp
                yield Entry(str(number), FILE, path, stamp.size)
