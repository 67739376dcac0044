"""The engines that the index is compared with: the same rows in SQLite, DuckDB and LMDB, each used as its
manual advises, and each answering the questions of `index.py` under the same method names.

All are safe against the crash of a process and none waits for the disk: WAL and synchronous=NORMAL in SQLite,
map_async in LMDB. They are asked by binary CIDs and answer in binary CIDs; nothing is converted for them.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import lmdb
import orjson
import pyarrow as pa

from .index_rows import COLUMNS, LARGE_BYTES, PICTURE

__all__ = ["Access", "Duck", "Lmdb", "Sqlite"]

# A binary CID, how many times, and when.
Access = tuple[bytes, int, float]

CREATE = """
CREATE TABLE cids (
    cid BLOB PRIMARY KEY, size_bytes INTEGER, mimetype TEXT, filename TEXT, extension TEXT, storage_tier TEXT,
    is_pinned INTEGER, added_timestamp REAL, last_accessed REAL, access_count INTEGER, heat_score REAL,
    source TEXT, codec TEXT
) WITHOUT ROWID
"""
# DuckDB would choose a dictionary for CIDs, which are all different, and read five times slower.
CREATE_DUCK = """
CREATE TABLE cids (
    cid BLOB USING COMPRESSION uncompressed, size_bytes BIGINT, mimetype TEXT, filename TEXT, extension TEXT,
    storage_tier TEXT, is_pinned BOOLEAN, added_timestamp TIMESTAMPTZ, last_accessed TIMESTAMPTZ,
    access_count INTEGER, heat_score FLOAT, source TEXT, codec TEXT
)
"""
INDEXES = (
    "CREATE INDEX by_heat ON cids (heat_score)",
    "CREATE INDEX by_kind ON cids (mimetype, size_bytes)",
    "ANALYZE",
)
LIMIT_10 = "SELECT cid FROM cids WHERE heat_score > 0.7 LIMIT 10"
WARM_CIDS = "SELECT cid FROM cids WHERE heat_score > 0.7"
COUNT = "SELECT count(*) FROM cids WHERE heat_score > 0.3"
PICTURES = f"SELECT cid FROM cids WHERE mimetype = '{PICTURE}' AND size_bytes > {LARGE_BYTES}"
HOTTEST = "SELECT cid, heat_score FROM cids ORDER BY heat_score DESC LIMIT 100"
TOTALS = "SELECT count(*), sum(size_bytes) FROM cids"
HOT = "heat_score, access_count, last_accessed, is_pinned, storage_tier"
# One more access: a stored score cannot decay by itself, so this is the least that a peer has to do.
TOUCHED = "access_count = access_count + ?2, heat_score = heat_score + (1 - heat_score) / 2"


class Sqlite:
    """A table without row ids under a blob key, with the two indexes that match the questions or without."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")

    @classmethod
    def load(cls, path: Path, tables: Sequence[pa.Table]) -> Self:
        new = cls(path)
        new._db.execute(CREATE)
        insert = f"INSERT INTO cids VALUES ({', '.join('?' * len(COLUMNS))})"
        for table in tables:
            new._db.execute("BEGIN")
            new._db.executemany(insert, zip(*_python_columns(table), strict=True))
            new._db.execute("COMMIT")
        new._checkpoint()
        return new

    def indexed_copy(self, path: Path) -> Sqlite:
        shutil.copyfile(self._path, path)
        new = Sqlite(path)
        for statement in INDEXES:
            new._db.execute(statement)
        new._checkpoint()
        return new

    def row(self, key: bytes) -> Any:
        return self._db.execute("SELECT * FROM cids WHERE cid = ?", (key,)).fetchone()

    def hot(self, key: bytes) -> Any:
        return self._db.execute(f"SELECT {HOT} FROM cids WHERE cid = ?", (key,)).fetchone()

    def limit_10(self) -> int:
        return len(self._db.execute(LIMIT_10).fetchall())

    def warm_cids(self) -> int:
        return len(self._db.execute(WARM_CIDS).fetchall())

    def count_warm(self) -> int:
        return int(self._db.execute(COUNT).fetchone()[0])

    def pictures(self) -> int:
        return len(self._db.execute(PICTURES).fetchall())

    def hottest(self) -> int:
        return len(self._db.execute(HOTTEST).fetchall())

    def totals(self) -> tuple[int, int]:
        return tuple(self._db.execute(TOTALS).fetchone())

    def touch(self, accesses: Sequence[Access]) -> None:
        update = f"UPDATE cids SET {TOUCHED}, last_accessed = ?3 WHERE cid = ?1"
        self._db.execute("BEGIN")
        self._db.executemany(update, accesses)
        self._db.execute("COMMIT")

    def size_bytes(self) -> int:
        return self._path.stat().st_size

    def close(self) -> None:
        self._db.close()

    def _checkpoint(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Duck:
    """A native DuckDB table on two threads; answers of many rows are taken as Arrow, its fastest way out."""

    def __init__(self, path: Path) -> None:
        self._db = duckdb.connect(str(path), config={"threads": 2})

    @classmethod
    def load(cls, path: Path, tables: Sequence[pa.Table]) -> Self:
        new = cls(path)
        rows = pa.concat_tables(tables)
        new._db.register("rows", rows)
        new._db.execute(CREATE_DUCK)
        new._db.execute("INSERT INTO cids SELECT * FROM rows")
        new._db.unregister("rows")
        new._db.execute("CHECKPOINT")
        return new

    def limit_10(self) -> int:
        return len(self._db.execute(LIMIT_10).fetchall())

    def warm_cids(self) -> int:
        return int(self._db.sql(WARM_CIDS).to_arrow_table().num_rows)

    def count_warm(self) -> int:
        return int(self._db.execute(COUNT).fetchall()[0][0])

    def pictures(self) -> int:
        return int(self._db.sql(PICTURES).to_arrow_table().num_rows)

    def hottest(self) -> int:
        return len(self._db.execute(HOTTEST).fetchall())

    def totals(self) -> tuple[int, int]:
        count, total = self._db.execute(TOTALS).fetchall()[0]
        return int(count), int(total)

    def touch(self, accesses: Sequence[Access]) -> None:
        cids, counts, ats = zip(*accesses, strict=True)
        touched = {"cid": pa.array(cids, pa.binary()), "times": pa.array(counts), "at_s": pa.array(ats)}
        self._db.register("touched", pa.table(touched))
        self._db.execute(
            f"UPDATE cids SET {TOUCHED.replace('?2', 'touched.times')}, "
            "last_accessed = to_timestamp(touched.at_s) FROM touched WHERE cids.cid = touched.cid"
        )
        self._db.unregister("touched")

    def close(self) -> None:
        self._db.close()


class Lmdb:
    """CID → the hot columns as a fixed head, then the others as JSON; loaded in key order."""

    HEAD = struct.Struct("<fdIB")  # heat score, last access, count, flags

    def __init__(self, path: Path) -> None:
        self._db = lmdb.open(str(path), map_size=2**31, writemap=True, map_async=True)

    @classmethod
    def load(cls, path: Path, tables: Sequence[pa.Table]) -> Self:
        new = cls(path)
        table = pa.concat_tables(tables).sort_by("cid")
        with new._db.begin(write=True) as transaction:
            for cid, *row in zip(*_python_columns(table), strict=True):
                pinned, last_s, count, heat = row[5], row[7], row[8], row[9]
                head = cls.HEAD.pack(heat, last_s or 0.0, count, pinned)
                rest = orjson.dumps([*row[:5], row[6], *row[10:]])
                transaction.put(cid, head + rest, append=True)
        new._db.sync(True)
        return new

    def row(self, key: bytes) -> Any:
        with self._db.begin() as transaction:
            value = transaction.get(key)
        return self.HEAD.unpack_from(value), orjson.loads(value[self.HEAD.size :])

    def hot(self, key: bytes) -> Any:
        with self._db.begin() as transaction:
            return self.HEAD.unpack_from(transaction.get(key))

    def hot_many(self, keys: Sequence[bytes]) -> list[Any]:
        unpack = self.HEAD.unpack_from
        with self._db.begin() as transaction:
            return [unpack(transaction.get(key)) for key in keys]

    def touch(self, accesses: Sequence[Access]) -> None:
        head = self.HEAD
        with self._db.begin(write=True) as transaction:
            for key, times, at_s in accesses:
                value = transaction.get(key)
                heat, _, count, flags = head.unpack_from(value)
                transaction.put(
                    key, head.pack(heat + (1 - heat) / 2, at_s, count + times, flags) + value[head.size :]
                )

    def close(self) -> None:
        self._db.close()


def _python_columns(table: pa.Table) -> list[list[Any]]:
    """The columns as lists; times as Unix seconds."""
    found = []
    for column in table.columns:
        values = column.to_pylist()
        if pa.types.is_timestamp(column.type):
            values = [value.timestamp() if isinstance(value, datetime) else None for value in values]
        found.append(values)
    return found
