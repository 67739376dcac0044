"""The CID index: what is known about each CID, found by CID in microseconds and by anything else in
milliseconds.

Rows live in sorted Parquet runs and, until they are written there, in memory and in the log. What changes
with every access lives in mapped arrays beside them. An acknowledged change is in the log, so it survives
`kill -9`; `sync` and `checkpoint` make it survive a power cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ....schemas.errors import BadRequest, DamagedIndex, NotFound
from ..columns import Columns
from ..heat import Heat
from . import changes, evolution, upkeep, verify
from .compaction import Compacted
from .damage import Damage
from .engine import Engine, IndexOptions
from .export import export_batches
from .ingest import ingest
from .keys import key_of, text_of
from .layout import Layout
from .opening import close_engine, open_engine
from .report import stats
from .rows import HotRow, hot_row, to_python, whole_row
from .segment import DEAD
from .snapshots import IndexSnapshot

__all__ = ["CidIndex", "Compacted", "Damage", "HotRow", "IndexOptions"]


DEFAULTS = IndexOptions()


class CidIndex:
    """An open index; one process has it open at a time.

    Writers and readers may be of different threads. `checkpoint`, `compact`, `tend`, `verify` and `ingest`
    take long
    and belong in a worker thread; meanwhile everything else goes on. Whatever reads from files raises
    DamagedIndex
    where they do not match their checksums.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core, self._shared, self._clock = engine.core, engine.shared, engine.clock

    @classmethod
    def open(
        cls, folder: Path, options: IndexOptions = DEFAULTS, *, clock: Callable[[], float] = time.time
    ) -> Self:
        """Open or create; raises Conflict if another process has it open.

        Where no manifest is good, the old files are moved into `damaged-<unix time>/`, and the index begins
        with the rows that their Parquet files still have. That is logged, and in `stats()["damaged"]`.
        """
        return cls(open_engine(folder, options, clock))

    def close(self) -> None:
        """Write everything and let the folder go."""
        close_engine(self._engine)

    # -- what it is -----------------------------------------------------------------------------------

    @property
    def columns(self) -> Columns:
        return self._shared.columns

    @property
    def schema(self) -> pa.Schema:
        return self._shared.columns.schema()

    @property
    def heat(self) -> Heat:
        return self._shared.heat

    @property
    def layout(self) -> Layout:
        return self._engine.manifest.layout

    @property
    def record_count(self) -> int:
        return self._core.record_count

    def stats(self) -> dict[str, Any]:
        """Counts, sizes, runs and damage."""
        return stats(self._engine)

    # -- single rows ----------------------------------------------------------------------------------

    def get(self, cid: str, columns: Sequence[str] | None = None) -> dict[str, Any] | None:
        """A row with all columns, or some; None if the CID is unknown. Times are Unix seconds."""
        key = key_of(cid)
        place = self._core.find(key)
        self._core.looked_up(1)
        if place is None:
            return None
        known = self._shared.columns
        if columns is None:
            static = place.holder.static(place.row, None)
            hot = hot_row(place.table, place.row, self._shared.heat, self._clock())
            return whole_row(text_of(key), static, hot, known)
        wanted = [_known(known, name) for name in columns]
        numbers = [column.number for column in wanted if column.kind == "static"]
        static = place.holder.static(place.row, numbers)
        hot = hot_row(place.table, place.row, self._shared.heat, self._clock())
        row: dict[str, Any] = {}
        for column in wanted:
            if column.kind == "static":
                row[column.name] = to_python(static.get(column.number), column.type)
            else:
                row[column.name] = text_of(key) if column.kind == "key" else getattr(hot, column.name)
        return row

    def hot(self, cid: str) -> HotRow | None:
        """The changing columns of a CID, without touching Parquet; None if it is unknown."""
        return self.hot_by_key(key_of(cid))

    def hot_by_key(self, key: bytes) -> HotRow | None:
        """The same by binary CID."""
        place = self._core.located.get(key)
        if place is None or place[0].flags[place[1]] & DEAD:
            place = self._core.locate(key)
            if place is None:
                return None
        table, row = place
        return hot_row(table, row, self._shared.heat, self._clock())

    def put(self, row: Mapping[str, object]) -> None:
        """Add a row, or replace the whole static part of the one with its `cid`.

        The hot state of a known CID stays but for what is given of it. Raises BadRequest for unknown columns
        and
        values that do not fit.
        """
        changes.put_many(self._engine, [row])

    def put_many(self, rows: Sequence[Mapping[str, object]]) -> int:
        """Put rows, in order; none if one of them is refused. Gives their number."""
        return changes.put_many(self._engine, rows)

    def update(self, cid: str, given: Mapping[str, object]) -> dict[str, Any]:
        """Change some columns of a row and give the whole row; raises NotFound and BadRequest."""
        changes.update(self._engine, key_of(cid), given)
        row = self.get(cid)
        if row is None:
            raise NotFound("CID", cid)
        return row

    def set_hot(
        self, cid: str, *, pinned: bool | None = None, valid: bool | None = None, tier: str | None = None
    ) -> bool:
        """Change pins, validity or the storage tier; False if the CID is unknown."""
        given = {"is_pinned": pinned, "valid": valid, "storage_tier": tier}
        given = {name: value for name, value in given.items() if value is not None}
        return changes.set_hot(self._engine, key_of(cid), given)

    def delete(self, cids: Sequence[str]) -> int:
        """Delete rows; gives how many there were."""
        return changes.delete(self._engine, [key_of(cid) for cid in cids])

    # -- accesses -------------------------------------------------------------------------------------

    def touch(self, accesses: Sequence[tuple[str | bytes, int, float]]) -> list[str | bytes]:
        """Count accesses: CID (text or bytes), how many, and when. Gives those that are unknown."""
        return changes.touch(self._engine, accesses)

    def touch_weighted(self, cid: str | bytes, *, at_s: float, weight: float, count: int = 0) -> bool:
        """Warm a CID by a weight, counting `count` accesses; False if it is unknown."""
        key = cid if isinstance(cid, bytes) else key_of(cid)
        return changes.touch_weighted(self._engine, key, at_s, weight, count)

    # -- many rows ------------------------------------------------------------------------------------

    def snapshot(self) -> IndexSnapshot:
        """The rows of this moment, for queries."""
        engine = self._engine
        with engine.lock:
            segments, version = self._core.segments(), self._core.version
        shared = self._shared
        return IndexSnapshot(shared.columns, shared.heat, segments, self._clock(), version, engine)

    def ingest(self, table: pa.Table) -> int:
        """Write the rows of a table straight into a run and commit; gives the number of rows.

        `cid` is text or binary; other columns are those of the index. Of rows with one CID the last counts.
        Raises BadRequest.
        """
        with self._engine.upkeep, upkeep.writing(self._engine):
            return ingest(self._engine, table)

    def export_batches(self) -> Iterator[pa.RecordBatch]:
        """Every live row with all columns, in batches of bounded size; by CID within a segment."""
        return export_batches(self.snapshot())

    # -- upkeep ---------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Bring the log to the disk."""
        with self._engine.lock:
            self._engine.log.sync()

    def checkpoint(self) -> None:
        """Write memory rows as a run and hot columns anew, commit, and drop the log up to here."""
        upkeep.checkpoint(self._engine)

    def compact(self, *, full: bool = False) -> Compacted:
        """One step of size-tiered compaction if one is due, or everything into one run of the present
        layout."""
        return upkeep.compact(self._engine, full=full)

    def tend(self) -> None:
        """Do what is due: repair what readers found damaged, checkpoint, a compaction step, a new epoch of
        heat."""
        verify.heal(self._engine)
        try:
            upkeep.tend(self._engine)
        except DamagedIndex:
            verify.heal(self._engine, whole=True)
            upkeep.tend(self._engine)

    def verify(self) -> list[Damage]:
        """Read every file, repair what can be, and say what was found.

        Rows that cannot be read or named any more are lost and counted; everything else reads again after
        this. A run of which nothing is left is dropped, its files moved into `damaged/`.
        """
        return verify.verify(self._engine)

    def set_layout(self, layout: Layout) -> None:
        """Lay out the runs written from now on like this; raises BadRequest."""
        evolution.set_layout(self._engine, layout)

    def set_half_life(self, half_life_s: float) -> None:
        """Another half-life from now on; the scores of this moment stay as they are."""
        upkeep.rescale(self._engine, half_life_s)

    # -- columns --------------------------------------------------------------------------------------

    def add_column(self, name: str, type: pa.DataType) -> None:  # noqa: A002
        """A new column, null in all rows; raises BadRequest."""
        evolution.add_column(self._engine, name, type)

    def rename_column(self, old: str, new: str) -> None:
        """Another name for a static column; raises BadRequest."""
        evolution.rename_column(self._engine, old, new)

    def widen_column(self, name: str, type: pa.DataType) -> None:  # noqa: A002
        """A type that holds all values of the present one; raises BadRequest."""
        evolution.widen_column(self._engine, name, type)


def _known(columns: Columns, name: str) -> Any:
    if name not in columns:
        raise BadRequest(name, "no such column")
    return columns[name]
