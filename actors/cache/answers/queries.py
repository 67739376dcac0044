"""Questions to the index: rows as JSON and as Arrow, aggregates, what is hottest, everything."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ....bus import CHUNK_BYTES, handles
from ....schemas import cache, subjects
from ..optimize.question import question_of_query
from ..query.aggregate import Aggregation, aggregate
from ..query.explain import explain
from ..query.observed import Observed as Used
from ..query.observed import observed
from ..query.query import Query
from ..query.result import Result
from ..query.rows import json_rows
from ..query.run import run
from .cids import CidRows

__all__ = ["QueryRows"]

EXPORT_ROWS = 65_536
# Questions that are worked on at once, and exports that have a file.
QUESTIONS, EXPORTS = 4, 2

T = TypeVar("T")


class QueryRows(CidRows):
    """`cache.query`, `cache.aggregate`, `cache.top` and `cache.export`."""

    async def on_start(self) -> None:
        self._questions = ThreadPoolExecutor(QUESTIONS, "questions")
        self._exports = asyncio.Semaphore(EXPORTS)
        await super().on_start()

    async def on_stop(self) -> None:
        await super().on_stop()
        self._questions.shutdown(wait=False, cancel_futures=True)

    @handles(subjects.QUERY)
    async def query(self, ask: cache.QueryRequest) -> AsyncIterator[cache.QueryHead | cache.CidRow]:
        """Raises BadRequest naming the part of the query that cannot be."""
        result = await self._answer(ask)
        yield cache.QueryHead(rows=result.rows, next_cursor=result.next_cursor)
        async for batch in self._each(result.batches()):
            for row in json_rows(batch):
                yield cache.CidRow.model_construct(**row)

    @handles(subjects.QUERY_ARROW)
    async def query_arrow(self, ask: cache.QueryRequest) -> AsyncIterator[cache.TableHead | bytes]:
        result = await self._answer(ask)
        yield cache.TableHead(format="arrow", rows=result.rows, next_cursor=result.next_cursor)
        async for piece in self._each(_ipc(result.schema, result.batches())):
            yield piece

    @handles(subjects.EXPLAIN)
    async def explain(self, ask: cache.QueryRequest) -> cache.Explained:
        index = self.index
        self.settle()
        found = await self._in_thread(lambda: explain(self._parse(ask), index.snapshot()))
        return cache.Explained(**found)

    @handles(subjects.AGGREGATE)
    async def aggregate(self, ask: cache.AggregateRequest) -> cache.Aggregated:
        index = self.index
        self.settle()
        started = time.perf_counter()

        def answered() -> tuple[Aggregation, list[dict[str, Any]]]:
            question = Aggregation.parse(
                index.columns, filter=ask.filter, group_by=ask.group_by, aggregates=ask.aggregates
            )
            return question, aggregate(index.snapshot(), question)

        question, groups = await self._in_thread(answered)
        self._note_question(observed(question), ask, started, len(groups))
        return cache.Aggregated(groups=groups, count=len(groups))

    @handles(subjects.TOP)
    async def top(self, ask: cache.TopRequest) -> AsyncIterator[cache.CidRow]:
        asked = cache.QueryRequest(select=ask.select, sort=["-heat_score"], limit=ask.limit)
        result = await self._answer(asked)
        async for batch in self._each(result.batches()):
            for row in json_rows(batch):
                yield cache.CidRow.model_construct(**row)

    @handles(subjects.EXPORT)
    async def export(self, ask: cache.ExportRequest) -> AsyncIterator[cache.TableHead | bytes]:
        """A Parquet file has its directory at its end, so it is written before the first byte is sent."""
        index = self.index
        self.settle()
        yield cache.TableHead(format=ask.format, rows=index.record_count)
        if ask.format == "arrow":
            async for piece in self._each(_ipc(index.schema, index.export_batches())):
                yield piece
            return
        async with self._exports:
            with tempfile.TemporaryDirectory(dir=self._index_folder) as folder:
                path = Path(folder) / "cids.parquet"
                await self._in_thread(lambda: _write_parquet(path, index.schema, index.export_batches()))
                async for piece in self._each(_pieces(path)):
                    yield piece

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """What questions need of the processor, beside the event loop and apart from the index's upkeep."""
        return await asyncio.get_running_loop().run_in_executor(self._questions, work)

    async def _each(self, items: Iterator[T]) -> AsyncIterator[T]:
        """The same items, each made in a worker thread."""
        while (item := await self._in_thread(lambda: next(items, None))) is not None:
            yield item

    def _parse(self, ask: cache.QueryRequest) -> Query:
        return Query.parse(
            self.index.columns, filter=ask.filter, select=ask.select, sort=ask.sort, limit=ask.limit,
            cursor=ask.cursor, paged=ask.paged,
        )  # fmt: skip

    async def _answer(self, ask: cache.QueryRequest) -> Result:
        index = self.index
        self.settle()
        started = time.perf_counter()

        def answered() -> tuple[Query, Result]:
            query = self._parse(ask)
            return query, run(query, index.snapshot())

        query, result = await self._in_thread(answered)
        share = None if ask.limit is not None else result.rows / max(1, index.record_count)
        self._note_question(observed(query), ask, started, result.rows, share)
        return result

    def _note_question(
        self,
        used: Used,
        ask: cache.QueryRequest | cache.AggregateRequest,
        started: float,
        rows: int,
        share: float | None = None,
    ) -> None:
        """Remember a question for the optimizer; `share` is how much of all rows matches, where known."""
        replay = ask.model_dump(exclude_none=True, exclude={"cursor"})
        self.observed.note(
            question_of_query(used, replay),
            at_s=self.now(),
            seconds=time.perf_counter() - started,
            rows_returned=rows,
            matched_share=share,
        )


class _Sink:
    """A file that keeps what was written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        written, self._written = self._written, []
        return b"".join(written)


def _ipc(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Batches as an Arrow IPC stream."""
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _write_parquet(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch, row_group_size=EXPORT_ROWS)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
