"""An index whose manifests are lost, from the Parquet files of its runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ....schemas.errors import BusError
from ..columns import BUILT_IN, FIRST_OWN
from . import evolution
from .engine import Engine
from .hotfile import raw_sections
from .ingest import ingest

__all__ = ["rebuild"]

log = logging.getLogger(__name__)

# So many rows at a time become a run.
BATCH_ROWS = 1 << 18


def rebuild(engine: Engine, folder: Path) -> int:
    """Ingest what can be read of the runs in a folder, the newest last; gives the number of rows.

    Which rows were replaced or deleted is read from the hot files, as far as these are good; hot columns are
    as of when the runs were written. What only the log knew is lost.
    """
    for run in sorted(folder.glob("run-*")):
        waiting: list[pa.Table] = []
        for table in _tables(run):
            waiting.append(table)
            if sum(map(len, waiting)) >= BATCH_ROWS:
                _ingest(engine, run, waiting)
                waiting = []
        if waiting:
            _ingest(engine, run, waiting)
    return engine.core.record_count


def _ingest(engine: Engine, run: Path, tables: list[pa.Table]) -> None:
    try:
        table = pa.concat_tables(tables)
        names = [_name(engine, field) for field in table.schema]
        ingest(engine, table.rename_columns(names))
    except (OSError, pa.ArrowException, BusError) as error:
        log.warning("rows of %s cannot be taken over: %s", run, error)


def _name(engine: Engine, field: pa.Field) -> str:
    """What a column is called now: built-in ones go by number, own ones are added."""
    number = int((field.metadata or {}).get(b"PARQUET:field_id", b"0"))
    if 0 < number < FIRST_OWN:
        return next((column.name for column in BUILT_IN if column.number == number), str(field.name))
    if field.name not in engine.shared.columns:
        evolution.add_column(engine, field.name, field.type)
    return str(field.name)


def _tables(run: Path) -> Iterator[pa.Table]:
    """The live rows of each row group that can be read."""
    paths = sorted(run.glob("part-*.parquet"))
    parts = [_opened(path) for path in paths]
    rows = sum(part.metadata.num_rows for part in parts if part is not None)
    alive = None if None in parts else _alive(run, rows)
    at, has_cold = 0, any(run.glob("cold-*.parquet"))
    for path, part in zip(paths, parts, strict=True):
        if part is None:
            continue
        cold_path = path.with_name(path.name.replace("part-", "cold-"))
        cold = _opened(cold_path) if has_cold else None
        if has_cold and cold is None:  # half of a row is not served
            at += part.metadata.num_rows
            continue
        for group in range(part.num_row_groups):
            count = part.metadata.row_group(group).num_rows
            mask = None if alive is None else pa.array(alive[at : at + count])
            at += count
            try:
                table = part.read_row_group(group)
                if cold is not None:
                    for field, column in zip(cold.schema_arrow, cold.read_row_group(group), strict=True):
                        table = table.append_column(field, column)
            except (OSError, ValueError) as error:  # Arrow's errors are of these
                log.warning("row group %d of %s cannot be read: %s", group, path, error)
                continue
            yield table if mask is None else table.filter(mask)


def _opened(path: Path) -> pq.ParquetFile | None:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return None


def _alive(run: Path, rows: int) -> npt.NDArray[np.bool_] | None:
    """Which rows of a run are alive; None if its hot file does not say."""
    files = sorted(run.glob("hot.*"), key=lambda path: int(path.suffix[1:]))
    if not files:
        return None
    _, dead = raw_sections(files[-1], rows)
    return None if dead is None or len(dead) != rows else dead == 0
