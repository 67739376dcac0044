"""How runs come to be: rows of memory become a run, several runs become one.

Writers go on meanwhile. Whoever copies hot columns has the changed rows noted from the start
(`HotTable.watch`) and copies these again, under the lock, when the new run takes the place of its sources.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .engine import Engine
from .hot import empty_hot
from .keys import Group, by_width, concatenated, group, sort_order
from .manifest import RunEntry
from .memory import Generation
from .run import Run
from .segment import DEAD, HotColumns
from .writer import write_orders

__all__ = ["Compacted", "compact", "due", "flush", "sliced"]

Rows = npt.NDArray[np.int64]

# So many runs of like size become one.
TIER_RUNS = 4
# A run with more dead rows than this is rewritten alone.
DEAD_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did: runs that went, the run that came, its rows, and the dead rows that went with
    them."""

    runs_before: int
    runs_after: int
    rows: int = 0
    dropped_rows: int = 0


# -- memory to a run ------------------------------------------------------------------------------------


def flush(engine: Engine) -> bool:
    """Write the rows outside runs as a run; says whether there were any. Committed by the caller."""
    with engine.lock:
        generations = [generation for generation in engine.core.generations if generation.rows]
        capacity = generations[-1].capacity if generations else 0
        for generation in generations:
            generation.capacity = generation.rows
            generation.table.watch = []
        engine.log.rotate()
    if not generations:
        return False
    try:
        run, moved = _write_generations(engine, generations)
        with engine.lock:
            if run is not None:
                for generation, new_rows in zip(generations, moved, strict=True):
                    changed = _watched(generation.table.watch)
                    changed = changed[new_rows[changed] >= 0]
                    run.table.overwrite(new_rows[changed], generation.table.columns, changed)
                run.is_saved = not run.table.dirty
            engine.core.swap([], [] if run is None else [run], generations)
    except BaseException:
        with engine.lock:  # nothing has come of it: go on filling the youngest
            if engine.core.generations[-1:] == generations[-1:]:
                generations[-1].capacity = capacity
        raise
    finally:
        for generation in generations:
            generation.table.watch = None
    return True


def _write_generations(engine: Engine, generations: Sequence[Generation]) -> tuple[Run | None, list[Rows]]:
    """The run, and the new row of each old one (-1 for those that were dead)."""
    keys: list[bytes] = []
    places: list[tuple[int, int]] = []
    moved = []
    for number, generation in enumerate(generations):
        flags = generation.table.columns.flags[: generation.rows].copy()
        moved.append(np.full(generation.rows, -1, np.int64))
        for row in np.flatnonzero((flags & DEAD) == 0).tolist():
            keys.append(generation.keys[row])
            places.append((number, row))
    if not keys:
        return None, moved
    groups, order = [], []
    for unsorted, rows in group(by_width(keys)):
        by_key = sort_order(unsorted)
        groups.append(unsorted.take(by_key))
        order.append(rows[by_key])
    ordered = np.concatenate(order)
    for new, at in enumerate(ordered.tolist()):
        number, row = places[at]
        moved[number][row] = new
    writer = engine.writer([(part.prefix, part.digest_bytes, len(part)) for part in groups], engine.clock())
    chosen = [places[at] for at in ordered.tolist()]
    for start in range(0, len(chosen), writer.part_rows):
        some = chosen[start : start + writer.part_rows]
        values = [generations[number].static_rows[row] for number, row in some]
        static = {
            column.number: pa.array([value.get(column.number) for value in values], column.type)
            for column in engine.shared.columns.static
        }
        writer.add(sliced(groups, start, start + len(some)), static, _states(generations, some))
    return _opened(engine, writer.finish(engine.log.next)), moved


def _states(generations: Sequence[Generation], places: Sequence[tuple[int, int]]) -> HotColumns:
    numbers = np.array([number for number, _ in places])
    rows = np.array([row for _, row in places], np.int64)
    tables = [generation.table.columns for generation in generations]
    out = empty_hot(len(places))
    for number, columns in enumerate(tables):
        mine = numbers == number
        for name in ("last_s", "heat", "count", "flags"):
            getattr(out, name)[mine] = getattr(columns, name)[rows[mine]]
    return out


def sliced(groups: Sequence[Group], start: int, stop: int) -> list[Group]:
    """The groups of consecutive rows."""
    found, at = [], 0
    for part in groups:
        low, high = max(start - at, 0), min(stop - at, len(part))
        if low < high:
            found.append(part.slice(low, high))
        at += len(part)
    return found


# -- runs to a run --------------------------------------------------------------------------------------


def due(runs: Sequence[Run], flush_rows: int) -> list[Run]:
    """The runs that a step of size-tiered compaction would make one; none if nothing is due."""
    tiers: dict[int, list[Run]] = {}
    for run in runs:
        if run.table.dead > DEAD_SHARE * run.rows:
            return [run]
        size = max(run.rows - run.table.dead, flush_rows) / flush_rows
        tiers.setdefault(int(math.log(size, TIER_RUNS) + 1e-9), []).append(run)
    for tier in sorted(tiers):
        if len(tiers[tier]) >= TIER_RUNS:
            return tiers[tier]
    return []


