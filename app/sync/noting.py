"""Both sides of a sync looked at: what is in the tree, and what only the bytes of local files can tell."""

from __future__ import annotations

import time
from pathlib import Path

from cidbus.client import Client

from .differences import Differences
from .hashing import cid_of_file
from .memory import Memory, Remote, Stamp
from .scan import Excludes

__all__ = ["note_tree", "read_unknown"]

PAGE_ENTRIES = 1_000


async def note_tree(client: Client, path: str, root: str, memory: Memory, excludes: Excludes) -> None:
    """Note all entries below a path of the tree `root`, but for those that are left alone."""
    page: list[Remote] = []
    start = len(path.rstrip("/")) + 1
    async for entry in client.journal.ls(path=path, recursive=True, details=False, at=root):
        below = entry.path[start:]
        is_excluded = excludes.has(below, is_directory=entry.type == "directory")
        if is_excluded or len(page) == PAGE_ENTRIES:
            memory.note_there(page)
            page.clear()
        if is_excluded:
            memory.shield(below)
        else:
            page.append(Remote(below, entry.type, entry.cid))
    memory.note_there(page)
    memory.save()


async def read_unknown(top: Path, memory: Memory) -> int:
    """Compute the CIDs of local files that may be as they are in the tree; returns how many were read.

    Of one that changes meanwhile the CID stays unknown.
    """
    count = 0
    for file in Differences(memory).unread():
        path, read_ns = top / file.path, time.time_ns()
        try:
            before = Stamp.of(path.lstat())
            cid = await cid_of_file(path, before.size)
            after = Stamp.of(path.lstat())
        except FileNotFoundError:
            continue
        count += 1
        if before == after:
            memory.learn(file.path, after, cid, read_ns)
        if count % PAGE_ENTRIES == 0:
            memory.save()
    memory.save()
    return count
