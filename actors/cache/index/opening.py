"""Opening and closing the folder of an index."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from ....schemas.errors import Conflict
from ..columns import BUILT_IN, Columns
from ..heat import Heat
from .core import Core
from .damage import Damages
from .engine import Engine, IndexOptions
from .log import Log
from .manifest import Manifest, read_manifest, write_manifest
from .recovery import recover
from .store import GROUPS_ONE_IN, Decoded, Shared
from .upkeep import checkpoint, rescale

__all__ = ["close_engine", "open_engine"]


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
    manifest = read_manifest(folder, damages)
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
    runs = [engine.open_run(entry) for entry in manifest.runs]
    if runs:
        core.swap([], runs)
    engine.tidy()
    recover(engine)
    if shared.heat.half_life_s != options.half_life_s:
        rescale(engine, options.half_life_s)
    return engine


def _with_new(columns: Columns) -> Columns:
    """Built-in columns that are newer than the index are there, too."""
    known = {column.number for column in columns}
    new = [column for column in BUILT_IN if column.number not in known and column.name not in columns]
    return Columns((*columns, *new)) if new else columns
