"""`server.models["ipfs"].ipfs_kit.parquet_cache`: the CID index for programs without an event loop.

    hot = parquet_cache.query(filters={"heat_score": {"$gt": 0.7}}, limit=10)
    print(parquet_cache.stats()["record_count"])

Each call asks the cache actor and waits. The first starts the server, if it does not run yet.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cidbus.client import Client
from cidbus.schemas.cache import CidPut
from cidbus.schemas.errors import BadRequest, NotFound, NotSupported

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["IPFSKit", "ParquetCIDCache"]

T = TypeVar("T")

# How calls reach the actor: the work is done with a client, and waited for.
Blocking = Callable[[Callable[[Client], Awaitable[Any]]], Any]
BATCH_ROWS = 1000


class IPFSKit:
    """What the documented examples reach the index by."""

    def __init__(self, blocking: Blocking) -> None:
        self.parquet_cache = ParquetCIDCache(blocking)


class ParquetCIDCache:
    """What is known about each CID. Rows are dicts by column name, times in them Unix seconds; every method
    raises the BusError that the cache actor answers."""

    def __init__(self, blocking: Blocking) -> None:
        self._blocking = blocking

    # ---- rows -------------------------------------------------------------------------------------------

    def get(self, cid: str) -> dict[str, Any] | None:
        """What is known about a CID, None if nothing is."""
        try:
            return _plain(self._blocking(lambda client: client.cache.cid_get(cid)))
        except NotFound:
            return None

    def put(self, cid: str, metadata: Mapping[str, object]) -> None:
        """Write a row, in place of the one that is there."""
        self._blocking(lambda client: client.cache.cid_put(cid, _sendable(metadata)))

    def put_batch(self, rows: Iterable[Mapping[str, object]]) -> int:
        """Write many rows, each with its `cid`; returns how many."""
        count = 0
        batch: list[CidPut] = []
        for row in rows:
            fields = dict(row)
            if "cid" not in fields:
                raise BadRequest("cid", f"row {count + len(batch)} has none")
            batch.append(CidPut(cid=str(fields.pop("cid")), metadata=_sendable(fields)))
            if len(batch) == BATCH_ROWS:
                count += self._put(batch)
                batch = []
        return count + (self._put(batch) if batch else 0)

    def _put(self, batch: list[CidPut]) -> int:
        return int(self._blocking(lambda client: client.cache.cid_batch(put=batch)).put)

    def update(self, cid: str, changes: Mapping[str, object]) -> dict[str, Any]:
        """Change some columns; returns the whole row. Raises NotFound if there is none."""
        return _plain(self._blocking(lambda client: client.cache.cid_update(cid, _sendable(changes))))

    def delete(self, cid: str) -> bool:
        """Forget a CID; says whether it was known."""
        return bool(self._blocking(lambda client: client.cache.cid_delete([cid])).deleted)

    # ---- questions --------------------------------------------------------------------------------------

    def query(
        self,
        filters: Mapping[str, object] | None = None,
        columns: list[str] | None = None,
        sort_by: list[str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The rows that match; `-column` in `sort_by` is descending. Everything is held in memory: for large
        answers `to_arrow`, or the client's `cache.query`, is the better way."""

        async def ask(client: Client) -> list[dict[str, Any]]:
            rows = client.cache.query(filter=_dict(filters), select=columns, sort=sort_by, limit=limit)
            return [_plain(row) async for row in rows]

        return self._do(ask)

    def top(self, limit: int = 100) -> list[dict[str, Any]]:
        """The hottest rows, hottest first."""

        async def ask(client: Client) -> list[dict[str, Any]]:
            return [_plain(row) async for row in client.cache.top(limit=limit)]

        return self._do(ask)

    def aggregate(
        self,
        aggregates: Mapping[str, object],
        filters: Mapping[str, object] | None = None,
        group_by: list[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Counts, sums and the like of all rows that match, or of each group of them."""
        reply = self._blocking(
            lambda client: client.cache.aggregate(dict(aggregates), filter=_dict(filters), group_by=group_by)
        )
        return list(reply.groups)

    def explain(self, filters: Mapping[str, object] | None = None, **query: Any) -> dict[str, Any]:
        """How a query would be answered."""
        return _plain(self._blocking(lambda client: client.cache.explain(filter=_dict(filters), **query)))

    def to_arrow(self, filters: Mapping[str, object] | None = None, **query: Any) -> pa.Table:
        """The rows that match as an Arrow table, for pandas, Polars and DuckDB."""

        async def ask(client: Client) -> pa.Table:
            async with client.cache.query_arrow(filter=_dict(filters), **query) as content:
                return await _table(content)

        return self._do(ask)

    def query_sql(self, sql: str) -> pa.Table:
        """What DuckDB answers to a query of the table `cids`, which has every row and column.

        Raises NotSupported without DuckDB, which the extra `sql` brings: `pip install 'cidbus[sql]'`.
        """
        try:
            import duckdb
        except ImportError:
            raise NotSupported("query_sql needs DuckDB: pip install 'cidbus[sql]'") from None
        connection = duckdb.connect(config={"enable_external_access": "false"})
        with connection:
            connection.register("cids", self.to_arrow())
            return connection.execute(sql).to_arrow_table()

    # ---- the index itself -------------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        import pyarrow as pa

        reply = self._blocking(lambda client: client.cache.schema_get())
        return pa.ipc.read_schema(pa.py_buffer(reply.arrow))

    def stats(self) -> dict[str, Any]:
        """`record_count`, `total_size_bytes` of the index's files, and what else the index says of itself."""
        return _plain(self._blocking(lambda client: client.cache.index_stats()))

    def compact(self) -> dict[str, Any]:
        """Merge all runs into one."""
        return _plain(self._blocking(lambda client: client.cache.compact()))

    def optimize(self, workload: str | None = None, *, apply: bool = True) -> dict[str, Any]:
        """Fit the index to a workload, by default the one observed; with `apply` figures before and after."""
        given: Any = workload
        return _plain(self._blocking(lambda client: client.cache.optimize(workload=given, apply=apply)))

    def _do(self, ask: Callable[[Client], Awaitable[T]]) -> T:
        answer: T = self._blocking(ask)
        return answer


def _sendable(metadata: Mapping[str, object]) -> dict[str, object]:
    """Values as JSON can say them; raises BadRequest naming the column of one that it cannot."""
    for name, value in metadata.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BadRequest(f"metadata.{name}", str(error)) from None
    return dict(metadata)


def _dict(filters: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if filters is None else dict(filters)


def _plain(row: Any) -> dict[str, Any]:
    fields: dict[str, Any] = row.model_dump(exclude_none=True)
    return fields


async def _table(content: AsyncIterator[bytes]) -> pa.Table:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    async for chunk in content:
        sink.write(chunk)
    return pa.ipc.open_stream(sink.getvalue()).read_all()
