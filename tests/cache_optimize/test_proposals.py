"""Proposals follow from use and from measured values, say why, and come true."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.optimize.measure import apply
from cidbus.actors.cache.optimize.observed import Observed
from cidbus.actors.cache.optimize.proposal import Policy, Proposal
from cidbus.actors.cache.optimize.propose import propose
from cidbus.actors.cache.optimize.question import Filtered, Question, question_of
from cidbus.actors.cache.optimize.statistics import ColumnStatistics
from cidbus.actors.cache.optimize.workload import WorkloadType, layout_for

from .small_index import DAY_S, NOW_S, SmallIndex

SELECTIVE = {"filter": {"size_bytes": {"$gt": 995_000}}, "select": ["cid", "size_bytes"]}


def watched(days: float = 3, half_life_s: float = 7 * DAY_S) -> Observed:
    """Observed for some days: sizes are searched, types are grouped; nobody looks at the notes."""
    observed = Observed(half_life_s)
    for at_s in (NOW_S - days * DAY_S, NOW_S):
        for _ in range(100):
            observed.note(question_of(SELECTIVE), at_s=at_s, rows_read=20_000, matched_share=0.005)
            observed.note(
                question_of({"group_by": ["mimetype"], "aggregates": {"n": {"$count": {}}}}), at_s=at_s
            )
    return observed


def proposed(
    index: SmallIndex, observed: Observed, workload: WorkloadType | None = None, **policy: float
) -> Proposal:
    statistics = ColumnStatistics.of_snapshot(index.snapshot(), files=index.files())
    return propose(index.layout, observed, statistics, workload, now_s=NOW_S, policy=Policy(**policy))  # type: ignore[arg-type]


def of(proposal: Proposal, field: str, column: str | None = None):
    return [c for c in proposal.changes if c.field == field and column in (None, c.column)]


def test_every_change_has_a_reason_and_an_effect_and_is_in_the_layout(index):
    proposal = proposed(index, watched())
    assert proposal
    assert proposal.before == index.layout
    for change in proposal.changes:
        assert change.reason
        assert change.effect
        if change.column is not None:
            assert (change.column in getattr(proposal.layout, change.field)) == change.after
            assert (change.column in getattr(proposal.before, change.field)) == change.before
        else:
            assert getattr(proposal.layout, change.field) == change.after
    json.dumps(proposal.to_json())


def test_whatever_differs_in_the_layout_has_a_change_that_says_so(index):
    for workload in (None, *WorkloadType):
        proposal = proposed(index, watched(), workload)
        for field in ("row_group_rows", "compression", "dictionary", "resident", "cold", "indexes"):
            before, after = getattr(proposal.before, field), getattr(proposal.layout, field)
            assert bool(of(proposal, field)) == (before != after), (workload, field)


def test_what_was_proposed_is_not_proposed_again(index):
    for workload in (None, *WorkloadType):
        first = proposed(index, watched(), workload)
        index.set_layout(first.layout)
        index.compact(full=True)
        again = proposed(index, watched(), workload)
        assert not again, (workload, again.changes)
        assert again.changes == ()


# ---- cold columns ---------------------------------------------------------------------------------------


def test_a_column_that_nobody_reads_goes_to_the_cold_family_and_is_still_there_when_asked_for(index, table):
    proposal = proposed(index, watched())
    assert "source_details" in proposal.layout.cold
    assert "size_bytes" not in proposal.layout.cold
    moved = of(proposal, "cold", "source_details")[0].estimate["bytes_moved"]
    hot_bytes = (index._folder / "main.parquet").stat().st_size

    apply(index, proposal, (), index.ask)

    assert (index._folder / "cold.parquet").exists()
    assert (index._folder / "main.parquet").stat().st_size < hot_bytes - 0.8 * moved
    row = index.get("cid-00000007")
    assert row is not None
    assert row["source_details"] == table.column("source_details")[7].as_py()


def test_a_cold_column_that_is_read_again_comes_back(index):
    index.set_layout(Layout(cold=("source_details", "properties")))
    index.compact(full=True)
    observed = watched()
    observed.note_points(1, at_s=NOW_S, columns=["source_details"])
    proposal = proposed(index, observed)
    assert "source_details" not in proposal.layout.cold
    assert "properties" in proposal.layout.cold
    assert "it was read" in of(proposal, "cold", "source_details")[0].reason


def test_a_column_read_within_the_last_day_stays(index):
    observed = watched()
    observed.note_points(1, at_s=NOW_S - 0.9 * DAY_S, columns=["source_details"])
    assert "source_details" not in proposed(index, observed).layout.cold


def test_no_column_goes_cold_before_it_was_watched_for_a_day(index):
    assert proposed(index, watched(days=0.5)).layout.cold == ()
    assert proposed(index, watched(days=0.5), cold_after_s=3600).layout.cold != ()


def test_reads_of_whole_rows_read_every_column(index):
    observed = watched()
    observed.note_points(100, at_s=NOW_S)
    assert proposed(index, observed).layout.cold == ()


def test_a_column_without_values_costs_nothing_where_it_is(index):
    assert "local_path" not in proposed(index, watched()).layout.cold


# ---- secondary indexes ----------------------------------------------------------------------------------


def test_a_selective_filter_proposes_an_index_and_then_reads_fewer_rows(index):
    observed = watched()
    proposal = proposed(index, observed)
    assert proposal.layout.indexes == ("size_bytes",)
    (change,) = of(proposal, "indexes")

    searches = [each for each in observed.usage(NOW_S).frequent if "size_bytes" in each.shape]
    applied = apply(index, proposal, searches, index.ask)

    assert applied.before.rows_read == change.estimate["rows_read_before"] == 20_000
    assert applied.after.rows_read == pytest.approx(change.estimate["rows_read_after"], rel=0.5)


def test_a_filter_that_lets_most_rows_through_gets_no_index(index):
    observed = Observed()
    for _ in range(200):
        observed.note(question_of(SELECTIVE), at_s=NOW_S, matched_share=0.6)
    assert proposed(index, observed).layout.indexes == ()


def test_a_filter_of_unknown_selectivity_is_judged_by_its_distinct_values(index):
    observed = Observed()
    for name in ("filename", "mimetype"):
        for _ in range(100):
            observed.note(Question((Filtered(name),), selected=()), at_s=NOW_S)
    assert proposed(index, observed).layout.indexes == ("filename",)


@pytest.mark.parametrize("kind", ["text", "exists", "other"])
def test_what_an_order_cannot_answer_gets_no_index(index, kind):
    observed = Observed()
    for _ in range(200):
        observed.note(Question((Filtered("filename", kind, 0.001),), selected=()), at_s=NOW_S)
    assert proposed(index, observed).layout.indexes == ()


def test_hot_columns_and_maps_get_no_index(index):
    observed = Observed()
    for name in ("heat_score", "last_accessed", "properties", "tags"):
        for _ in range(100):
            observed.note(Question((Filtered(name, "range", 0.001),), selected=()), at_s=NOW_S)
    assert proposed(index, observed).layout.indexes == ()


def test_sorting_and_grouping_alone_get_no_index(index):
    observed = Observed()
    for _ in range(200):
        observed.note(Question(sorted_by=("filename",), grouped_by=("size_bytes",), selected=()), at_s=NOW_S)
    assert proposed(index, observed).layout.indexes == ()


def test_an_index_that_is_no_longer_used_goes(index):
    index.set_layout(Layout(indexes=("filename",)))
    index.compact(full=True)
    proposal = proposed(index, watched())
    assert proposal.layout.indexes == ("size_bytes",)
    assert of(proposal, "indexes", "filename")[0].after is False


def test_an_index_that_is_used_a_little_stays_but_is_not_made(index):
    observed = watched()
    for _ in range(25):
        observed.note(Question((Filtered("filename", "equal", 0.0001),), selected=()), at_s=NOW_S)
    assert "filename" not in proposed(index, observed).layout.indexes
    index.set_layout(Layout(indexes=("filename",)))
    assert "filename" in proposed(index, observed).layout.indexes


def test_there_are_only_so_many_indexes(index):
    observed = Observed()
    for name in ("size_bytes", "filename", "added_timestamp", "source_details"):
        for _ in range(100):
            observed.note(Question((Filtered(name, "range", 0.001),), selected=()), at_s=NOW_S)
    assert len(proposed(index, observed, max_indexes=2).layout.indexes) == 2


# ---- dictionaries, resident columns, row groups ---------------------------------------------------------


def test_dictionaries_follow_the_measured_values(index):
    index.set_layout(Layout(dictionary=("filename",)))
    proposal = proposed(index, Observed())
    assert "mimetype" in proposal.layout.dictionary
    assert "filename" not in proposal.layout.dictionary
    assert of(proposal, "dictionary", "mimetype")[0].estimate["distinct"] == 4


def test_an_empty_index_keeps_its_dictionaries():
    statistics = ColumnStatistics(0)
    assert propose(Layout(), Observed(), statistics, now_s=NOW_S).layout == Layout()


def test_what_is_searched_stays_in_memory_and_what_is_not_leaves_it(index):
    index.set_layout(Layout(resident=("filename",)))
    observed = watched()
    for _ in range(100):
        observed.note(Question((Filtered("added_timestamp", "range", 0.5),), selected=()), at_s=NOW_S)
    resident = proposed(index, observed).layout.resident
    assert set(resident) == {"added_timestamp", "mimetype", "size_bytes"}
    apply(index, proposed(index, observed), (), index.ask)
    index.segment.groups_read.clear()
    for _ in range(5):
        index.segment.column("added_timestamp")
    assert index.segment.groups_read.count("added_timestamp") == index.segment._files["cid"].num_row_groups


def test_a_column_without_values_is_not_kept_in_memory_for_a_workload_that_was_only_detected(index):
    observed = Observed()
    for _ in range(100):
        observed.note(Question(grouped_by=("mimetype",), aggregated=()), at_s=NOW_S)
    assert proposed(index, observed).workload == WorkloadType.ANALYTICAL
    assert "node" not in proposed(index, observed).layout.resident
    assert "node" in proposed(index, observed, WorkloadType.ANALYTICAL).layout.resident


def test_resident_columns_fit_their_budget_by_use_for_each_byte(index):
    index.set_layout(Layout(resident=()))
    observed = watched()
    for _ in range(400):
        observed.note(Question((Filtered("filename", "text", 0.5),), selected=()), at_s=NOW_S)
    everything = proposed(index, observed, resident_bytes=1 << 30).layout.resident
    assert {"size_bytes", "mimetype", "filename"} <= set(everything)
    small = proposed(index, observed, resident_bytes=20_000 * 13).layout.resident
    assert {"size_bytes", "mimetype"} <= set(small)
    assert "filename" not in small
    assert proposed(index, observed, resident_bytes=0).layout.resident == ()


def test_single_reads_make_row_groups_small_and_scans_make_them_large(index):
    reading = Observed()
    reading.note_points(10_000, at_s=NOW_S)
    scanning = Observed()
    for _ in range(10_000):
        scanning.note(Question((Filtered("filename", "text", 0.5),), aggregated=()), at_s=NOW_S)
    index.set_layout(Layout(row_group_rows=8192))
    small, large = (
        propose(
            index.layout, observed, ColumnStatistics.of_snapshot(index.snapshot()), now_s=NOW_S,
            policy=Policy(resident_bytes=0),
        ).layout.row_group_rows
        for observed in (reading, scanning)
    )  # fmt: skip
    assert small == 512
    assert large == 65_536


def test_lookups_of_hot_columns_change_nothing(index):
    observed = watched()
    without = proposed(index, observed)
    observed.note_points(1_000_000, at_s=NOW_S, columns=())
    assert proposed(index, observed) == without


def test_many_single_reads_do_not_hide_what_the_questions_need(index):
    observed = watched()
    observed.note_points(1_000_000, at_s=NOW_S, columns=["filename"])
    layout = proposed(index, observed).layout
    assert layout.indexes == ("size_bytes",)
    assert "mimetype" in layout.resident
    assert layout.row_group_rows == 512


def test_one_or_two_questions_ask_for_no_index(index):
    observed = Observed()
    observed.note_points(1000, at_s=NOW_S)
    observed.note(question_of(SELECTIVE), at_s=NOW_S, matched_share=0.005)
    assert proposed(index, observed).layout.indexes == ()


# ---- workloads ------------------------------------------------------------------------------------------


def test_without_use_a_named_workload_gives_its_own_layout(index):
    for workload in WorkloadType:
        layout = proposed(index, Observed(), workload).layout
        wanted = layout_for(workload, index.layout)
        assert layout.row_group_rows == wanted.row_group_rows
        assert layout.compression == wanted.compression
        assert set(layout.indexes) == set(wanted.indexes)
        assert set(layout.resident) == set(wanted.resident)


def test_without_use_or_workload_only_values_decide(index):
    proposal = proposed(index, Observed())
    assert proposal.workload == WorkloadType.MIXED
    assert replace(proposal.layout, dictionary=()) == replace(index.layout, dictionary=())


def test_the_workload_is_detected_where_none_is_named(index):
    observed = Observed()
    observed.note_points(1000, at_s=NOW_S)
    proposal = proposed(index, observed)
    assert proposal.workload == WorkloadType.CID_FOCUSED
    assert "100%" in proposal.workload_reason
    assert proposal.layout.row_group_rows == 512


def test_use_adds_to_what_a_named_workload_wants(index):
    layout = proposed(index, watched(), WorkloadType.TIME_SERIES).layout
    assert set(layout.indexes) == {"added_timestamp", "size_bytes"}
    assert layout.row_group_rows == 8192
