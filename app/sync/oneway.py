"""What a sync of either direction has: both sides, what is known of them, and whom to tell."""

from __future__ import annotations

from pathlib import Path

from cidbus.client import Client
from cidbus.schemas.errors import Conflict
from cidbus.schemas.journal import PathStat

from .differences import Differences, Gone, Placed
from .memory import Memory
from .report import Options, Report, Watch
from .scan import Excludes

__all__ = ["OneWay"]


class OneWay:
    """One sync between the local directory `top` and `path` of the tree."""

    def __init__(
        self, client: Client, top: Path, path: str, memory: Memory, options: Options, watch: Watch
    ) -> None:
        self._client = client
        self._top = top
        self._path = path
        self._memory = memory
        self._options = options
        self._watch = watch
        self._excludes = Excludes(options.exclude)
        self._differences = Differences(memory)
        self.report = Report()

    def _in_tree(self, path: str) -> str:
        return f"{self._path.rstrip('/')}/{path}"

    async def _tree_top(self) -> PathStat:
        """The directory of the tree as it is now; raises NotFound, and Conflict for what is none."""
        top = await self._client.journal.stat(path=self._path)
        if top.type != "directory":
            raise Conflict(f"{self._path} is no directory", path=self._path)
        return top

    def _tell_placed(self, entry: Placed) -> None:
        self.report.count(entry.kind)
        self._watch.change("+" if entry.replaces is None else "~", entry.path, entry.kind)

    def _tell_gone(self, gone: Gone) -> None:
        self.report.removed += 1
        self._watch.change("-", gone.path, gone.kind)
