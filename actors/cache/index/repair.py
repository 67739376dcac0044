"""Repairing the key and hot files of runs from their Parquet files, and the other way round what can be."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from ....schemas.errors import DamagedIndex
from .damage import Damage
from .engine import Engine
from .keyfile import BLOCK_ROWS
from .mending import SINCE, is_whole, logs_of, mend_chunks, write_keys_anew
from .run import Run
from .segment import DEAD

__all__ = ["kill_replaced", "repair_holders", "repair_hot", "repair_run"]


def repair_holders(engine: Engine) -> list[Damage]:
    """Repair the key and hot files of all runs where they are damaged."""
    found = []
    for run in engine.core.runs:
        found += repair_run(engine, run)
    return found


def repair_run(engine: Engine, run: Run) -> list[Damage]:
    """Repair chunks, keys and hot columns; rows whose keys are lost are dead after this.

    Raises DamagedIndex if the run is beyond repair.
    """
    settle, name = engine.shared.damages.settle, f"{run.folder.name}/{run.entry.keys.name}"
    chunks = mend_chunks(run.parquet)
    found = [] if chunks is None else [chunks]
    engine.uncommitted |= chunks is not None
    if is_whole(run.folder, run.entry.keys):
        return found + repair_hot(engine, run)
    path = run.folder / run.entry.keys.name
    # Whoever reads a map of a file that has become shorter is killed.
    is_mapped = path.exists() and path.stat().st_size >= run.entry.keys.size
    if is_mapped:
        run.keys.doubt()
    lost = np.flatnonzero(write_keys_anew(run.parquet, run.keys if is_mapped else None))
    engine.uncommitted = True
    run.open_keys()
    with engine.lock:
        engine.core.find_anew()
        engine.core.located.clear()
    hot = repair_hot(engine, run)
    killed = _kill_lost(engine, run, lost)
    repaired = is_whole(run.folder, run.entry.keys)
    return [*found, settle(Damage(name, "content", repaired, killed)), *hot]


def _kill_lost(engine: Engine, run: Run, lost: npt.NDArray[np.int64]) -> int:
    """Rows that nobody can name; gives how many of them were alive."""
    if not len(lost):
        return 0
    with engine.lock:
        alive = lost[run.table.are_alive(lost)]
        engine.core.kill(run.table, alive)
        run.table.dirty = True
        run.is_saved = False  # so that no commit names the new key file without these being dead
    return len(alive)


def repair_hot(engine: Engine, run: Run) -> list[Damage]:
    """Repair, in memory, the blocks of hot columns that are damaged and not in use yet."""
    found = []
    for block in range(len(run.table.checked)):
        if run.table.checked[block]:
            continue
        bad = run.hot_file.damaged_sections(block)
        if bad:
            found.append(_repair_block(engine, run, block, bad))
    if found:  # every block is good now
        with engine.lock:
            run.table.dead = int(np.count_nonzero(run.table.raw.flags & DEAD))
    return found


def _repair_block(engine: Engine, run: Run, block: int, bad: list[str]) -> Damage:
    start, stop = block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, run.rows)
    columns, where = run.table.raw, slice(start, stop)
    note = SINCE
    try:
        if bad == ["dead"]:
            note = ""
        else:
            shown = run.parquet.read_hot(start, stop)
            if "last" in bad:
                columns.last_s[where] = shown["last_accessed"]
            if "count" in bad:
                columns.count[where] = shown["access_count"]
            if "heat" in bad:
                columns.heat[where] = logs_of(shown["heat_score"], engine.shared.heat, run.entry.written_s)
            if "flags" in bad:
                dead = np.zeros(stop - start, np.uint8) if "dead" in bad else run.hot_file.dead_bits(block)
                columns.flags[where] = shown["flags"] | dead * DEAD
    except DamagedIndex:
        note = "the hot columns of these rows are lost"
        _reset(run, block, bad)
    run.hot_file.settle(block)
    if "flags" in bad and "dead" in bad:
        kill_replaced(engine, run, start, stop)
    name = run.hot_file.name
    return engine.shared.damages.settle(Damage(name, f"{', '.join(bad)} of block {block}", True, 0, note))


def _reset(run: Run, block: int, bad: list[str]) -> None:
    where, columns = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS), run.table.raw
    for section, array, value in (
        ("last", columns.last_s, 0.0), ("heat", columns.heat, -np.inf), ("count", columns.count, 0),
    ):  # fmt: skip
        if section in bad:
            array[where] = value
    if "flags" in bad:
        columns.flags[where] = 0 if "dead" in bad else run.hot_file.dead_bits(block) * DEAD


def kill_replaced(engine: Engine, run: Run, start: int, stop: int) -> None:
    """Nobody knows any more which of these rows were dead: those that are alive elsewhere were."""
    keys = [key for piece in run.keys.pieces(start, stop) for key in piece.as_bytes()]
    try:
        places = list(engine.core.find_many(keys, everywhere=True))
    except DamagedIndex:
        for other in engine.core.runs:
            if other is not run:
                with suppress(DamagedIndex):  # whoever verifies that run sees to it
                    repair_run(engine, other)
        places = list(engine.core.find_many(keys, everywhere=True))
    for holder, _, rows in places:
        if holder is not run:
            rows = np.unique(rows + start)
            engine.core.kill(run.table, rows[run.table.are_alive(rows)])
