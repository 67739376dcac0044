"""The CID index at a million rows, against SQLite, DuckDB and LMDB over the same rows.

Compared is processor time, of all threads of the process, so that what Arrow and DuckDB do on two threads
counts twice. Our side is what a user of the library calls: CIDs come out as text, whole rows are asked for by
text, and a query is read from its filter each time. `index-10m` takes ten million rows through processes of
their own.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from cidbus.actors.cache.index.text import encode_each

from .index_large import compare_large
from .index_ours import Ours
from .index_peers import Duck, Lmdb, Sqlite
from .index_rows import NOW_S, keys_of, slices
from .ratio import Ratio, alternate

__all__ = ["compare", "compare_large"]

ROWS = 1_000_000
LOOKUPS = 1_000
TOUCHES = 10_000
CACHED_ROWS = 64
# Over twice the rows of a row group, so that of CIDs this far apart in order no two share one.
APART = 2_100
# The least processor time that one measurement takes.
LEAST_S = 0.05
# Seconds: what a whole row may take from a Parquet file and from memory, and opening the index.
COLD_S, CACHED_S, OPEN_S = 300e-6, 25e-6, 5e-3
# Within one and a half times, and within three times, of what a peer needs.
WITHIN_HALF, WITHIN_THREE = 0.667, 0.334


# Operations a second, measured now.
Measure = Callable[[], float]


class Peers(NamedTuple):
    sqlite: Sqlite
    indexed: Sqlite
    duck: Duck
    lmdb: Lmdb

    def named(self) -> dict[str, Any]:
        names = "SQLite", "SQLite with the matching index", "DuckDB", "LMDB"
        return dict(zip(names, self, strict=True))


# What is asked; the method of each side; the least ratio that is wanted against each peer.
QUESTIONS: list[tuple[str, str, dict[str, float | None]]] = [
    ("10 CIDs of heat > 0.7", "limit_10",
     {"SQLite": None, "SQLite with the matching index": WITHIN_THREE, "DuckDB": 2.5}),
    ("all CIDs of heat > 0.7", "warm_cids",
     {"SQLite": 25, "SQLite with the matching index": WITHIN_HALF, "DuckDB": 2.5}),
    ("count of heat > 0.3", "count_warm",
     {"SQLite": 25, "SQLite with the matching index": WITHIN_HALF, "DuckDB": 2.5}),
    ("CIDs of large pictures", "pictures",
     {"SQLite": 25, "SQLite with the matching index": WITHIN_HALF, "DuckDB": 2.5}),
    ("the 100 hottest", "hottest",
     {"SQLite": 25, "SQLite with the matching index": WITHIN_THREE, "DuckDB": 2.5}),
    ("count and sum of sizes", "totals", {"SQLite": 25, "DuckDB": 2.5}),
]  # fmt: skip


async def compare(rounds: int) -> list[Ratio]:
    tables = list(slices(ROWS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.process_time()
        sqlite = Sqlite.load(folder / "sqlite", tables)
        sqlite_rate = ROWS / (time.process_time() - started)
        peers = Peers(
            sqlite,
            sqlite.indexed_copy(folder / "indexed"),
            Duck.load(folder / "duck", tables),
            Lmdb.load(folder / "lmdb", tables),
        )
        ours = Ours.load(folder / "ours", tables)
        keys = keys_of(pa.concat_tables(tables).select(["cid"]))
        try:
            return [
                *await lookups(rounds, ours, peers, keys),
                *await questions(rounds, ours, peers),
                *await touches(rounds, ours, peers, keys),
                *await files(rounds, ours, peers, tables, sqlite_rate),
            ]
        finally:
            for side in (ours, *peers):
                side.close()


async def lookups(rounds: int, ours: Ours, peers: Peers, keys: list[bytes]) -> list[Ratio]:
    apart = encode_each(sorted(keys)[::APART])
    # Rows of every file, so that all are open, and other rows.
    first, cold = apart[::16], [text for at, text in enumerate(apart) if at % 16]
    random.Random(1).shuffle(cold)
    cached = cold[:CACHED_ROWS]
    shuffled = random.Random(2).sample(keys, len(keys))
    picked = shuffled[:LOOKUPS]
    texts = encode_each(picked)
    sqlite, lmdb = peers.sqlite, peers.lmdb
    comparisons: list[tuple[str, float | None, Measure, Measure]] = [
        ("a whole row from its file, against 300 µs", 1,
         lambda: ours.cold_rows(cold, first), fixed(1 / COLD_S)),
        ("a whole row from memory, against 25 µs", 1,
         lambda: rate(each(ours.row, cached)), fixed(1 / CACHED_S)),
        ("a whole row from memory, against SQLite", None,
         lambda: rate(each(ours.row, cached)), lambda: rate(each(sqlite.row, picked))),
        ("hot columns of any CID, against LMDB", WITHIN_HALF, *anywhere(ours.hot, lmdb.hot, shuffled)),
        ("hot columns of any CID, against SQLite", None, *anywhere(ours.hot, sqlite.hot, shuffled)),
        ("hot columns of CIDs asked before, against LMDB", WITHIN_HALF,
         lambda: rate(each(ours.hot, picked)), lambda: rate(each(lmdb.hot, picked))),
        ("hot columns of CIDs asked before by text, against LMDB by bytes", None,
         lambda: rate(each(ours.hot_of_text, texts)), lambda: rate(each(lmdb.hot, picked))),
        ("hot columns of 1,000 CIDs, against LMDB", None,
         lambda: rate(once(ours.hot_many, picked)), lambda: rate(once(lmdb.hot_many, picked))),
    ]  # fmt: skip
    return [await side_by_side(name, target, rounds, *sides) for name, target, *sides in comparisons]


async def questions(rounds: int, ours: Ours, peers: Peers) -> list[Ratio]:
    found = []
    for what, method, wanted in QUESTIONS:
        for name, target in wanted.items():
            mine, theirs = getattr(ours, method), getattr(peers.named()[name], method)
            if mine() != theirs():
                raise RuntimeError(f"{what}: {mine()} here, {theirs()} in {name}")
            sides = partial(rate, once(mine)), partial(rate, once(theirs))
            found.append(await side_by_side(f"{what}, against {name}", target, rounds, *sides))
    return found


async def touches(rounds: int, ours: Ours, peers: Peers, keys: list[bytes]) -> list[Ratio]:
    """Accesses counted, 10,000 at a time; last, because the heat of every side moves."""
    picks = random.Random(3)
    batches = itertools.cycle([
        [(key, 1, NOW_S + second) for key in picks.sample(keys, TOUCHES)] for second in range(12)
    ])  # fmt: skip

    def touched(side: Any) -> Measure:
        def touch() -> int:
            side.touch(next(batches))
            return TOUCHES

        return partial(rate, touch)

    wanted = {"SQLite": None, "SQLite with the matching index": 20, "DuckDB": None, "LMDB": 6}
    return [
        await side_by_side(
            f"10,000 accesses counted, against {name}", target, rounds,
            touched(ours), touched(peers.named()[name]),
        )
        for name, target in wanted.items()
    ]  # fmt: skip


async def files(
    rounds: int, ours: Ours, peers: Peers, tables: Sequence[pa.Table], sqlite_rate: float
) -> list[Ratio]:
    """Loading, where SQLite's time is taken once, the bytes on disk, and opening until the first answer."""
    ours.checkpoint()
    key = tables[0]["cid"][0].as_py()
    density = Ratio("rows in a MB on disk, against SQLite", "rows/MB", 1 / 0.8)
    density.ours, density.limit = [ROWS / ours.size_bytes() * 1e6], [ROWS / peers.sqlite.size_bytes() * 1e6]
    return [
        density,
        await side_by_side("open and the first lookup, against 5 ms", 1, rounds,
                           lambda: ours.opened(key), fixed(1 / OPEN_S)),
        await side_by_side("loading, against SQLite", 5, rounds,
                           lambda: loaded(tables), fixed(sqlite_rate), unit="rows/s"),
    ]  # fmt: skip


