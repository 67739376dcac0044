"""Bulk rows: an Arrow table becomes a run at once, without passing through memory rows and the log."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.errors import BadRequest
from ..columns import TIERS, Column, Columns
from ..heat import Heat
from .compaction import sliced
from .core import Holder
from .engine import Engine
from .hot import MAX_COUNT, empty_hot
from .keys import Group, by_width, group, same_as_next, sort_order
from .log import Kind
from .records import encode_keys
from .run import Run
from .segment import DEAD, INVALID, PINNED, TIER_SHIFT, HotColumns
from .text import decode_cids, group_cids
from .writer import write_orders

__all__ = ["ingest"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TIER_BITS = 3 << TIER_SHIFT


def ingest(engine: Engine, table: pa.Table) -> int:
    """Write the rows of a table as a run and commit; of rows with one CID the last counts. Gives their
    number."""
    columns = _checked(table, engine.shared.columns)
    if not len(table):
        return 0
    groups, order = _sorted_keys(columns.pop("cid"))
    now_s = engine.clock()
    given = _given_hot(columns, len(table), engine.shared.heat, now_s)
    run = _write(engine, groups, order, columns, given, now_s)
    existing = _existing(engine, run)
    with engine.lock:
        _take_over(engine, run, existing, given.of(order))
        engine.core.swap([], [run])
    engine.commit()
    return run.rows


class _Given(NamedTuple):
    """Which hot columns a row gives, and their values."""

    has_last: Mask
    has_heat: Mask
    has_count: Mask
    given_flags: npt.NDArray[np.uint8]
    columns: HotColumns

    def of(self, rows: Rows) -> _Given:
        """Which columns these rows give."""
        has = self.has_last[rows], self.has_heat[rows], self.has_count[rows], self.given_flags[rows]
        return _Given(*has, self.columns)


def _checked(table: pa.Table, columns: Columns) -> dict[str, pa.Array]:
    """The table's columns as arrays of the index's types."""
    if "cid" not in table.schema.names:
        raise BadRequest("cid", "every row needs one")
    found = {}
    for name in table.schema.names:
        if name not in columns:
            raise BadRequest(name, "no such column")
        array = table.column(name).combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # more than 2 GiB of text
            array = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in array.chunks])
        found[name] = array if name == "cid" else _as_type(columns[name], array)
    return found


def _as_type(column: Column, array: pa.Array) -> pa.Array:
    if array.type == column.type:
        return array
    try:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_timestamp(column.type) and not pa.types.is_timestamp(array.type):
            milliseconds = pc.round(pc.multiply(array.cast(pa.float64()), 1000.0))
            return milliseconds.cast(pa.int64()).cast(column.type)
        return array.cast(column.type)
    except pa.ArrowException as error:
        raise BadRequest(column.name, f"{array.type} does not fit {column.type}: {error}") from None


def _sorted_keys(cid: pa.Array) -> tuple[list[Group], Rows]:
    """The keys in order, and the row of the table that each came from."""
    if pa.types.is_dictionary(cid.type):
        cid = cid.dictionary_decode()
    if pa.types.is_fixed_size_binary(cid.type):
        cid = cid.cast(pa.binary())
    is_binary = pa.types.is_binary(cid.type) or pa.types.is_large_binary(cid.type)
    if not is_binary and not (pa.types.is_string(cid.type) or pa.types.is_large_string(cid.type)):
        raise BadRequest("cid", "must be text or binary CIDs")
    groups, places = [], []
    for unsorted, rows in group(group_cids(cid) if is_binary else decode_cids(cid)):
        by_key = sort_order(unsorted)
        ordered, rows = unsorted.take(by_key), rows[by_key]
        repeated = same_as_next(ordered)
        if repeated.any():
            ordered, rows = ordered.take(~repeated), rows[~repeated]
        groups.append(ordered)
        places.append(rows)
    return groups, np.concatenate(places)


def _write(
    engine: Engine,
    groups: list[Group],
    order: Rows,
    columns: dict[str, pa.Array],
    given: _Given,
    now_s: float,
) -> Run:
    writer = engine.writer([(part.prefix, part.digest_bytes, len(part)) for part in groups], now_s)
    for start in range(0, len(order), writer.part_rows):
        rows = order[start : start + writer.part_rows]
        places = pa.array(rows)
        static = {
            column.number: columns[column.name].take(places)
            if column.name in columns
            else pa.nulls(len(rows), column.type)
            for column in engine.shared.columns.static
        }
        hot = given.columns
        writer.add(
            sliced(groups, start, start + len(rows)),
            static,
            HotColumns(hot.last_s[rows], hot.heat[rows], hot.count[rows], hot.flags[rows]),
        )
    run = engine.open_run(writer.finish(engine.log.next))
    write_orders(run, engine.manifest.layout.indexes)
    return run


def _given_hot(columns: dict[str, pa.Array], rows: int, heat: Heat, now_s: float) -> _Given:
    hot, none = empty_hot(rows), np.zeros(rows, np.bool_)
    has_last = has_heat = has_count = none
    flags = np.zeros(rows, np.uint8)
    if "last_accessed" in columns:
        has_last, values = _values(columns["last_accessed"].cast(pa.int64()))
        hot.last_s[:] = np.where(has_last, np.maximum(values, 0) / 1000, 0)
    if "access_count" in columns:
        has_count, values = _values(columns["access_count"])
        if (values[has_count] < 0).any():
            raise BadRequest("access_count", f"must be between 0 and {MAX_COUNT}", limit=MAX_COUNT)
        hot.count[:] = np.where(has_count, values, 0)
    if "heat_score" in columns:
        has_heat, values = _values(columns["heat_score"])
        if not ((values[has_heat] >= 0) & (values[has_heat] <= 1)).all():
            raise BadRequest("heat_score", "must be between 0 and 1", limit=1)
        score = np.clip(values.astype(np.float64), 0, 0.999999)
        with np.errstate(divide="ignore"):
            logs = np.log(score) - np.log1p(-score) + heat.decay * (now_s - heat.epoch_s)
        hot.heat[:] = np.where(has_heat, logs, -np.inf)
    for name, bit, inverted in (("is_pinned", PINNED, False), ("valid", INVALID, True)):
        if name in columns:
            has, values = _values(columns[name])
            flags[has] |= bit
            hot.flags[has & (values != inverted)] |= bit
    if "storage_tier" in columns:
        _given_tiers(columns["storage_tier"], flags, hot.flags)
    return _Given(has_last, has_heat, has_count, flags, hot)


def _given_tiers(tiers: pa.Array, given: npt.NDArray[np.uint8], flags: npt.NDArray[np.uint8]) -> None:
    has = tiers.is_valid().to_numpy(zero_copy_only=False)
    places = pc.index_in(tiers, pa.array(TIERS)).fill_null(-1).to_numpy(zero_copy_only=False)
    if (places[has] < 0).any():
        raise BadRequest("storage_tier", f"must be one of {', '.join(TIERS)}")
    given[has] |= TIER_BITS
    flags[has] |= (places[has] << TIER_SHIFT).astype(np.uint8)


def _values(array: pa.Array) -> tuple[Mask, npt.NDArray[Any]]:
    """Which rows have a value, and the values, with 0 where there is none."""
    has = array.is_valid().to_numpy(zero_copy_only=False)
    filled = array.fill_null(False if pa.types.is_boolean(array.type) else 0) if array.null_count else array
    return has, filled.to_numpy(zero_copy_only=False)


# -- rows that were there before ------------------------------------------------------------------------


def _existing(engine: Engine, new: Run) -> list[tuple[Holder, Rows, Rows]]:
    """Rows of runs, dead ones included, whose CIDs the new run has: rows there and in the new run."""
    found: list[tuple[Holder, Rows, Rows]] = []
    for run in engine.core.runs:
        for prefix, _, _ in new.keys.shapes:
            (start, stop), first = new.keys.span(prefix), new.keys.span(prefix)[0]
            for keys in new.keys.pieces(start, stop):
                rows = run.keys.find_many(keys)
                hit = np.flatnonzero(rows >= 0)
                if len(hit):
                    found.append((run, rows[hit], hit + first))
    return found


def _in_memory(engine: Engine, new: Run) -> list[tuple[Holder, Rows, Rows]]:
    found: list[tuple[Holder, Rows, Rows]] = []
    for generation in engine.core.generations:
        if not generation.rows:
            continue
        for unsorted, places in group(by_width(generation.keys)):
            by_key = sort_order(unsorted)
            rows = new.keys.find_many(unsorted.take(by_key))
            hit = rows >= 0
            found.append((generation, places[by_key][hit], rows[hit]))
    return found


def _take_over(engine: Engine, new: Run, existing: list[tuple[Holder, Rows, Rows]], given: _Given) -> None:
    """Carry hot state over to the new rows, but for what they give, and kill the old ones."""
    killed: list[bytes] = []
    gone = []
    for holder, rows, new_rows in existing + _in_memory(engine, new):
        alive = holder.table.are_alive(rows)
        rows, new_rows = rows[alive], new_rows[alive]
        if len(rows):
            _carry(holder.table.columns, rows, new, new_rows, given)
            by_row = np.argsort(new_rows)
            killed += [key for part in new.keys.take(new_rows[by_row]) for key in part.as_bytes()]
            gone.append((holder.table, rows))
    if killed:
        number = engine.log.append(Kind.REPLACE, new.entry.uid.encode(), encode_keys(killed))
        engine.manifest.replaced.append((new.entry.uid, number))
        new.is_saved = False
    new.entry.boundaries = [engine.log.next] * len(new.entry.boundaries)
    for table, rows in gone:
        engine.core.kill(table, rows)


def _carry(old: HotColumns, rows: Rows, new: Run, new_rows: Rows, given: _Given) -> None:
    mine = new.table.columns
    for name, has in (("last_s", given.has_last), ("heat", given.has_heat), ("count", given.has_count)):
        kept = ~has[new_rows]
        getattr(mine, name)[new_rows[kept]] = getattr(old, name)[rows[kept]]
    bits = given.given_flags[new_rows]
    mine.flags[new_rows] = (mine.flags[new_rows] & bits) | (old.flags[rows] & ~bits & ~np.uint8(DEAD))
    new.table.dirty = True
