"""One-way sync between a local directory and the file tree: only what changed is read, sent and placed.

report = await sync_up(client, Path("photos"), "/photos", memory=folder, options=Options(delete=True))
report = await sync_down(client, "/photos", Path("copy"), memory=folder)
"""

from __future__ import annotations

from pathlib import Path

from cidbus.client import Client

from .downward import Downward
from .memory import Memory
from .report import Options, Report, Silent, Watch
from .upward import Upward

__all__ = ["sync_up", "sync_down", "Options", "Report", "Watch"]


async def sync_up(
    client: Client,
    top: Path,
    path: str,
    *,
    memory: Path,
    options: Options | None = None,
    watch: Watch | None = None,
) -> Report:
    """Make a directory of the tree as a local one is; raises as `Upward.run`.

    `memory` is the folder where it is remembered what was read of which directory; raises Conflict while
    another sync of the same local directory runs with it.
    """
    known = Memory.open(memory, top)
    try:
        return await Upward(client, top, path, known, options or Options(), watch or Silent()).run()
    finally:
        known.close()


async def sync_down(
    client: Client,
    path: str,
    top: Path,
    *,
    memory: Path,
    options: Options | None = None,
    watch: Watch | None = None,
) -> Report:
    """Make a local directory as one of the tree is; raises as `Downward.run`, and as `sync_up` does."""
    known = Memory.open(memory, top)
    try:
        return await Downward(client, top, path, known, options or Options(), watch or Silent()).run()
    finally:
        known.close()