async def side_by_side(
    name: str, target: float | None, rounds: int, ours: Measure, limit: Measure, *, unit: str = "/s"
) -> Ratio:
    def measured(side: Measure) -> Callable[[], Awaitable[float]]:
        async def measure() -> float:
            return side()

        return measure

    return await alternate(Ratio(name, unit, target), rounds, measured(ours), measured(limit))


def rate(work: Callable[[], int]) -> float:
    """Operations a second of processor time; `work` returns how many it did."""
    started, done, spent_s = time.process_time(), 0, 0.0
    while spent_s < LEAST_S:
        done += work()
        spent_s = time.process_time() - started
    return done / spent_s


def each(ask: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], int]:
    """Asks for every item; each must be known."""

    def work() -> int:
        for item in items:
            if ask(item) is None:
                raise RuntimeError(f"{item!r} is not known")
        return len(items)

    return work


def anywhere(
    ours: Callable[[Any], object], limit: Callable[[Any], object], keys: Sequence[bytes]
) -> tuple[Measure, Measure]:
    """Both sides asked for CIDs from everywhere, each for the same ones and none a second time soon."""
    return _anywhere(ours, keys), _anywhere(limit, keys)


def _anywhere(ask: Callable[[Any], object], keys: Sequence[bytes]) -> Measure:
    parts = itertools.cycle(range(0, len(keys), LOOKUPS))

    def work() -> int:
        start = next(parts)
        return each(ask, keys[start : start + LOOKUPS])()

    return partial(rate, work)


def once(ask: Callable[..., object], *arguments: Any) -> Callable[[], int]:
    def work() -> int:
        ask(*arguments)
        return 1

    return work


def fixed(value: float) -> Measure:
    return lambda: value


def loaded(tables: Sequence[pa.Table]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        Ours.load(Path(folder), tables).close()
        return ROWS / (time.process_time() - started)
