"""An index of a few rows in memory, and what its queries mean, said once more in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from cidbus.actors.cache.columns import BUILT_IN, TIERS, Column, Columns
from cidbus.actors.cache.heat import COLD, Heat
from cidbus.actors.cache.index.segment import DEAD, INVALID, PINNED, TIER_SHIFT, HotColumns, Snapshot, Zones
from cidbus.schemas.cid import CID, DAG_PB, RAW

NOW_S = 1_700_000_000.0
HEAT = Heat(86_400.0, NOW_S - 1000.0)
OWN = (
    Column(1000, "quality", pa.float64()),
    Column(1001, "level", pa.float32()),
    Column(1002, "checked", pa.bool_()),
    Column(1003, "day", pa.timestamp("s", "UTC")),
    Column(1004, "port", pa.uint16()),
)
COLUMNS = Columns((*BUILT_IN, *OWN))


def cid_of(number: int) -> str:
    return str(CID.of(RAW, number.to_bytes(8, "big")))


def old_cid_of(number: int) -> str:
    """A CID of version 0."""
    return str(CID.of(DAG_PB, number.to_bytes(8, "big"), version=0))


def in_cid_order(cid: str) -> bytes:
    return bytes(CID.parse(cid))


@dataclass
class Row:
    """One row: static values by column (times as milliseconds, `day` as seconds) and the hot state."""

    cid: str
    values: dict[str, Any] = field(default_factory=dict)
    log: float = COLD
    count: int = 0
    last_s: float = 0.0
    pinned: bool = False
    valid: bool = True
    tier: str = "ipfs"
    dead: bool = False

    def logical(self, name: str) -> Any:
        match name:
            case "cid":
                return self.cid
            case "heat_score":
                return HEAT.score(self.log, NOW_S)
            case "access_count":
                return self.count
            case "last_accessed":
                return round(self.last_s * 1000) if self.last_s else None
            case "is_pinned":
                return self.pinned
            case "valid":
                return self.valid
            case "storage_tier":
                return self.tier
        if "." in name:
            outer, _, key = name.partition(".")
            return (self.values.get(outer) or {}).get(key)
        return self.values.get(name)


class MemorySegment:
    """A segment over rows; `reads` counts how often a column that is not resident was read."""

    def __init__(
        self,
        name: str,
        rows: Sequence[Row],
        *,
        resident: Sequence[str] = (),
        zone_rows: int = 0,
        indexes: Sequence[str] = (),
        dictionary: Sequence[str] = ("mimetype", "source"),
        in_cid_order: bool = False,
    ) -> None:
        self.in_cid_order = in_cid_order
        self.name = name
        self._cids = [row.cid for row in rows]
        self._resident, self._indexes, self._zone_rows = set(resident), set(indexes), zone_rows
        self._columns = {c.name: _column(c, rows, c.name in dictionary) for c in COLUMNS.static}
        self.hot = _hot(rows)
        self.reads: dict[str, int] = {}

    @property
    def rows(self) -> int:
        return len(self._cids)

    @property
    def dead(self) -> int:
        return int(np.count_nonzero(self.hot.flags & DEAD))

    def column(self, name: str) -> pa.Array:
        if name not in self._resident:
            self.reads[name] = self.reads.get(name, 0) + self.rows
        return self._columns[name]

    def take(self, name: str, rows: np.ndarray) -> pa.Array:
        assert (np.diff(rows) > 0).all()
        self.reads[name] = self.reads.get(name, 0) + len(rows)
        return self._columns[name].take(pa.array(rows))

    def is_resident(self, name: str) -> bool:
        return name in self._resident

    def zones(self, name: str) -> Zones | None:
        if not self._zone_rows or not self.rows:
            return None
        if name == "heat":
            return Zones(self._zone_rows, None, self._by_zone(self.hot.heat, np.maximum))
        column = self._columns.get(name)
        if column is None or not (pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type)):
            return None
        whole = column.cast(pa.int64())
        low, high = whole.fill_null(np.iinfo(np.int64).max), whole.fill_null(np.iinfo(np.int64).min)
        return Zones(
            self._zone_rows,
            self._by_zone(low.to_numpy(), np.minimum),
            self._by_zone(high.to_numpy(), np.maximum),
        )

    def _by_zone(self, values: np.ndarray, extreme: np.ufunc) -> np.ndarray:
        return extreme.reduceat(values, np.arange(0, len(values), self._zone_rows))

    def ordered(self, name: str) -> np.ndarray | None:
        if name not in self._indexes:
            return None
        column = self._columns[name]
        if isinstance(column.type, pa.DictionaryType):
            column = column.dictionary_decode()
        return pa.compute.array_sort_indices(column, null_placement="at_end").to_numpy().astype(np.uint32)

    def cids(self, rows: np.ndarray) -> list[str]:
        return [self._cids[row] for row in rows]

    def find(self, cid: str) -> int | None:
        if cid not in self._cids:
            return None
        row = self._cids.index(cid)
        return None if self.hot.flags[row] & DEAD else row


class MemorySnapshot(Snapshot):
    """With `hottest`, as an index has it that keeps its hottest rows apart."""

    def hottest(self, k: int) -> list[tuple[int, int, float]]:
        alive = [
            (number, row, float(log))
            for number, segment in enumerate(self.segments)
            for row, log in enumerate(segment.hot.heat)
            if not segment.hot.flags[row] & DEAD
        ]
        return sorted(alive, key=lambda spot: -spot[2])[:k]


def snapshot_of(*segments: MemorySegment, top_heat: bool = False) -> Snapshot:
    kind = MemorySnapshot if top_heat else Snapshot
    return kind(COLUMNS, HEAT, list(segments), NOW_S, 1)


@contextmanager
def small_steps() -> Iterator[None]:
    """Everything that is done in pieces is done in tiny ones, and every index and zone map is used."""
    here = "cidbus.actors.cache.query"
    with (
        patch(f"{here}.execute.PIECE_ROWS", 7),
        patch(f"{here}.execute.FIRST_PIECE_ROWS", 2),
        patch(f"{here}.order.CID_ROWS", 3),
        patch(f"{here}.text_conditions.REGEX_ROWS", 3),
        patch(f"{here}.text_conditions.REGEX_BYTES", 20),
        patch(f"{here}.text_conditions.PLAIN_BYTES", 8),
        patch(f"{here}.plan.INDEX_SHARE", 1.0),
        patch(f"{here}.plan.ZONE_SHARE", 0.99),
        patch(f"{here}.plan.FEW_ROWS", 0),
    ):
        yield


def _column(column: Column, rows: Sequence[Row], dictionary: bool) -> pa.Array:
    values = [row.values.get(column.name) for row in rows]
    if pa.types.is_map(column.type):
        values = [None if value is None else list(value.items()) for value in values]
    if pa.types.is_timestamp(column.type):
        return pa.array(values, pa.int64()).cast(column.type)
    array = pa.array(values, column.type)
    return array.dictionary_encode() if dictionary else array


def _hot(rows: Sequence[Row]) -> HotColumns:
    flags = [
        (DEAD if row.dead else 0)
        | (PINNED if row.pinned else 0)
        | (0 if row.valid else INVALID)
        | TIERS.index(row.tier) << TIER_SHIFT
        for row in rows
    ]
    return HotColumns(
        np.array([row.last_s for row in rows], np.float64),
        np.array([row.log for row in rows], np.float32),
        np.array([row.count for row in rows], np.uint32),
        np.array(flags, np.uint8),
    )


# ---- the meaning of filters, in plain Python ---------------------------------------------------------------


def passes(filter_: dict[str, Any], row: Row) -> bool:
    return all(_entry(key, value, row) for key, value in filter_.items())


def _entry(key: str, value: Any, row: Row) -> bool:
    if key == "$and":
        return all(passes(part, row) for part in value)
    if key == "$or":
        return any(passes(part, row) for part in value)
    if key == "$not":
        return not passes(value, row)
    return _holds(key, value if isinstance(value, dict) else {"$eq": value}, row)


def _holds(name: str, operators: dict[str, Any], row: Row) -> bool:
    return all(_operator(name, operator, wanted, row) for operator, wanted in operators.items())


def _operator(name: str, operator: str, wanted: Any, row: Row) -> bool:
    has = row.logical(name)
    match operator:
        case "$exists":
            return (has is not None) == wanted
        case "$not":
            return not _holds(name, wanted, row)
        case "$ne":
            return not _operator(name, "$eq", wanted, row)
        case "$nin":
            return not _operator(name, "$in", wanted, row)
        case "$in":
            return any(_operator(name, "$eq", one, row) for one in wanted)
        case "$eq" if wanted is None:
            return has is None
    if has is None:
        return False
    if name == "heat_score":
        return _heat_holds(operator, wanted, row)
    if name == "tags":
        return wanted in has
    if name in {"added_timestamp", "last_accessed", "validation_timestamp"}:
        wanted = _units(wanted, 1000)
    if name == "day":
        wanted = _units(wanted, 1)
    if operator == "$eq" and name in {"added_timestamp", "last_accessed", "validation_timestamp", "day"}:
        wanted = round(wanted)  # equal is what is equal in the column's unit
    if name == "level":
        wanted = float(np.float32(wanted))
    match operator:
        case "$eq":
            return has == wanted
        case "$gt":
            return has > wanted
        case "$gte":
            return has >= wanted
        case "$lt":
            return has < wanted
        case "$lte":
            return has <= wanted
        case "$contains":
            return wanted in has
        case "$regex":
            import re

            return re.search(wanted, has) is not None
    raise AssertionError(operator)


def _heat_holds(operator: str, score: float, row: Row) -> bool:
    if operator == "$eq":
        return _heat_holds("$gte", score - 5e-7, row) and _heat_holds("$lte", score + 5e-7, row)
    log, bound = float(np.float32(row.log)), HEAT.log_of_score(score, NOW_S)
    if score < 0:
        bound = -math.inf
        log = 0.0
    return {"$gt": log > bound, "$gte": log >= bound, "$lt": log < bound, "$lte": log <= bound}[operator]


def _units(time: Any, per_second: int) -> float:
    if isinstance(time, str):
        at = datetime.fromisoformat(time)
        time = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return time * per_second


# ---- the logical table -------------------------------------------------------------------------------------


def logical_table(rows: Sequence[Row]) -> pa.Table:
    """The rows as a table of all columns, with L as `heat` besides."""
    arrays = {}
    for column in COLUMNS:
        if column.kind == "static":
            arrays[column.name] = _column(column, rows, dictionary=False)
            continue
        values = [row.logical(column.name) for row in rows]
        if pa.types.is_timestamp(column.type):
            arrays[column.name] = pa.array(values, pa.int64()).cast(column.type)
        else:
            arrays[column.name] = pa.array(values, column.type)
    return pa.table(arrays | {"heat": pa.array([row.log for row in rows], pa.float32())})
