"""Reading every file of an index, and repairing it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ....schemas.errors import DamagedIndex
from . import compaction
from .damage import Damage
from .engine import Engine
from .files import checksum, file_checksum, fill
from .log import Kind
from .manifest import COPIES, FileEntry, write_manifest
from .partition import Partition, chunks_of
from .records import encode_keys
from .repair import repair_hot, repair_keys
from .run import Run
from .upkeep import checkpoint
from .writer import write_orders

__all__ = ["verify"]


def verify(engine: Engine) -> list[Damage]:
    """See `CidIndex.verify`."""
    found: list[Damage] = []
    with engine.upkeep:
        found += _verify_manifest(engine)
        found += _verify_log(engine)
        for number in [run.entry.number for run in engine.core.runs]:
            found += _verify_run(engine, engine.open_runs[number])
        engine.tidy()
        found += [damage for damage in engine.shared.damages.unrepaired if damage not in found]
    return found


def _verify_manifest(engine: Engine) -> list[Damage]:
    bad = []
    for name in COPIES:
        path = engine.folder / name
        data = path.read_bytes() if path.exists() else b""
        if data[:17] != b"%016x\n" % checksum(data[17:]):
            bad.append(name)
    if bad:
        write_manifest(engine.folder, engine.manifest)
    return [engine.shared.damages.settle(Damage(name, "content", repaired=True)) for name in bad]


def _verify_log(engine: Engine) -> list[Damage]:
    """What a damaged record says is in memory: after a checkpoint nobody needs the record."""
    with engine.lock:
        bad = engine.log.damaged()
    if bad:
        checkpoint(engine)
    return [engine.shared.damages.settle(Damage(name, "records", repaired=True)) for name in bad]


def _verify_run(engine: Engine, run: Run) -> list[Damage]:
    found = _verify_chunks(engine, run)
    found += repair_keys(engine, run)
    hot = repair_hot(engine, run)
    if not hot and not _is_whole(run, run.entry.hot):
        # Damaged on disk, but every block that is damaged had been read before.
        hot = [engine.shared.damages.settle(Damage(run.hot_file.name, "content", repaired=True))]
    if hot:
        engine.save_hot(run)
        engine.commit()
    found += hot
    found += _verify_orders(engine, run)
    return found + _verify_parts(engine, run)


def _verify_chunks(engine: Engine, run: Run) -> list[Damage]:
    """The checksums of column chunks are made again from files that are whole."""
    if _is_whole(run, run.entry.chunks):
        return []
    name = f"{run.folder.name}/{run.entry.chunks.name}"
    files = [*run.entry.parts, *run.entry.cold]
    if not all(_is_whole(run, file) for file in files):
        return [engine.shared.damages.settle(Damage(name, "content", repaired=False))]
    fill(
        run.folder / run.entry.chunks.name,
        b"".join(chunks_of(run.folder / file.name).tobytes() for file in files),
    )
    run.parquet.forget_parts()
    return [engine.shared.damages.settle(Damage(name, "content", repaired=_is_whole(run, run.entry.chunks)))]


def _verify_orders(engine: Engine, run: Run) -> list[Damage]:
    bad = {number: entry for number, entry in run.entry.orders.items() if not _is_whole(run, entry)}
    found = []
    for number, entry in bad.items():
        name = next(column.name for column in engine.shared.columns if column.number == number)
        try:
            write_orders(run, [name])
            repaired = True
        except DamagedIndex:
            repaired = False
        damage = Damage(f"{run.folder.name}/{entry.name}", "content", repaired)
        found.append(engine.shared.damages.settle(damage))
    if found:
        engine.commit()
    return found


def _verify_parts(engine: Engine, run: Run) -> list[Damage]:
    """Rows of damaged row groups are lost; the others are written anew."""
    damaged: list[tuple[Partition, list[int]]] = []
    per_part = run.entry.part_rows // run.entry.row_group_rows
    try:
        both = (run.parquet.parts, run.parquet.cold_parts)
    except DamagedIndex:
        return _lose_run(engine, run)
    for parts in both:
        for number, part in enumerate(parts):
            groups = part.damaged_groups()
            if groups or not _is_whole(run, part.entry):
                damaged.append((part, groups))
                run.parquet.lost_groups |= {number * per_part + group for group in groups}
    if not damaged:
        return []
    lost = _delete_lost(engine, run)
    compaction.compact(engine, [run])
    found = []
    for part, groups in damaged:
        share = lost if part is damaged[0][0] else 0
        what = f"row groups {', '.join(map(str, groups))}" if groups else "bytes that no column uses"
        found.append(engine.shared.damages.settle(Damage(part.name, what, True, share)))
    return found


def _lose_run(engine: Engine, run: Run) -> list[Damage]:
    run.parquet.lost_groups = set(range(-(-run.rows // run.entry.row_group_rows)))
    lost = _delete_lost(engine, run)
    compaction.compact(engine, [run])
    return [engine.shared.damages.settle(Damage(run.folder.name, "no part can be checked", True, lost))]


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


def _is_whole(run: Run, entry: FileEntry) -> bool:
    path = run.folder / entry.name
    return path.exists() and file_checksum(path) == (entry.size, entry.checksum)
