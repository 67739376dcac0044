"""Reading every file of an index, and repairing it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ....schemas.errors import DamagedIndex
from . import compaction
from .damage import Damage
from .engine import Engine
from .files import checksum
from .log import Kind
from .manifest import COPIES, FileEntry
from .mending import is_whole
from .partition import Partition
from .records import encode_keys
from .repair import repair_run
from .run import Run
from .runfiles import run_folder
from .upkeep import checkpoint, writing
from .writer import write_orders

__all__ = ["heal", "verify"]

log = logging.getLogger(__name__)


def verify(engine: Engine) -> list[Damage]:
    """See `CidIndex.verify`."""
    with engine.upkeep, writing(engine):
        found = _verify_manifest(engine)
        found += _verify_log(engine)
        found += _verify_runs(engine, sorted(run.entry.number for run in engine.core.runs))
        engine.shared.damages.take_met()  # all of it has been seen to
        found += [damage for damage in engine.shared.damages.unrepaired if damage not in found]
    return found


def heal(engine: Engine, *, whole: bool = False) -> list[Damage]:
    """Repair the runs in whose files readers have met damage since this was called last, or all runs; one
    warning for each damage."""
    with engine.upkeep, writing(engine):
        met = {file.partition("/")[0] for file in engine.shared.damages.take_met()}
        if not met:
            return []
        numbers = [run.entry.number for run in engine.core.runs if whole or run.folder.name in met]
        found = _verify_runs(engine, numbers)
        for name in met - {run.folder.name for run in engine.core.runs}:
            engine.shared.damages.forget(name)  # a snapshot reads what is no part of the index any more
        engine.shared.damages.take_met()
    for damage in found:
        outcome = "repaired" if damage.repaired else "not repaired"
        log.warning(
            "%s was damaged on disk (%s): %s, %d rows lost%s",
            damage.file, damage.part, outcome, damage.lost_rows, f"; {damage.note}" if damage.note else "",
        )  # fmt: skip
    return found


def _verify_runs(engine: Engine, numbers: list[int]) -> list[Damage]:
    found: list[Damage] = []
    for number in numbers:
        run = next(run for run in engine.core.runs if run.entry.number == number)
        settled = len(found)
        try:
            for damage in _verify_run(engine, run):
                found.append(damage)
        except DamagedIndex as error:
            del found[settled:]
            found.append(_give_up(engine, run, error))
    if engine.uncommitted:
        engine.commit()
    engine.tidy()
    for number in numbers:
        if all(run.entry.number != number for run in engine.core.runs):
            engine.shared.damages.forget(run_folder(engine.folder, number).name)
    return found


def _verify_manifest(engine: Engine) -> list[Damage]:
    bad = []
    for name in COPIES:
        path = engine.folder / name
        data = path.read_bytes() if path.exists() else b""
        if data[:17] != b"%016x\n" % checksum(data[17:]):
            bad.append(name)
    if bad:
        engine.commit()
    return [engine.shared.damages.settle(Damage(name, "content", repaired=True)) for name in bad]


def _verify_log(engine: Engine) -> list[Damage]:
    """What a damaged record says is in memory: after a checkpoint nobody needs the record."""
    with engine.lock:
        bad = engine.log.damaged()
    if bad:
        checkpoint(engine)
    return [engine.shared.damages.settle(Damage(name, "records", repaired=True)) for name in bad]


def _verify_run(engine: Engine, run: Run) -> Iterator[Damage]:
    """Whatever is written anew is committed together: a crash leaves the state before."""
    settle = engine.shared.damages.settle
    found = repair_run(engine, run)
    bad_hot = any(damage.file == run.hot_file.name for damage in found)
    if not bad_hot and not is_whole(run.folder, run.entry.hot):
        # Damaged on disk, but every block that is damaged had been read before.
        found.append(settle(Damage(run.hot_file.name, "content", repaired=True)))
    if found:
        engine.save_hot(run)
        engine.commit()
    yield from found
    orders = {number: entry for number, entry in run.entry.orders.items() if not is_whole(run.folder, entry)}
    yield from _verify_parts(engine, run)
    if run in engine.core.runs:
        yield from _verify_orders(engine, run, orders)
    else:  # what came in its place has orders of its own
        for entry in orders.values():
            yield settle(Damage(f"{run.folder.name}/{entry.name}", "content", repaired=True))


def _verify_orders(engine: Engine, run: Run, bad: dict[int, FileEntry]) -> list[Damage]:
    found = []
    for number, entry in bad.items():
        name = next((column.name for column in engine.shared.columns if column.number == number), "")
        write_orders(run, [name])
        damage = Damage(f"{run.folder.name}/{entry.name}", "content", repaired=True)
        found.append(engine.shared.damages.settle(damage))
    if found:
        engine.commit()
    return found


def _verify_parts(engine: Engine, run: Run) -> list[Damage]:
    """Rows of damaged row groups are lost; the others are written anew."""
    damaged: list[tuple[Partition, list[int]]] = []
    per_part = run.entry.part_rows // run.entry.row_group_rows
    for parts in (run.parquet.parts, run.parquet.cold_parts):
        for number, part in enumerate(parts):
            groups = part.damaged_groups()
            if groups or not is_whole(run.folder, part.entry):
                damaged.append((part, groups))
                run.parquet.lost_groups |= {number * per_part + group for group in groups}
    if not damaged:
        return []
    lost = _delete_lost(engine, run)
    if lost and run.table.dead == run.rows:  # nothing is left to be written anew
        _drop(engine, run)
    else:
        compaction.compact(engine, [run])
    found = []
    for part, groups in damaged:
        share = lost if part is damaged[0][0] else 0
        what = f"row groups {', '.join(map(str, groups))}" if groups else "bytes that no column uses"
        found.append(engine.shared.damages.settle(Damage(part.name, what, True, share)))
    return found


def _give_up(engine: Engine, run: Run, error: DamagedIndex) -> Damage:
    """A run that nothing can be read of goes; its files stay for whoever wants to try."""
    lost = run.rows - run.table.dead
    _drop(engine, run)
    note = f"beyond repair ({error}); its files are in damaged/"
    return engine.shared.damages.settle(Damage(run.folder.name, "the whole run", True, lost, note))


def _drop(engine: Engine, run: Run) -> None:
    with engine.lock:
        engine.core.swap([run], [])
    engine.shared.decoded.drop(run.entry.uid)
    engine.shared.groups.drop(run.entry.uid)
    engine.uncommitted = True  # nothing is deleted
    engine.set_aside(run.entry.number)
    engine.commit()


def _delete_lost(engine: Engine, run: Run) -> int:
    rows_per_group, keys, lost = run.entry.row_group_rows, [], []
    with engine.lock:
        for group in sorted(run.parquet.lost_groups):
            rows = np.arange(group * rows_per_group, min((group + 1) * rows_per_group, run.rows))
            rows = rows[run.table.are_alive(rows)]
            lost.append(rows)
            keys += _keys(run, rows)
        if keys:
            engine.log.append(Kind.DELETE, encode_keys(keys))
        for rows in lost:
            engine.core.kill(run.table, rows)
    return len(keys)


def _keys(run: Run, rows: npt.NDArray[np.int64]) -> list[bytes]:
    return [key for group in run.keys.take(rows) for key in group.as_bytes()]
