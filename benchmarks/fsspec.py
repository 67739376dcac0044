"""A Parquet file in the tree, written by pyarrow and queried by pandas and DuckDB by way of `cidbus://`.

The limit is the same queries of the same file over HTTP from a server of files on this machine, by way of
fsspec's own HTTP file system. Only the byte ranges that a query needs are read; how many bytes these are
stands beside each query.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from aiohttp import web
from fsspec.implementations.http import HTTPFileSystem

from cidbus.bus.server import free_port
from cidbus.filesystem import CidbusFileSystem

from .ratio import Ratio, alternate, start_python
from .system import measured_system

__all__ = ["compare", "compare_large"]

MB = 1_000_000
COLUMNS = 16
ROW_GROUP_ROWS = 250_000
PATH = "/benchmark/numbers.parquet"
TARGET = 0.5


async def compare(rounds: int) -> list[Ratio]:
    return await _compare(128 * MB, rounds)


async def compare_large(rounds: int) -> list[Ratio]:
    """The same with 1 GB."""
    return await _compare(1000 * MB, rounds)


async def _compare(size: int, rounds: int) -> list[Ratio]:
    with tempfile.TemporaryDirectory(prefix="cidbus-bench-") as folder:
        local = Path(folder) / "numbers.parquet"
        async with measured_system() as system, _file_server(Path(folder)) as url:
            tree = CidbusFileSystem(system.info.http, skip_instance_cache=True)
            try:
                written = await _written(tree, local, size, rounds)
                return [
                    written,
                    *[await _queried(tree, f"{url}/{local.name}", local, *q, rounds) for q in QUERIES],
                ]
            finally:
                await asyncio.to_thread(tree.close)


# ---- writing ----------------------------------------------------------------------------------------------


async def _written(tree: CidbusFileSystem, local: Path, size: int, rounds: int) -> Ratio:
    """Writing to the local disk is the limit, although a file is not safe there when it is closed."""
    ratio = Ratio(f"pyarrow writes a Parquet file of {size // MB} MB, against the local disk", "MB/s")

    async def through_the_tree() -> float:
        return await asyncio.to_thread(_timed_writing, lambda: tree.open(PATH, "wb"), size)

    async def to_disk() -> float:
        return await asyncio.to_thread(_timed_writing, lambda: local.open("wb"), size)

    return await alternate(ratio, min(rounds, 3), through_the_tree, to_disk)


def _timed_writing(open_file: Callable[[], Any], size: int) -> float:
    """MB/s; the time in which the numbers are made does not count."""
    spent = 0.0
    rows = size // (8 * COLUMNS)
    chance = np.random.default_rng(20260)
    schema = pa.schema([("group", pa.int64()), *((f"c{n}", pa.float64()) for n in range(1, COLUMNS))])
    file = open_file()
    writer = pq.ParquetWriter(file, schema, compression="none", use_dictionary=False)
    for start in range(0, rows, ROW_GROUP_ROWS):
        count = min(ROW_GROUP_ROWS, rows - start)
        numbers = [pa.array(chance.random(count)) for _ in range(1, COLUMNS)]
        table = pa.table([pa.array(np.arange(start, start + count) // 1000), *numbers], schema=schema)
        spent += _seconds(writer.write_table, table)
    spent += _seconds(writer.close) + _seconds(file.close)
    return size / MB / spent


def _seconds(work: Callable[..., Any], *on_what: Any) -> float:
    started = time.perf_counter()
    work(*on_what)
    return time.perf_counter() - started


# ---- querying ---------------------------------------------------------------------------------------------


def _pandas(fs: Any, path: str) -> float:
    with fs.open(path) as file:
        return float(pd.read_parquet(file, columns=["c1", "c2"])["c1"].sum())


def _duckdb(fs: Any, path: str) -> float:
    connection = duckdb.connect()
    connection.register_filesystem(fs)
    found = connection.sql(f"SELECT sum(c1) FROM '{fs.unstrip_protocol(path)}'").fetchall()
    return float(found[0][0])


QUERIES: list[tuple[str, Callable[[Any, str], float]]] = [
    ("pandas reads 2 of 16 columns", _pandas),
    ("DuckDB sums 1 of 16 columns", _duckdb),
]


async def _queried(
    tree: CidbusFileSystem, url: str, local: Path, name: str, query: Callable[[Any, str], float], rounds: int
) -> Ratio:
    http = _Http(skip_instance_cache=True)
    expected = float(pq.read_table(local, columns=["c1"])["c1"].to_numpy().sum())
    size = local.stat().st_size
    read = _count(tree)

    async def timed(fs: Any, path: str) -> float:
        read.clear()
        started = time.perf_counter()
        answer = await asyncio.to_thread(query, fs, path)
        spent = time.perf_counter() - started
        assert abs(answer - expected) < 1e-6 * expected
        return size / MB / spent

    ratio = Ratio(name, "MB/s of the file", TARGET)
    await timed(tree, PATH)
    share = sum(read) / size
    ratio.name += (
        f" of a Parquet file of {size // MB} MB ({share:.1%} of it in {len(read)} ranges), against HTTP"
    )
    return await alternate(ratio, rounds, lambda: timed(tree, PATH), lambda: timed(http, url))


def _count(tree: CidbusFileSystem) -> list[int]:
    """The sizes of the ranges that are read from now on."""
    sizes: list[int] = []
    plain = CidbusFileSystem.read_range

    async def counted(cid: str, start: int, end: int) -> bytes:
        sizes.append(end - start)
        return await plain(tree, cid, start, end)

    tree.read_range = counted  # type: ignore[method-assign]
    return sizes


class _Http(HTTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """With what DuckDB asks of a file system, and the original does not know."""

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(0, UTC)

    def unstrip_protocol(self, name: str) -> str:
        return name


# ---- the limit --------------------------------------------------------------------------------------------


@asynccontextmanager
async def _file_server(folder: Path) -> AsyncIterator[str]:
    port = free_port()
    process = await start_python("benchmarks.fsspec", str(folder), str(port))
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


def _serve(folder: str, port: int) -> None:
    app = web.Application()
    app.router.add_static("/", folder)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda _: print("ready", flush=True), access_log=None)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