def compact(engine: Engine, runs: Sequence[Run]) -> Compacted:
    """Make one run of several, without their dead rows, and commit."""
    before = len(engine.core.runs)
    with engine.lock:
        for run in runs:
            run.table.watch = []
            run.keys.doubt()  # what is written anew gets checksums that would make any damage look whole
        log_next = engine.log.next
    try:
        merged = _merge(engine, runs, log_next)
        with engine.lock:
            if merged is not None:
                for run in runs:
                    _carry_over(run, _watched(run.table.watch), merged)
            engine.core.swap(runs, [] if merged is None else [merged])
    finally:
        for run in runs:
            run.table.watch = None
    for run in runs:
        engine.shared.decoded.drop(run.entry.uid)
        engine.shared.groups.drop(run.entry.uid)
    rows = 0 if merged is None else merged.rows
    dropped = sum(run.rows for run in runs) - rows
    engine.commit()
    return Compacted(before, len(engine.core.runs), rows, dropped)


def _merge(engine: Engine, runs: Sequence[Run], boundary: int) -> Run | None:
    with engine.lock:
        alive = [(run.table.columns.flags & DEAD) == 0 for run in runs]
    shapes = _shapes(runs, alive)
    if not shapes:
        return None
    writer = engine.writer(shapes, engine.clock())
    numbers = [column.number for column in engine.shared.columns.static]
    for spans in _chunks(runs, [prefix for prefix, _, _ in shapes], writer.part_rows):
        keys, static, hot = [], [], []
        for run, mask, (start, stop) in zip(runs, alive, spans, strict=True):
            chosen = np.flatnonzero(mask[start:stop])
            if not len(chosen):
                continue
            (piece,) = run.keys.pieces(start, stop)
            keys.append(piece.take(chosen))
            every = len(chosen) == stop - start
            columns = run.read_rows(numbers, start, stop)
            static.append(
                columns if every else {n: array.take(pa.array(chosen)) for n, array in columns.items()}
            )
            hot.append(_picked(run.table.columns, chosen + start))
        if not keys:
            continue
        merged, order = concatenated(keys), None
        if len(keys) > 1:
            order = sort_order(merged)
            merged = merged.take(order)
        writer.add([merged], _ordered(static, order), _ordered_hot(hot, order))
        for run in runs:
            run.keys.release()
    return _opened(engine, writer.finish(boundary))


def _shapes(runs: Sequence[Run], alive: Sequence[npt.NDArray[np.bool_]]) -> list[tuple[bytes, int, int]]:
    """Live rows by prefix."""
    found: dict[bytes, tuple[int, int]] = {}
    for run, mask in zip(runs, alive, strict=True):
        for prefix, digest_bytes, _ in run.keys.shapes:
            start, stop = run.keys.span(prefix)
            rows = found.get(prefix, (0, 0))[1] + int(np.count_nonzero(mask[start:stop]))
            found[prefix] = digest_bytes, rows
    return [(prefix, *found[prefix]) for prefix in sorted(found) if found[prefix][1]]


def _chunks(
    runs: Sequence[Run], prefixes: Sequence[bytes], chunk_rows: int
) -> Iterator[list[tuple[int, int]]]:
    """Consecutive ranges of keys, as the rows of each run that lie in them: about `chunk_rows` together."""
    for prefix in prefixes:
        spans = [run.keys.span(prefix) for run in runs]
        largest = max(range(len(runs)), key=lambda at: spans[at][1] - spans[at][0])
        start, stop = spans[largest]
        total = sum(high - low for low, high in spans)
        step = max(1, (stop - start) * chunk_rows // total)
        cuts = np.array(
            [runs[largest].keys.number_at(row) for row in range(start + step, stop, step)], np.uint64
        )
        cuts = np.unique(cuts)  # rows of one number stay together
        bounds = [
            [low, *run.keys.bounds(prefix, cuts).tolist(), high] if high > low else [low] * (len(cuts) + 2)
            for run, (low, high) in zip(runs, spans, strict=True)
        ]
        for at in range(len(cuts) + 1):
            yield [(bound[at], bound[at + 1]) for bound in bounds]


def _ordered(static: Sequence[dict[int, pa.Array]], order: Rows | None) -> dict[int, pa.Array]:
    if order is None:
        return static[0]
    places = pa.array(order)
    return {
        number: pa.concat_arrays([columns[number] for columns in static]).take(places) for number in static[0]
    }


def _ordered_hot(hot: Sequence[HotColumns], order: Rows | None) -> HotColumns:
    if order is None:
        return hot[0]
    return HotColumns(
        *(
            np.concatenate([getattr(part, name) for part in hot])[order]
            for name in ("last_s", "heat", "count", "flags")
        )
    )


def _picked(columns: HotColumns, rows: Rows) -> HotColumns:
    return HotColumns(
        columns.last_s[rows], columns.heat[rows], columns.count[rows], columns.flags[rows] & ~np.uint8(DEAD)
    )


def _carry_over(old: Run, changed: Rows, new: Run) -> None:
    """Copy the hot state of rows that changed while they were merged."""
    rows = changed
    for keys in old.keys.take(changed):
        some, rows = rows[: len(keys)], rows[len(keys) :]
        found = new.keys.find_many(keys)
        here = found >= 0
        new.table.overwrite(found[here], old.table.columns, some[here])
    new.is_saved = not new.table.dirty


# -- both -----------------------------------------------------------------------------------------------


def _opened(engine: Engine, entry: RunEntry) -> Run:
    run = engine.open_run(entry)
    write_orders(run, engine.manifest.layout.indexes)
    return run


def _watched(changed: Sequence[Rows] | None) -> Rows:
    return np.unique(np.concatenate(changed)) if changed else np.empty(0, np.int64)
