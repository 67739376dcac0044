"""One-way sync from the tree into a local directory: what differs is fetched, a file whole or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

from cidbus.schemas.errors import BadRequest, Conflict

from .differences import Placed
from .memory import Kind, Stamp
from .noting import note_tree, read_unknown
from .oneway import OneWay
from .report import Report
from .scan import MAX_TOLD, Scan, draft_name, leads_out

__all__ = ["Downward"]

# Small files are mostly waiting.
FETCHED_AT_ONCE = 16


class Downward(OneWay):
    """One sync of `path` of the tree, as it is when it begins, to the directory `top`. Use it once."""

    async def run(self) -> Report:
        """Make the directory as the tree is; what the tree could not hold is left alone.

        Raises NotFound, and BadRequest naming links that would lead out of the directory, before anything is
        changed; Conflict for a local directory that stands where a file has to go (unless `delete`); OSError
        for what cannot be read or written.
        """
        await self._look()
        self._refuse_in_the_way()
        await self._read_links()
        self._watch.phase("comparing", None)
        self.report.read = await read_unknown(self._top, self._memory)
        self._watch.phase("fetching", None)
        if self._options.delete:
            self._remove()
        await self._write()
        self._memory.save()
        return self.report

    # ---- both sides -------------------------------------------------------------------------------------

    async def _look(self) -> None:
        self._watch.phase("listing", None)
        top = await self._tree_top()
        self._root, self.report.root, self.report.sequence = top.root, top.root, top.sequence
        if not self._options.dry_run:
            self._top.mkdir(parents=True, exist_ok=True)
        if self._options.checksum:
            self._memory.forget_cids()
        if self._top.is_dir():
            scan = Scan(self._top, self._path, self._excludes)
            await asyncio.to_thread(self._memory.note_here, scan)
            self._remove_leftovers(scan.drafts)
        else:
            self._memory.note_here(())
        await note_tree(self._client, self._path, top.root, self._memory, self._excludes)
        self.report.entries = self._memory.one("SELECT COUNT(*) FROM there")[0]

    def _remove_leftovers(self, drafts: list[str]) -> None:
        """Remove what an earlier run left that was killed. Who has the memory open is the only one that makes
        drafts of its name; those of another name may be in use."""
        mine = draft_name(self._memory.id, "")
        for path in drafts:
            if path.rpartition("/")[2].startswith(mine) and not self._options.dry_run:
                (self._top / path).unlink(missing_ok=True)

    def _refuse_in_the_way(self) -> None:
        refused = list(islice(self._differences.in_the_way_here(), MAX_TOLD))
        if refused and not self._options.delete:
            told = ", ".join(refused)
            raise Conflict(
                f"directories here, but none in the tree: {told} (--delete replaces them)", path=refused[0]
            )

    async def _read_links(self) -> None:
        out: list[str] = []
        for entry in self._differences.downward():
            if entry.kind != "symlink":
                continue
            link = await self._client.journal.stat(path=self._in_tree(entry.path), at=self._root)
            target = link.target or ""
            if leads_out(entry.path, target):
                out.append(f"{entry.path!r} -> {target!r}")
            self._memory.note_target(entry.path, target)
        self._memory.save()
        if out:
            told = "; ".join(out[:MAX_TOLD])
            raise BadRequest("directory", f"links that lead out: {told} (--exclude leaves them out)")

    # ---- the local directory ----------------------------------------------------------------------------

    def _remove(self) -> None:
        for gone in self._differences.gone_here():
            if self._drop(gone.path, gone.kind):
                self._tell_gone(gone)

    def _drop(self, path: str, kind: Kind) -> bool:
        """Remove one entry; a directory stays if something that is left alone is in it."""
        if self._options.dry_run:
            return True
        if kind != "directory":
            (self._top / path).unlink(missing_ok=True)
            return True
        try:
            (self._top / path).rmdir()
        except OSError:
            if any((self._top / path).iterdir()):
                return False
            raise
        return True

    async def _write(self) -> None:
        for batch in _batches(self._differences.downward()):
            for entry in batch:
                self._tell_placed(entry)
            if not self._options.dry_run:
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[Placed]) -> None:
        for entry in batch:
            if entry.replaces is not None and entry.replaces != entry.kind:
                self._make_way(entry)
            if entry.kind == "directory":
                (self._top / entry.path).mkdir(exist_ok=True)
            elif entry.kind == "symlink":
                self._link(entry)
        await _together(self._fetch(entry) for entry in batch if entry.kind == "file")

    def _make_way(self, entry: Placed) -> None:
        path = self._top / entry.path
        if entry.replaces == "directory":
            path.rmdir()  # what was in it is gone; what was excluded keeps it
        else:
            path.unlink(missing_ok=True)

    def _link(self, entry: Placed) -> None:
        path = self._top / entry.path
        draft = self._draft_of(path)
        draft.symlink_to(entry.target or "")
        draft.replace(path)

    async def _fetch(self, entry: Placed) -> None:
        """One file, whole under another name before it gets its own."""
        assert entry.cid is not None
        path = self._top / entry.path
        draft = self._draft_of(path)
        try:
            with draft.open("xb") as file:
                async with self._client.ipfs.cat(entry.cid) as content:
                    async for chunk in content:
                        await asyncio.to_thread(file.write, chunk)
                        self.report.sent_bytes += len(chunk)
                        self._watch.advance(len(chunk))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        self.report.sent += 1
        self._memory.note_file(entry.path, Stamp.of(path.lstat()), entry.cid, time.time_ns())

    def _draft_of(self, path: Path) -> Path:
        return path.with_name(draft_name(self._memory.id, token_hex(4)))


async def _together(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them at once; what the first that fails raises, when all have ended."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _batches(entries: Iterator[Placed]) -> Iterator[list[Placed]]:
    while batch := list(islice(entries, FETCHED_AT_ONCE)):
        yield batch
