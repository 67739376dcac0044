"""The same questions to a real index on disk: over runs, rows in memory, deletes and compaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_query.memory_index import cid_of

from cidbus.actors.cache.index.index import CidIndex
from cidbus.actors.cache.query import Query, aggregate, explain, json_rows, run

NOW_S = 1_700_000_000.0


def _filled(folder: Path) -> CidIndex:
    """600 rows: some in runs, some in memory, some replaced, some deleted, some touched."""
    index = CidIndex.open(folder, clock=lambda: NOW_S)
    for first in (0, 200, 400):
        index.put_many([_row(n) for n in range(first, first + 200)])
        if first < 400:
            index.checkpoint()
    index.put_many([_row(n, mimetype="changed") for n in range(0, 600, 60)])
    index.delete([cid_of(n) for n in range(0, 600, 50)])
    index.touch([(cid_of(n), 1 + n % 5, NOW_S - n) for n in range(0, 600, 7) if n % 50])
    return index


@pytest.fixture(scope="module", params=["in runs and memory", "compacted"])
def index(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[CidIndex]:
    index = _filled(tmp_path_factory.mktemp("index"))
    if request.param == "compacted":
        index.compact(full=True)
    yield index
    index.close()


def _row(n: int, mimetype: str | None = None) -> dict[str, object]:
    return {
        "cid": cid_of(n),
        "size_bytes": n * 10,
        "mimetype": mimetype or f"m/{n % 4}",
        "added_timestamp": NOW_S - 1000 + n,
        "tags": ["even"] if n % 2 == 0 else [],
        "properties": {"n": str(n)},
    }


def _alive() -> list[int]:
    return [n for n in range(600) if n % 50]


def _numbers(index: CidIndex, **ask: object) -> list[int]:
    numbers = {cid_of(n): n for n in range(600)}
    return [numbers[cid] for cid in run(Query.parse(index.columns, **ask), index.snapshot()).cids()]


FILTERS = [
    ({}, lambda n: True),
    ({"size_bytes": {"$gte": 1000, "$lt": 2000}}, lambda n: 100 <= n < 200),
    ({"mimetype": "changed"}, lambda n: n % 60 == 0),
    ({"mimetype": {"$ne": "m/1"}}, lambda n: n % 60 == 0 or n % 4 != 1),
    ({"tags": {"$contains": "even"}, "size_bytes": {"$gt": 3000}}, lambda n: n % 2 == 0 and n > 300),
    ({"properties.n": {"$regex": "^1.*7$"}}, lambda n: str(n)[0] == "1" and str(n)[-1] == "7" and n != 7),
    ({"cid": {"$in": [cid_of(7), cid_of(50), cid_of(1000)]}}, lambda n: n == 7),
    ({"access_count": 5}, lambda n: n % 7 == 0 and n % 5 == 4),
    ({"last_accessed": None}, lambda n: n % 7 != 0),
    ({"added_timestamp": {"$lte": NOW_S - 1000}}, lambda n: n <= 0),
    ({"$or": [{"is_pinned": True}, {"storage_tier": "disk"}]}, lambda n: False),
]


@pytest.mark.parametrize("at", range(len(FILTERS)))
def test_a_filter_finds_the_rows_of_every_segment(index, at):
    filter_, passes = FILTERS[at]
    expected = [n for n in _alive() if passes(n)]
    assert sorted(_numbers(index, filter=filter_)) == expected
    assert aggregate(index.snapshot(), filter=filter_) == [{"count": len(expected)}]
    told = explain(Query.parse(index.columns, filter=filter_), index.snapshot())
    assert sum(segment["selected"] for segment in told["segments"]) == len(expected)


def test_rows_of_all_columns_are_those_of_the_index(index):
    batches = run(Query.parse(index.columns, sort=["size_bytes"]), index.snapshot()).batches(100)
    rows = [row for batch in batches for row in json_rows(batch)]
    assert [row["size_bytes"] for row in rows] == [n * 10 for n in _alive()]
    for row in rows[::40]:
        known = {name: value for name, value in index.get(row["cid"]).items() if value is not None}
        assert row.pop("heat_score") == pytest.approx(known.pop("heat_score"), abs=1e-6)
        assert row == known


def test_the_hottest_rows_come_first_with_and_without_the_top_heat_structure(index):
    scanned = _numbers(index, sort=["-heat_score"])
    assert _numbers(index, sort=["-heat_score"], limit=20) == scanned[:20]
    hot = _numbers(index, filter={"heat_score": {"$gt": 0.6}}, limit=5)
    assert len(hot) == 5
    assert set(hot) <= set(_numbers(index, filter={"heat_score": {"$gt": 0.6}}))


@pytest.mark.parametrize("sort", [None, ["mimetype", "-size_bytes"], ["-heat_score"]])
def test_pages_go_on_over_compactions(tmp_path, sort):
    index = _filled(tmp_path)
    seen: list[int] = []
    cursor = None
    numbers = {cid_of(n): n for n in range(600)}
    for page_number in range(100):
        query = Query.parse(index.columns, sort=sort, limit=70, cursor=cursor, paged=True)
        page = run(query, index.snapshot())
        seen += [numbers[cid] for cid in page.cids()]
        cursor = page.next_cursor
        if cursor is None:
            break
        if page_number == 2:
            index.compact(full=True)
    assert len(seen) == len(set(seen))
    assert sorted(seen) == _alive()
    index.close()
