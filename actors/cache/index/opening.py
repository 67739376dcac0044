"""Opening and closing the folder of an index."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ....schemas.errors import Conflict, DamagedIndex
from ...disk import sync_folder
from ..columns import BUILT_IN, Columns
from ..heat import Heat
from .core import Core
from .damage import Damage, Damages
from .engine import Engine, IndexOptions
from .log import Log
from .manifest import COPIES, Manifest, read_manifest, write_manifest
from .rebuilding import rebuild
from .recovery import recover
from .repair import kill_replaced
from .run import Run
from .runfiles import run_folder
from .store import GROUPS_ONE_IN, Decoded, Shared
from .upkeep import checkpoint, rescale

__all__ = ["close_engine", "open_engine"]

log = logging.getLogger(__name__)


def open_engine(folder: Path, options: IndexOptions, clock: Callable[[], float]) -> Engine:
    """Open or create an index; raises Conflict and DamagedIndex."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = _hold(folder)
    try:
        return _open(folder, options, clock, held)
    except BaseException:
        os.close(held)
        raise


def close_engine(engine: Engine) -> None:
    """Write everything, and let the folder go."""
    if engine.held is None:
        return
    with engine.upkeep:
        try:
            checkpoint(engine)
        finally:
            with engine.lock:
                engine.log.close()
                os.close(engine.held)
                engine.held = None


def _hold(folder: Path) -> int:
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise Conflict(f"the CID index at {folder} is open in another process", folder=str(folder)) from None
    return fd


def _open(folder: Path, options: IndexOptions, clock: Callable[[], float], held: int) -> Engine:
    damages = Damages()
    lost: Path | None = None
    try:
        manifest = read_manifest(folder, damages)
    except DamagedIndex:
        manifest, lost = None, _moved_aside(folder)
    if manifest is None:
        manifest = Manifest(half_life_s=options.half_life_s, epoch_s=clock(), layout=options.layout)
        write_manifest(folder, manifest)
    heat = Heat(manifest.half_life_s, manifest.epoch_s)
    groups = Decoded(options.resident_bytes // GROUPS_ONE_IN)
    decoded = Decoded(options.resident_bytes - groups.limit_bytes)
    shared = Shared(_with_new(manifest.columns), heat, damages, decoded, groups)
    core, log = Core(shared, options.flush_rows), Log(folder, damages)
    engine = Engine(folder, options, clock, shared, core, log, manifest, held=held)
    engine.scales = [(0, heat)]
    runs = _opened_runs(engine)
    if runs:
        core.swap([], runs)
    engine.tidy()
    recover(engine)
    for number in sorted(engine.mended):  # it may have been forgotten which of its rows are dead
        if number in engine.open_runs:
            run = engine.open_runs[number]
            with suppress(DamagedIndex):  # whoever needs it meets it
                kill_replaced(engine, run, 0, run.rows)
    if lost is not None:
        _begin_anew(engine, lost)
    if shared.heat.half_life_s != options.half_life_s:
        rescale(engine, options.half_life_s)
    return engine


def _opened_runs(engine: Engine) -> list[Run]:
    """The runs of the manifest; one that is beyond repair is moved aside and gone."""
    manifest, runs, gone = engine.manifest, [], []
    for entry in manifest.runs:
        try:
            runs.append(engine.open_run(entry))
        except DamagedIndex as error:
            engine.set_aside(entry.number)
            gone.append(entry)
            name, rows = run_folder(engine.folder, entry.number).name, entry.rows - entry.dead
            lost = f"{rows} rows lost; its files are in damaged/"
            log.log(logging.ERROR, "%s is beyond repair (%s): %s", name, error, lost)
            damage = Damage(name, "the whole run", True, rows, "beyond repair; its files are in damaged/")
            engine.shared.damages.settle(damage)
            engine.shared.damages.forget(name)
    if gone or engine.mended:
        manifest.runs = [entry for entry in manifest.runs if entry not in gone]
        write_manifest(engine.folder, manifest)
    return runs


def _moved_aside(folder: Path) -> Path:
    """Move everything but the lock into a folder of this moment; the manifests last, which say it is due."""
    at_s = int(time.time())
    while (target := folder / f"damaged-{at_s}").exists():
        at_s += 1
    target.mkdir(mode=0o700)
    paths = [
        path for path in folder.iterdir() if path.name != "lock" and not path.name.startswith("damaged-")
    ]
    for path in sorted(paths, key=lambda path: path.name in COPIES):
        path.replace(target / path.name)
    sync_folder(target)
    sync_folder(folder)
    return target


def _begin_anew(engine: Engine, lost: Path) -> None:
    rows = rebuild(engine, lost)
    note = f"the old files are in {lost}; {rows} rows were read from its Parquet files, the log's are lost"
    log.error("both manifests of the CID index at %s are damaged: %s", engine.folder, note)
    damages = engine.shared.damages
    damages.settle(Damage(COPIES[0], "both copies", True, 0, note))


def _with_new(columns: Columns) -> Columns:
    """Built-in columns that are newer than the index are there, too."""
    known = {column.number for column in columns}
    new = [column for column in BUILT_IN if column.number not in known and column.name not in columns]
    return Columns((*columns, *new)) if new else columns
