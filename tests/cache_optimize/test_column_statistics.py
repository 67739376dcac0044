"""Statistics come from samples and footers, are close to the truth, and take a bounded time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cidbus.actors.cache.columns import Column, Columns
from cidbus.actors.cache.heat import Heat
from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.index.segment import Snapshot
from cidbus.actors.cache.optimize.footers import stored_bytes
from cidbus.actors.cache.optimize.statistics import ColumnStatistics, distinct_values
from cidbus.schemas.errors import DamagedIndex

from .small_index import NOW_S, ParquetSegment, SmallIndex, table_of


def snapshot_of(*segments: ParquetSegment) -> Snapshot:
    return Snapshot(Columns(), Heat(86_400, NOW_S), segments, NOW_S, 1)


def test_few_rows_are_all_looked_at(index):
    statistics = ColumnStatistics.of_snapshot(index.snapshot(), sample_rows=1 << 20)
    assert statistics.complete
    assert statistics.rows == index.segment.rows
    assert statistics["mimetype"].distinct == 4
    assert statistics["mimetype"].sampled == statistics.rows
    assert statistics["local_path"].null_share == 1
    assert statistics["local_path"].distinct == 0
    assert statistics["properties"].distinct is None
    assert statistics["size_bytes"].decoded_bytes == pytest.approx(8, rel=0.1)
    assert set(statistics.columns) == {column.name for column in Columns().static}


def test_a_sample_estimates_the_whole(index, table):
    statistics = ColumnStatistics.of_snapshot(index.snapshot(), sample_rows=4096)
    for name in ("mimetype", "filename", "size_bytes"):
        exact = len(table.column(name).unique())
        assert statistics[name].sampled == 4096
        assert statistics[name].distinct == pytest.approx(exact, rel=0.15)


def test_a_sample_reads_a_few_row_groups(index):
    index.segment.groups_read.clear()
    ColumnStatistics.of_snapshot(index.snapshot(), sample_rows=2048)
    assert index.segment.groups_read.count("filename") <= 2


def test_a_sample_comes_from_every_part_of_the_index(tmp_path):
    parts = []
    for number, rows in enumerate((9_000, 1_000, 30_000)):
        folder = tmp_path / str(number)
        folder.mkdir()
        parts.append(ParquetSegment(table_of(rows, seed=number), Layout(), folder))
    statistics = ColumnStatistics.of_snapshot(snapshot_of(*parts), sample_rows=8192)
    assert statistics.rows == 40_000
    assert 7_000 <= statistics["mimetype"].sampled <= 8192
    assert all(part.groups_read for part in parts[::2])


def test_dead_rows_are_not_counted(table, tmp_path):
    segment = ParquetSegment(table, Layout(), tmp_path, dead=range(15_000))
    statistics = ColumnStatistics.of_snapshot(snapshot_of(segment), sample_rows=1 << 20)
    assert statistics.rows == 5000
    assert statistics["filename"].sampled == 5000


def test_an_empty_index_has_statistics():
    statistics = ColumnStatistics.of_snapshot(snapshot_of())
    assert (statistics.rows, statistics["mimetype"].distinct, statistics["mimetype"].sampled) == (0, 0, 0)


def test_when_time_runs_out_the_rest_is_left_out(index):
    moments = iter(range(1000))
    statistics = ColumnStatistics.of_snapshot(
        index.snapshot(), time_s=3.5, clock=lambda: float(next(moments))
    )
    assert not statistics.complete
    assert 1 <= len(statistics.columns) <= 4


def test_a_damaged_part_makes_the_sample_smaller(table, tmp_path):
    class Damaged(ParquetSegment):
        def take(self, name: str, rows: np.ndarray) -> pa.Array:
            if name == "filename" and rows[0] < 10_240:
                raise DamagedIndex("main.parquet", "filename")
            return super().take(name, rows)

    statistics = ColumnStatistics.of_snapshot(
        snapshot_of(Damaged(table, Layout(), tmp_path)), sample_rows=1 << 20
    )
    assert statistics["filename"].sampled == 20_000 - 10_240
    assert statistics["mimetype"].sampled == 20_000


@pytest.mark.parametrize("distinct", [1, 10, 1000, 50_000])
def test_the_number_of_distinct_values_is_estimated_within_a_third(distinct):
    rows, sampled = 1_000_000, 16_384
    values = np.random.default_rng(distinct).integers(0, distinct, sampled)
    _, counts = np.unique(values, return_counts=True)
    estimate = distinct_values(sampled, len(counts), int((counts == 1).sum()), rows)
    assert estimate == pytest.approx(distinct, rel=1 / 3)


def test_values_that_are_all_different_are_estimated_as_that():
    assert distinct_values(1000, 1000, 1000, 1_000_000) == 1_000_000
    assert distinct_values(0, 0, 0, 100) == 0
    assert distinct_values(100, 7, 0, 100) == 7


# ---- bytes on disk --------------------------------------------------------------------------------------


def test_bytes_on_disk_are_those_of_the_footers(index):
    stored = stored_bytes(index.files())
    whole = sum(stored.values()) * index.segment.rows
    assert whole == pytest.approx(index.stats()["total_size_bytes"], rel=0.25)  # the rest is footers
    assert stored["source_details"] > 5 * stored["mimetype"]
    assert stored["properties"] > 0


def test_a_cold_file_counts_for_its_own_columns(table, tmp_path):
    index = SmallIndex(table, tmp_path, Layout(cold=("source_details",)))
    assert stored_bytes(index.files())["source_details"] > 5


def test_a_renamed_column_is_found_by_its_number(tmp_path):
    old = pa.schema([pa.field("length", pa.int64(), metadata={"PARQUET:field_id": "2"})])
    pq.write_table(pa.table([pa.array(range(1000))], schema=old), tmp_path / "a.parquet")
    columns = Columns((Column(2, "size_bytes", pa.int64()),))
    assert set(stored_bytes([tmp_path / "a.parquet"], columns)) == {"size_bytes"}


def test_files_that_are_gone_or_broken_are_left_out(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing PAR1")
    assert stored_bytes([tmp_path / "gone.parquet", tmp_path / "broken.parquet"]) == {}
