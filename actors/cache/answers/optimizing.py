"""The index itself: its columns, its files, and how it is fitted to its use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from ....bus import handles
from ....schemas import cache, subjects
from ....schemas.errors import BadRequest
from ..index.index import CidIndex
from ..optimize.measure import apply
from ..optimize.propose import propose
from ..optimize.statistics import ColumnStatistics
from ..optimize.usage import Usage
from ..optimize.workload import WorkloadType
from ..query.aggregate import aggregate
from ..query.explain import explain
from ..query.query import Query
from ..query.run import run
from .queries import QueryRows

__all__ = ["IndexRows"]

# Types that columns can be given, by Arrow's names for them.
TYPES: dict[str, pa.DataType] = {
    str(each): each
    for each in (
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(),
        pa.timestamp("ms", "UTC"), pa.list_(pa.string()),
    )
}  # fmt: skip


class IndexRows(QueryRows):
    """`cache.index.stats`, `cache.schema.*`, `cache.compact` and `cache.optimize`."""

    @handles(subjects.INDEX_STATS)
    async def index_stats(self, ask: cache.IndexStatsRequest) -> cache.IndexStats:
        self.settle()
        return cache.IndexStats(**await asyncio.to_thread(self.index.stats))

    @handles(subjects.INDEX_SCHEMA)
    async def schema_get(self, ask: cache.SchemaRequest) -> cache.IndexSchema:
        index = self.index
        columns = [
            cache.ColumnInfo(name=c.name, type=str(c.type), kind=c.kind, number=c.number)
            for c in index.columns
        ]
        arrow = index.schema.serialize().to_pybytes()
        return cache.IndexSchema(columns=columns, arrow=arrow, layout=asdict(index.layout))

    @handles(subjects.INDEX_SCHEMA_CHANGE)
    async def schema_change(self, ask: cache.SchemaChange) -> cache.IndexSchema:
        """Raises BadRequest for a type that there is none of, and what the index refuses."""
        index = self.index
        if ask.add is not None:
            index.add_column(ask.add, _type(ask.type))
        elif ask.widen is not None:
            index.widen_column(ask.widen, _type(ask.type))
        elif ask.rename is not None and ask.to is not None:
            index.rename_column(ask.rename, ask.to)
            self.observed.rename(ask.rename, ask.to)
        return await self.schema_get(cache.SchemaRequest())

    @handles(subjects.COMPACT)
    async def compact(self, ask: cache.CompactRequest) -> cache.Compacted:
        index = self.index
        self.settle()
        done = await asyncio.to_thread(lambda: index.compact(full=ask.full))
        return cache.Compacted(**asdict(done))

    @handles(subjects.OPTIMIZE)
    async def optimize(self, ask: cache.OptimizeRequest) -> cache.Optimized:
        index = self.index
        self.settle()
        usage = self.observed.usage(self.now())
        return await asyncio.to_thread(self._optimize, index, usage, ask)

    def _optimize(self, index: CidIndex, usage: Usage, ask: cache.OptimizeRequest) -> cache.Optimized:
        statistics = ColumnStatistics.of_snapshot(index.snapshot())
        workload = None if ask.workload is None else WorkloadType(ask.workload)
        proposal = propose(index.layout, usage, statistics, workload, now_s=self.now())
        found = proposal.to_json()
        told = {"workload": found["workload"], "changes": found["changes"]}
        if not ask.apply:
            return cache.Optimized(**told, applied=False)
        done = apply(index, proposal, usage.frequent, lambda asked: _replayed(index, asked))
        figures = done.to_json()
        return cache.Optimized(**told, applied=done.kept, before=figures["before"], after=figures["after"])


def _replayed(index: CidIndex, asked: Mapping[str, Any]) -> tuple[float, int]:
    """Ask an observed question again; the seconds it took, and how many rows were looked at for it."""
    snapshot = index.snapshot()
    started = time.perf_counter()
    if "aggregates" in asked:
        aggregate(snapshot, **{name: asked.get(name) for name in ("filter", "group_by", "aggregates")})
        return time.perf_counter() - started, index.record_count
    query = Query.parse(index.columns, **asked)
    for _ in run(query, snapshot).batches():
        pass
    seconds = time.perf_counter() - started
    return seconds, sum(segment["start"]["rows"] for segment in explain(query, snapshot)["segments"])


def _type(name: str | None) -> pa.DataType:
    if name not in TYPES:
        raise BadRequest("type", f"{name!r} is not one of {', '.join(TYPES)}")
    return TYPES[name]
