"""Our side of the comparison of indexes: the questions of `index.py` as a user of the library asks them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from cidbus.actors.cache.index.index import CidIndex
from cidbus.actors.cache.query import Query, Result, aggregate, run

from .index_rows import LARGE_BYTES, NOW_S, PICTURE

if TYPE_CHECKING:  # the peers would count as memory of a process that measures our side alone
    from .index_peers import Access

__all__ = ["Ours", "open_index"]

WARM = {"heat_score": {"$gt": 0.7}}
PICTURES = {"mimetype": PICTURE, "size_bytes": {"$gt": LARGE_BYTES}}


def open_index(folder: Path) -> CidIndex:
    return CidIndex.open(folder, clock=lambda: NOW_S)


class Ours:
    """The index in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = open_index(folder)
        self._take()

    @classmethod
    def load(cls, folder: Path, tables: Sequence[pa.Table]) -> Self:
        new = cls(folder)
        new.ingest(tables)
        return new

    def ingest(self, tables: Sequence[pa.Table]) -> None:
        self._index.ingest(pa.concat_tables(tables))

    def limit_10(self) -> int:
        return len(self._asked(filter=WARM, select=["cid"], limit=10).cids())

    def warm_cids(self) -> int:
        return len(self._asked(filter=WARM, select=["cid"]).cids())

    def count_warm(self) -> int:
        filter_, count = {"heat_score": {"$gt": 0.3}}, {"n": {"$count": {}}}
        return int(aggregate(self._index.snapshot(), filter=filter_, aggregates=count)[0]["n"])

    def pictures(self) -> int:
        return len(self._asked(filter=PICTURES, select=["cid"]).cids())

    def hottest(self) -> int:
        result = self._asked(select=["cid", "heat_score"], sort=["-heat_score"], limit=100)
        return len([row for batch in result.batches() for row in batch.to_pylist()])

    def totals(self) -> tuple[int, int]:
        totals = {"n": {"$count": {}}, "bytes": {"$sum": "size_bytes"}}
        found = aggregate(self._index.snapshot(), aggregates=totals)[0]
        return found["n"], found["bytes"]

    def touch(self, accesses: Sequence[Access]) -> None:
        unknown = self._index.touch(accesses)
        if unknown:
            raise RuntimeError(f"{len(unknown)} CIDs are not known")

    def hot_many(self, keys: Sequence[bytes]) -> list[Any]:
        hot = self._index.hot_by_key
        return [hot(key) for key in keys]

    def cold_rows(self, texts: Sequence[str], first: Sequence[str]) -> float:
        """Rows a second of an index that has no row group of theirs in memory.

        It was just opened; looking up others, and hot columns, has opened its files and checked their parts.
        """
        self._index.close()
        self._index = open_index(self._folder)
        self._take()
        for text in first:
            self.row(text)
        for text in texts:
            self.hot_of_text(text)
        started = time.process_time()
        for text in texts:
            if self.row(text) is None:
                raise RuntimeError(f"{text} is not known")
        return len(texts) / (time.process_time() - started)

    def opened(self, key: bytes) -> float:
        """Openings a second, each until the first lookup is answered."""
        self._index.close()
        started = time.process_time()
        self._index = open_index(self._folder)
        self._index.hot_by_key(key)
        spent_s = time.process_time() - started
        self._take()
        return 1 / spent_s

    def checkpoint(self) -> None:
        self._index.checkpoint()

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def close(self) -> None:
        self._index.close()

    def _asked(self, **query: Any) -> Result:
        return run(Query.parse(self._index.columns, **query), self._index.snapshot())

    def _take(self) -> None:
        self.row = self._index.get
        self.hot = self._index.hot_by_key
        self.hot_of_text = self._index.hot
