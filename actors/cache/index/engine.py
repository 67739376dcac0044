"""What is durable of an index: its folder, log and manifest, and how their files come and go."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from ....schemas.errors import DamagedIndex
from ..heat import Heat
from .core import Core
from .files import step
from .hotfile import HotFileWriter
from .layout import Layout
from .log import Log
from .manifest import Manifest, RunEntry, write_manifest
from .mending import mend
from .run import HOT_PART_ROWS, Run
from .runfiles import RunFiles, run_folder
from .segment import HotColumns
from .store import Shared
from .writer import RunWriter, hot_file_entry

__all__ = ["Engine", "IndexOptions"]


@dataclass(frozen=True)
class IndexOptions:
    """How an index behaves.

    Attributes:
        half_life_s: of heat.
        layout: of runs written from now on.
        flush_rows: rows outside runs before they are written as one.
        log_bytes: size of the log before it is shortened by a checkpoint.
        resident_bytes: decoded columns and row groups kept in memory, of all segments together.
        sync_interval_s: time between checkpoints, if anything changed; driven by `tend`.
        auto_sync: whether `tend` makes checkpoints by time at all.
    """

    half_life_s: float = 86_400.0
    layout: Layout = field(default_factory=Layout)
    flush_rows: int = 100_000
    log_bytes: int = 64 * 1024 * 1024
    resident_bytes: int = 112 * 1024 * 1024
    sync_interval_s: float = 300.0
    auto_sync: bool = True


@dataclass
class Engine:
    """The parts of one open index.

    `lock` is held for changes in memory and their log records, never for long. `upkeep` is held by whoever
    writes
    runs, hot files or the manifest: one at a time.
    """

    folder: Path
    options: IndexOptions
    clock: Callable[[], float]
    shared: Shared
    core: Core
    log: Log
    manifest: Manifest
    held: int | None = None  # the descriptor of the folder's lock
    lock: threading.Lock = field(default_factory=threading.Lock)
    upkeep: threading.RLock = field(default_factory=threading.RLock)
    open_runs: WeakValueDictionary[int, Run] = field(default_factory=WeakValueDictionary)
    # Each scale of heat with the record from which on it holds.
    scales: list[tuple[int, Heat]] = field(default_factory=list)
    # Whether files were written by other names than the manifest on the disk has them: nothing may go then.
    uncommitted: bool = False
    mended: list[int] = field(default_factory=list)  # runs that could not be opened as they were
    saved_s: float = field(default_factory=time.monotonic)

    def open_run(self, entry: RunEntry) -> Run:
        """Open a run; what cannot be opened is repaired first. Raises DamagedIndex."""
        try:
            run = Run(self.folder, entry, self.shared)
        except DamagedIndex:
            mend(RunFiles(self.folder, entry, self.shared))
            run = Run(self.folder, entry, self.shared)
            self.mended.append(entry.number)
            run.table.dirty = True  # so that the next checkpoint commits what was repaired
        self.open_runs[entry.number] = run
        return run

    def writer(self, shapes: list[tuple[bytes, int, int]], now_s: float) -> RunWriter:
        """For a new run under the present layout."""
        number = self.manifest.next_run
        self.manifest.next_run = number + 1
        folder = run_folder(self.folder, number)
        if folder.exists():  # left by a writer that failed
            shutil.rmtree(folder)
        shared, layout = self.shared, self.manifest.layout
        return RunWriter(self.folder, number, layout, shared.columns, shared.heat, now_s, shapes)

    def discard_unfinished(self) -> None:
        """Delete the run that a writer has not finished: it may be what fills the disk."""
        number = self.manifest.next_run - 1
        named = {entry.number for entry in self.manifest.runs} | {run.entry.number for run in self.core.runs}
        if number not in named and number not in self.open_runs:
            shutil.rmtree(run_folder(self.folder, number), ignore_errors=True)

    def set_aside(self, number: int) -> None:
        """Move the files of a run that is beyond repair into `damaged/`."""
        source, target = run_folder(self.folder, number), self.folder / "damaged"
        if source.exists():
            target.mkdir(mode=0o700, exist_ok=True)
            step("rename")
            source.replace(target / f"{source.name}-{time.time_ns()}")

    def save_hot(self, run: Run) -> None:
        """Write a run's hot columns anew, a part at a time while changes wait."""
        entry, table = run.entry, run.table
        columns = table.columns  # checked: what is damaged must not be written with a good checksum
        name = f"hot.{int(entry.hot.name.split('.')[1]) + 1}"
        boundaries = []
        table.dirty = False
        try:
            writer = HotFileWriter(run.folder / name, run.rows)
            for start in range(0, run.rows, HOT_PART_ROWS):
                with self.lock:
                    part = _copy(columns, start, start + HOT_PART_ROWS)
                    boundaries.append(self.log.next)
                writer.append(part)
            dead = writer.finish()
        except BaseException:
            table.dirty = True
            (run.folder / name).unlink(missing_ok=True)
            raise
        entry.hot, entry.boundaries, entry.dead = hot_file_entry(run, name), boundaries, dead
        run.is_saved = True

    def commit(self) -> None:
        """Make the present set of runs the durable state, and delete what it no longer needs."""
        manifest, core = self.manifest, self.core
        self.uncommitted = True
        for run in core.runs:
            if not run.is_saved:
                self.save_hot(run)
        with self.lock:
            for run in core.runs:
                if not run.table.dirty:
                    run.entry.boundaries = [self.log.next] * len(run.entry.boundaries)
            generations = [generation for generation in core.generations if generation.rows]
            memory_from = generations[0].first_record if generations else self.log.next
            manifest.runs = [run.entry for run in sorted(core.runs, key=lambda run: run.entry.number)]
            boundaries = [boundary for entry in manifest.runs for boundary in entry.boundaries]
            manifest.memory_from = memory_from
            manifest.replay_from = min([memory_from, *boundaries])
            manifest.replaced = [pair for pair in manifest.replaced if pair[1] >= manifest.replay_from]
            manifest.columns = self.shared.columns
            scale = self._scale_at(manifest.replay_from)
            manifest.half_life_s, manifest.epoch_s = scale.half_life_s, scale.epoch_s
        write_manifest(self.folder, manifest)
        self.uncommitted = False
        with self.lock:
            self.log.drop_before(manifest.replay_from)
        self.tidy()

    def _scale_at(self, record: int) -> Heat:
        while len(self.scales) > 1 and self.scales[1][0] <= record:
            del self.scales[0]
        return self.scales[0][1]

    def tidy(self) -> None:
        """Delete the files that the manifest does not name, but for those that a snapshot may still read."""
        if self.uncommitted:
            return
        named = {run_folder(self.folder, entry.number).name: entry for entry in self.manifest.runs}
        for path in self.folder.glob("run-*"):
            entry = named.get(path.name)
            if entry is None:
                if int(path.name[4:]) not in self.open_runs:
                    step("unlink")
                    shutil.rmtree(path)
                continue
            names = {entry.hot.name, entry.keys.name, entry.chunks.name}
            for kind in ("hot.*", "keys*", "chunks*"):
                for file in path.glob(kind):
                    if file.name not in names:
                        step("unlink")
                        file.unlink()
        for path in self.folder.rglob("*.tmp"):
            path.unlink()


def _copy(columns: HotColumns, start: int, stop: int) -> HotColumns:
    return HotColumns(
        columns.last_s[start:stop].copy(),
        columns.heat[start:stop].copy(),
        columns.count[start:stop].copy(),
        columns.flags[start:stop].copy(),
    )
