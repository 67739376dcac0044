"""`SchemaOptimizer`: a schema and its use in, an optimized schema or a proposed layout out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ....schemas.errors import BadRequest
from ..columns import HOT
from ..index.layout import Layout
from .footers import rows_in, stored_bytes
from .observed import Observed
from .proposal import Change, Policy, Proposal
from .propose import propose
from .question import Filtered, Question, filtered_by, names
from .statistics import ColumnStatistics
from .usage import Usage, detect
from .workload import WorkloadType, layout_for

__all__ = ["SchemaOptimizer"]

DAY_S = 86_400.0
# Columns that say which row it is, or when it came; no use of the others makes them superfluous.
KEYS = frozenset({"cid", "id", "key", "hash", "multihash", "timestamp", "created_at"})
UNUSED_S = 30 * DAY_S
INDEX_TYPES = ("ordered", "btree")


class SchemaOptimizer:
    """Fits schemas to their use.

    `observed` and `statistics` are of the index in question; without them everything follows from the
    workload that is named. Queries can also be noted here, with `track_query`.
    """

    def __init__(
        self,
        observed: Observed | None = None,
        statistics: ColumnStatistics | None = None,
        *,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.observed = Observed() if observed is None else observed
        self.statistics = statistics
        self._policy = policy or Policy()
        self._clock = clock

    def track_query(self, query_info: Mapping[str, Any]) -> None:
        """Note a query: `filters` (a filter, or names), `projections`, `group_by`, `order_by` (names),
        `columns` (names that are in none of these), `timestamp` (Unix seconds) and `operation` ("read" or
        "write")."""
        at_s = float(query_info.get("timestamp", self._clock()))
        if query_info.get("operation") == "write":
            self.observed.note_write(1, at_s=at_s)
            return
        filters = query_info.get("filters") or ()
        by_name = isinstance(filters, list | tuple) and all(isinstance(each, str) for each in filters)
        question = Question(
            filtered=tuple(map(Filtered, filters)) if by_name else filtered_by(filters),
            sorted_by=names(query_info.get("order_by")),
            grouped_by=names(query_info.get("group_by")),
            selected=names(query_info.get("projections")),
        )
        others = tuple(name for name in names(query_info.get("columns")) if name not in question.columns())
        self.observed.note(replace(question, selected=(*(question.selected or ()), *others)), at_s=at_s)

    @property
    def workload_type(self) -> WorkloadType:
        """What the noted queries amount to."""
        return detect(self.observed.usage(self._clock())).workload

    # ---- schemas ----------------------------------------------------------------------------------------

    def optimize_schema(self, schema: pa.Schema, workload_type: WorkloadType | None = None) -> pa.Schema:
        """The schema as the workload wants it, with its choices as metadata of the fields.

        Each field gets `optimized_for`, `encoding` (dictionary or plain), and where they apply `index` (key,
        hot, ordered), `family` (hot, cold), `resident`; and once queries were tracked, `access_frequency` and
        `access_recency` from 0 to 1. A column is left out only if no query has used it in 30 days of
        tracking; keys and the columns that change in place stay. Without a workload it is detected.
        """
        proposal = self._proposal(schema, workload_type)
        usage = self.observed.usage(self._clock())
        kept = [each for each in schema if not self._is_unused(each.name, usage)]
        marked = [
            each.with_metadata(_marks(each, proposal) | _frequencies(each.name, usage)) for each in kept
        ]
        layout = proposal.layout
        facts = {
            "optimized_for": str(proposal.workload),
            "row_group_rows": str(layout.row_group_rows),
            "compression": layout.compression,
        }
        return pa.schema(marked, metadata={**_text(schema.metadata), **facts})

    def generate_pruned_schema(self, schema: pa.Schema, usage_threshold: float = 0.1) -> pa.Schema:
        """The columns that are used at least `usage_threshold` times as often as the most used one, and the
        keys; all of them while no query was tracked. Raises BadRequest for a threshold outside 0 to 1."""
        if not 0 <= usage_threshold <= 1:
            raise BadRequest("usage_threshold", "a share from 0 to 1 is needed", limit=1)
        usage = self.observed.usage(self._clock())
        if usage.reads <= 0:
            return schema
        kept = [
            each for each in schema
            if _is_kept(each.name) or _frequency(each.name, usage) >= max(usage_threshold, 1e-12)
        ]  # fmt: skip
        return pa.schema(kept, metadata=schema.metadata)

    def estimate_schema_savings(
        self,
        original_schema: pa.Schema,
        optimized_schema: pa.Schema,
        data: ColumnStatistics | str | Path | None = None,
    ) -> dict[str, Any]:
        """What leaving out columns saves, measured on `data`: statistics, or a Parquet file or folder of
        them.

        `column_bytes` is bytes a row of each pruned column, `estimated_bytes_saved` that of all rows and
        `estimated_query_speedup` the bytes of a whole row before by those after; None without data.
        """
        pruned = [name for name in original_schema.names if name not in optimized_schema.names]
        savings: dict[str, Any] = {"pruned_columns": pruned, "pruned_column_count": len(pruned)}
        row_bytes, rows = _row_bytes(data if data is not None else self.statistics)
        if not row_bytes:
            return savings | {
                "estimated_bytes_saved": None,
                "estimated_query_speedup": None,
                "column_bytes": {},
            }
        column_bytes = {name: row_bytes[name] for name in pruned if name in row_bytes}
        whole = sum(row_bytes.get(name, 0.0) for name in original_schema.names)
        rest = whole - sum(column_bytes.values())
        return savings | {
            "estimated_bytes_saved": round(sum(column_bytes.values()) * rows),
            "estimated_query_speedup": whole / rest if rest > 0 else None,
            "column_bytes": column_bytes,
        }

    # ---- layouts ----------------------------------------------------------------------------------------

    def propose(
        self,
        layout: Layout,
        observed: Observed | None = None,
        statistics: ColumnStatistics | None = None,
        workload: WorkloadType | None = None,
    ) -> Proposal:
        """What to change about a layout; see `propose.propose`."""
        return propose(
            layout,
            observed or self.observed,
            statistics or self.statistics or ColumnStatistics(0),
            workload,
            now_s=self._clock(),
            policy=self._policy,
        )

    def create_index(
        self, layout: Layout, schema: pa.Schema, column_name: str, index_type: str = "ordered"
    ) -> Proposal:
        """The proposal to give a column a secondary index, whatever its use.

        Raises BadRequest for a column that has none to give: one that is not there, the key, one that changes
        in place, lists and maps; and for an index type other than "ordered" (or "btree", its old name).
        """
        if index_type not in INDEX_TYPES:
            raise BadRequest("index_type", f"one of {', '.join(INDEX_TYPES)} is needed, not {index_type!r}")
        problem = _no_index(schema, column_name)
        if problem:
            raise BadRequest("column_name", f"{column_name!r} {problem}")
        workload = self.workload_type
        if column_name in layout.indexes:
            return Proposal(workload, "as told", layout, layout, ())
        change = Change(
            "indexes",
            column_name,
            False,
            True,
            "as told",
            "a selective filter reads its matches instead of all rows",
        )
        changes = [change]
        if column_name in layout.cold:
            why = "what is searched is no longer cold"
            changes.append(Change("cold", column_name, True, False, why, "a row is read from one file less"))
        cold = tuple(name for name in layout.cold if name != column_name)
        after = replace(layout, indexes=(*layout.indexes, column_name), cold=cold)
        return Proposal(workload, "as told", layout, after, tuple(changes))

    def _proposal(self, schema: pa.Schema, workload: WorkloadType | None) -> Proposal:
        if self.statistics is not None:
            return self.propose(Layout(), workload=workload)
        found = workload or self.workload_type
        return Proposal(found, "", Layout(), layout_for(found, columns=schema.names), ())

    def _is_unused(self, name: str, usage: Usage) -> bool:
        if _is_kept(name) or usage.window_s < UNUSED_S or usage.reads <= 0 or usage.whole_rows > 0.5:
            return False
        last_s = usage.of_column(name).last_used_s
        return last_s is None or usage.now_s - last_s > UNUSED_S


def _is_kept(name: str) -> bool:
    return name in KEYS or name in HOT


def _no_index(schema: pa.Schema, name: str) -> str | None:
    if name not in schema.names:
        return "is not a column"
    if name in KEYS:
        return "is the key, which has an index"
    if name in HOT:
        return "changes in place and is searched in memory"
    if pa.types.is_nested(schema.field(name).type):
        return "holds lists or maps, which have no order"
    return None


def _marks(each: pa.Field, proposal: Proposal) -> dict[str, str]:
    layout, name = proposal.layout, each.name
    dictionary = name in layout.dictionary or pa.types.is_dictionary(each.type)
    marks = _text(each.metadata) | {
        "optimized_for": str(proposal.workload),
        "encoding": "dictionary" if dictionary else "plain",
    }
    if name in KEYS:
        marks["index"] = "key"
    elif name in HOT:
        marks |= {"index": "hot", "family": "hot"}
    elif name in layout.indexes:
        marks["index"] = "ordered"
    if name in layout.cold:
        marks["family"] = "cold"
    if name in layout.resident:
        marks["resident"] = "true"
    return marks


def _frequencies(name: str, usage: Usage) -> dict[str, str]:
    if usage.reads <= 0:
        return {}
    marks = {"access_frequency": f"{_frequency(name, usage):.3f}"}
    last_s = usage.of_column(name).last_used_s
    if last_s is not None:
        marks["access_recency"] = f"{1 - min(max(usage.now_s - last_s, 0.0), UNUSED_S) / UNUSED_S:.3f}"
    return marks


def _frequency(name: str, usage: Usage) -> float:
    """How often a column is used, as a share of the most used one's; reads of whole rows use all of them."""
    most = max((use.total for use in (usage.columns or {}).values()), default=0.0) + usage.whole_rows
    return (usage.of_column(name).total + usage.whole_rows) / most if most > 0 else 0.0


def _row_bytes(data: ColumnStatistics | str | Path | None) -> tuple[Mapping[str, float], int]:
    if data is None:
        return {}, 0
    if isinstance(data, ColumnStatistics):
        sizes = {
            name: facts.decoded_bytes if facts.stored_bytes is None else facts.stored_bytes
            for name, facts in data.columns.items()
        }
        return sizes, data.rows
    path = Path(data)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    return stored_bytes(files), rows_in(files)


def _text(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in (metadata or {}).items()}
