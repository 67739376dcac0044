"""What the storage of the CID index promises besides: every CID, other readers, threads, columns that change."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cache_index.index_model import NOW_S, cid_of

from cidbus.actors.cache.index.index import CidIndex, IndexOptions
from cidbus.actors.cache.index.layout import Layout
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, Conflict, NotFound

SMALL = Layout(row_group_rows=16, partition_rows=64)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[CidIndex]:
    opened = CidIndex.open(
        tmp_path / "index", IndexOptions(flush_rows=100, layout=SMALL), clock=lambda: NOW_S
    )
    yield opened
    opened.close()


def reopened(index: CidIndex, folder: Path) -> CidIndex:
    index.close()
    return CidIndex.open(folder / "index", IndexOptions(flush_rows=100, layout=SMALL), clock=lambda: NOW_S)


def rows(*numbers: int) -> list[dict[str, object]]:
    return [
        {
            "cid": cid_of(n),
            "size_bytes": n,
            "mimetype": f"type/{n % 3}",
            "tags": [str(n)],
            "properties": {"n": str(n)},
        }
        for n in numbers
    ]


def test_cids_of_every_length_with_colliding_beginnings_are_told_apart(index: CidIndex) -> None:
    cids = [str(CID.of(0x55, b"12345678"[:n], hash_name="identity")) for n in range(9)]
    cids += [
        str(CID.of(0x55, b"12345678" + n.to_bytes(2, "big") * 4, hash_name="identity")) for n in range(100)
    ]
    cids += [str(CID.of(0x55, b"12345678" + b"x" * n, hash_name="identity")) for n in range(1, 119, 7)]
    cids += [str(CID.of(codec, b"same", version=1)) for codec in (0x55, 0x70, 0x71, 0x0129, 0x0200)]
    cids.append(str(CID.of(0x70, b"same", version=0)))
    cids += [
        str(CID.of(0x55, b"same", hash_name=name)) for name in ("sha1", "sha2-512", "blake3", "blake2b-512")
    ]
    cids = list(dict.fromkeys(cids))
    index.put_many([{"cid": cid, "size_bytes": n} for n, cid in enumerate(cids)])
    for _ in range(2):
        assert [index.get(cid, ["size_bytes"]) for cid in cids] == [
            {"size_bytes": n} for n in range(len(cids))
        ]
        assert index.touch([(cid, 1, NOW_S) for cid in cids]) == []
        assert index.hot(str(CID.of(0x55, b"12345678absent", hash_name="identity"))) is None
        index.compact(full=True)
    assert {index.hot(cid).access_count for cid in cids} == {2}
    segment = index.snapshot().segments[0]
    keys = [bytes(CID.parse(cid)) for cid in segment.cids(np.arange(segment.rows))]
    assert keys == sorted(keys)


def test_other_readers_of_parquet_see_the_same_rows_in_the_runs(index: CidIndex, tmp_path: Path) -> None:
    index.put_many(rows(*range(300)))
    index.touch([(cid_of(n), n % 5 + 1, NOW_S) for n in range(0, 300, 2)])
    index.set_hot(cid_of(7), pinned=True, tier="memory")
    index.delete([cid_of(n) for n in range(0, 300, 7)])
    index.compact(full=True)
    expected = {row["cid"]: row for batch in index.export_batches() for row in batch.to_pylist()}
    assert len(expected) == index.record_count
    pattern = str(tmp_path / "index" / "run-*" / "part-*.parquet")
    files = sorted((tmp_path / "index").glob("run-*/part-*.parquet"))
    by_pyarrow = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).to_pylist()
    by_polars = polars.read_parquet(pattern).to_dicts()
    with duckdb.connect() as connection:
        counted = connection.execute(
            f"SELECT cid, size_bytes, access_count, is_pinned, storage_tier, heat_score FROM '{pattern}' ORDER BY cid"
        ).fetchall()
        found = connection.execute(f"SELECT size_bytes FROM '{pattern}' WHERE cid = '{cid_of(8)}'").fetchall()
        blooms = connection.execute(
            f"SELECT count(*) FROM parquet_metadata('{pattern}') WHERE path_in_schema = 'cid' AND bloom_filter_offset > 0"
        ).fetchall()
    assert found == [(8,)]
    assert blooms == [(-(-len(expected) // 16),)]
    names = ("cid", "size_bytes", "access_count", "is_pinned", "storage_tier", "heat_score")
    assert counted == [tuple(expected[cid][name] for name in names) for cid in sorted(expected)]
    assert {row["cid"]: row["tags"] for row in by_polars} == {
        cid: row["tags"] for cid, row in expected.items()
    }
    assert {row["cid"]: row for row in by_pyarrow} == expected


def test_writers_and_readers_go_on_while_runs_are_compacted(index: CidIndex, tmp_path: Path) -> None:
    index.put_many(rows(*range(400)))
    stop, failures = threading.Event(), []

    def tend() -> None:
        try:
            while not stop.is_set():
                index.checkpoint()
                index.compact()
                index.compact(full=True)
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=tend)
    worker.start()
    counts, sizes = dict.fromkeys(range(400), 0), {n: n for n in range(400)}
    for turn in range(150):
        some = [(turn * 37 + n) % 400 for n in range(40)]
        assert index.touch([(cid_of(n), 1, NOW_S) for n in some]) == []
        for n in some:
            counts[n] += 1
        changed = (turn * 53) % 400
        index.update(cid_of(changed), {"size_bytes": turn})
        sizes[changed] = turn
        assert index.get(cid_of(changed))["size_bytes"] == turn
        assert index.hot(cid_of(some[0])).access_count == counts[some[0]]
        assert index.record_count == 400
    stop.set()
    worker.join(60)
    assert failures == []
    index = reopened(index, tmp_path)
    assert {n: index.hot(cid_of(n)).access_count for n in range(400)} == counts
    assert {n: index.get(cid_of(n))["size_bytes"] for n in range(400)} == sizes
    index.close()


def test_a_snapshot_outlives_the_runs_it_was_taken_of(index: CidIndex, tmp_path: Path) -> None:
    index.put_many(rows(*range(100)))
    index.checkpoint()
    snapshot = index.snapshot()
    index.put_many(rows(*range(100, 200)))
    index.compact(full=True)
    assert sorted(snapshot.segments[0].column("size_bytes").to_pylist()) == list(range(100))
    del snapshot
    index.compact(full=True)
    assert len(list((tmp_path / "index").glob("run-*"))) == 1


def test_columns_are_added_renamed_and_widened_without_rewriting_runs(
    index: CidIndex, tmp_path: Path
) -> None:
    index.add_column("stars", pa.int8())
    index.put_many([row | {"stars": n % 5} for n, row in enumerate(rows(*range(50)))])
    index.checkpoint()
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "index").glob("run-*/*")}
    index.widen_column("stars", pa.int32())
    index.rename_column("stars", "rating")
    index.add_column("stars", pa.string())
    index.put_many([row | {"rating": 100_000, "stars": "many"} for row in rows(60, 61)])
    for _ in range(2):
        assert index.get(cid_of(7))["rating"] == 2
        assert index.get(cid_of(7))["stars"] is None
        assert index.get(cid_of(60), ["rating", "stars"]) == {"rating": 100_000, "stars": "many"}
        assert {segment.column("rating").type for segment in index.snapshot().segments} == {pa.int32()}
        assert {file: file.stat().st_mtime_ns for file in files} == files
        index = reopened(index, tmp_path)
    index.compact(full=True)
    table = pa.Table.from_batches(index.export_batches())
    assert table.schema.field("rating").type == pa.int32()
    assert sorted(value for value in table.column("stars").to_pylist() if value) == ["many", "many"]
    with pytest.raises(BadRequest) as narrower:
        index.widen_column("rating", pa.int16())
    assert narrower.value.field == "rating"
    index.close()


def test_bulk_rows_take_over_the_heat_of_those_they_replace(index: CidIndex, tmp_path: Path) -> None:
    index.put_many(rows(*range(10)))
    index.touch([(cid_of(n), 2, NOW_S) for n in range(10)])
    index.checkpoint()
    index.put_many(rows(3, 4))
    binary = [bytes(CID.parse(cid_of(n))) for n in (1, 3, 40, 40)]
    given = pa.table(
        {
            "cid": binary,
            "size_bytes": [101, 103, 140, 141],
            "access_count": pa.array([None, 9, None, None], pa.int32()),
        }
    )
    assert index.ingest(given) == 3
    for _ in range(2):
        assert [index.get(cid_of(n))["size_bytes"] for n in (1, 3, 4, 40)] == [101, 103, 4, 141]
        assert [index.hot(cid_of(n)).access_count for n in (1, 3, 4, 40)] == [2, 9, 2, 0]
        assert index.hot(cid_of(1)).heat_score == pytest.approx(2 / 3, abs=1e-4)
        assert index.record_count == 11
        index = reopened(index, tmp_path)
    index.close()


def test_runs_of_like_size_become_one_and_dead_rows_go(index: CidIndex) -> None:
    for turn in range(4):
        index.put_many(rows(*range(turn * 50, turn * 50 + 60)))
        index.checkpoint()
    assert len(index.stats()["runs"]) == 4
    done = index.compact()
    assert (done.runs_before, done.runs_after, done.rows, done.dropped_rows) == (4, 1, 210, 30)
    assert index.compact().rows == 0
    index.delete([cid_of(n) for n in range(100)])
    index.tend()
    assert [(run["rows"], run["dead"]) for run in index.stats()["runs"]] == [(110, 0)]


def test_the_scores_of_a_moment_survive_another_half_life(index: CidIndex, tmp_path: Path) -> None:
    index.put_many(rows(*range(20)))
    index.touch([(cid_of(n), 1, NOW_S - 3600 * n) for n in range(20)])
    index.checkpoint()
    index.put_many(rows(50))
    index.touch([(cid_of(50), 1, NOW_S)])
    before = [index.hot(cid_of(n)).heat_score for n in (*range(20), 50)]
    index.set_half_life(600.0)
    assert [index.hot(cid_of(n)).heat_score for n in (*range(20), 50)] == pytest.approx(before, abs=1e-4)
    index.close()
    index = CidIndex.open(tmp_path / "index", IndexOptions(half_life_s=60.0), clock=lambda: NOW_S)
    assert [index.hot(cid_of(n)).heat_score for n in (*range(20), 50)] == pytest.approx(before, abs=1e-4)
    assert [row for _, row, _ in index.snapshot().hottest(1)]
    index.close()


def test_an_index_is_open_in_one_process_at_a_time(index: CidIndex, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        CidIndex.open(tmp_path / "index")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"size_bytes": 1}, "cid"),
        ({"cid": "not a CID"}, "cid"),
        ({"cid": cid_of(5), "colour": 1}, "colour"),
        ({"cid": cid_of(5), "size_bytes": "12"}, "size_bytes"),
        ({"cid": cid_of(5), "size_bytes": True}, "size_bytes"),
        ({"cid": cid_of(5), "size_bytes": 2**63}, "size_bytes"),
        ({"cid": cid_of(5), "mimetype": "\ud800"}, "mimetype"),
        ({"cid": cid_of(5), "tags": "a"}, "tags"),
        ({"cid": cid_of(5), "properties": {"a": 1}}, "properties"),
        ({"cid": cid_of(5), "added_timestamp": float("inf")}, "added_timestamp"),
        ({"cid": cid_of(5), "heat_score": 1.5}, "heat_score"),
        ({"cid": cid_of(5), "storage_tier": "moon"}, "storage_tier"),
        ({"cid": cid_of(5), "is_pinned": "yes"}, "is_pinned"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_the_name_of_its_column(
    index: CidIndex, row: dict[str, object], field: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        index.put_many([{"cid": cid_of(1)}, row])
    assert refused.value.field == field
    assert index.record_count == 0


def test_a_row_comes_back_as_it_was_given(index: CidIndex) -> None:
    added = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    given = {
        "cid": cid_of(5), "size_bytes": 2**40, "filename": "é.txt", "tags": ["a", "b"], "properties": {"k": "v"},
        "cid_version": 1, "added_timestamp": added, "validation_timestamp": 1.5, "heat_score": 0.25,
        "last_accessed": NOW_S - 10, "access_count": 3, "is_pinned": True, "valid": False, "storage_tier": "disk",
    }  # fmt: skip
    index.put(given)
    for _ in range(2):
        found = index.get(cid_of(5))
        assert found.pop("heat_score") == pytest.approx(0.25, abs=1e-5)
        assert found["added_timestamp"] == added.timestamp()
        assert {name: found[name] for name in given if name not in ("heat_score", "added_timestamp")} == {
            name: value for name, value in given.items() if name not in ("heat_score", "added_timestamp")
        }
        index.checkpoint()
    with pytest.raises(NotFound):
        index.update(cid_of(6), {"size_bytes": 1})


def test_memory_rows_are_written_when_nobody_tends_the_index(index: CidIndex) -> None:
    index.put_many(rows(*range(1000)))
    assert index.stats()["memory_rows"] < 400
    assert index.record_count == 1000 - len(set(range(1000))) + len({cid_of(n) for n in range(1000)})


def test_an_export_is_in_the_order_of_cids_in_each_segment(index: CidIndex) -> None:
    index.put_many(rows(*range(60)))
    for _ in range(2):
        (batch,) = index.export_batches()
        keys = [bytes(CID.parse(cid)) for cid in batch.column("cid").to_pylist()]
        assert keys == sorted(keys)
        index.compact(full=True)
