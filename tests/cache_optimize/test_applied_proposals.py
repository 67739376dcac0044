"""A proposal is carried out between two measurements of the same questions, and taken back if it failed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.optimize.measure import apply, measure
from cidbus.actors.cache.optimize.optimizer import SchemaOptimizer
from cidbus.actors.cache.optimize.proposal import Proposal
from cidbus.actors.cache.optimize.usage import Frequent
from cidbus.actors.cache.optimize.workload import WorkloadType

from .small_index import ParquetSegment, SmallIndex

LARGE = {"filter": {"size_bytes": {"$gt": 995_000}}}
LATE = {"filter": {"added_timestamp": {"$gt": 10}}}


def frequent(*replays: dict[str, object] | None) -> list[Frequent]:
    return [Frequent(f"shape {n}", float(9 - n), 0.1, 100, replay) for n, replay in enumerate(replays)]


def indexed(index: SmallIndex) -> Proposal:
    return SchemaOptimizer().create_index(index.layout, index.snapshot().columns.schema(), "size_bytes")


def test_a_measurement_asks_the_kept_questions_reads_rows_and_counts_bytes(index):
    asked = []

    def run(request):
        asked.append(request)
        return index.ask(request)

    measured = measure(index, frequent(LARGE, None), run)
    assert asked == [LARGE] * 3
    (cost,) = measured.questions
    assert (cost.shape, cost.weight, cost.rows_read) == ("shape 0", 9, 20_000)
    assert measured.point_us is not None
    assert measured.point_us > 0
    assert measured.stored_bytes == index.stats()["total_size_bytes"]


def test_an_index_without_questions_or_rows_can_be_measured(table, tmp_path):
    index = SmallIndex(table.slice(0, 0), tmp_path)
    measured = measure(index, (), index.ask)
    assert (measured.questions, measured.point_us, measured.seconds, measured.rows_read) == ((), None, 0, 0)


def test_the_mean_is_by_how_often_a_question_is_asked(index):
    def run(request):
        return (2.0, 20) if request == {"a": 1} else (1.0, 10)

    measured = measure(index, frequent({"a": 1}, {"b": 1}), run)
    assert measured.seconds == pytest.approx((9 * 2 + 8 * 1) / 17)
    assert measured.rows_read == pytest.approx((9 * 20 + 8 * 10) / 17)


def test_points_are_of_row_groups_all_over_the_index_and_no_two_of_one(index, table, tmp_path):
    index.segment.groups_read.clear()
    measure(index, (), index.ask, points=7)
    assert index.segment.groups_read.count("filename") == 7
    index.set_layout(Layout(row_group_rows=8192))  # three of them
    index.compact(full=True)
    measure(index, (), index.ask, points=100)
    assert index.segment.groups_read.count("filename") == 3


def test_no_question_is_begun_after_the_time_is_up(index):
    moments = iter(np.arange(0, 1000, 0.6))
    measured = measure(index, frequent(LARGE, LARGE, LARGE), index.ask, time_s=1, clock=lambda: next(moments))
    assert 1 <= len(measured.questions) < 3


def test_an_applied_proposal_has_both_measurements_and_its_changes(index):
    proposal = indexed(index)
    before_compactions = index.compactions
    applied = apply(index, proposal, frequent(LARGE), index.ask)
    assert applied.kept
    assert index.layout == proposal.layout
    assert index.compactions == before_compactions + 2  # one so that both measurements are of compacted runs
    assert applied.before.rows_read == 20_000
    assert applied.after.rows_read < 200
    assert applied.after.stored_bytes - applied.before.stored_bytes == pytest.approx(4 * 20_000, rel=0.05)
    text = json.dumps(applied.to_json())
    assert json.loads(text)["after"]["rows_read"] == applied.after.rows_read


def test_a_proposal_without_changes_rewrites_nothing_new(index):
    nothing = Proposal(WorkloadType.MIXED, "", index.layout, index.layout, ())
    applied = apply(index, nothing, frequent(LARGE), index.ask)
    assert applied.before == applied.after
    assert applied.changes == ()


def test_the_old_layout_comes_back_if_runs_cannot_be_written(index):
    old = index.layout
    proposal = indexed(index)
    compact = index.compact

    def fails(*, full: bool = False) -> None:
        if index.layout != old:
            raise OSError(28, "no space left on device")
        compact(full=full)

    index.compact = fails
    with pytest.raises(OSError, match="no space"):
        apply(index, proposal, frequent(LARGE), index.ask)
    assert index.layout == old
    assert index.ask(LARGE)[1] == 20_000


@pytest.mark.parametrize(("limit", "kept"), [(None, True), (1.5, False), (10.0, True)])
def test_what_made_questions_slower_is_taken_back_if_asked_for(index, limit, kept):
    old, slower = index.layout, Layout(row_group_rows=512)
    proposal = Proposal(WorkloadType.MIXED, "", old, slower, ())

    def run(request):
        return (2.0 if index.layout == slower else 1.0), 20_000

    applied = apply(index, proposal, frequent(LARGE), run, revert_if_slower=limit)
    assert applied.kept is kept
    assert index.layout == (slower if kept else old)
    assert (applied.before.seconds, applied.after.seconds) == (1.0, 2.0)


def test_rows_that_are_dead_are_not_read(table, tmp_path):
    index = SmallIndex(table, tmp_path)
    index.segment = ParquetSegment(table, Layout(), tmp_path, dead=range(20_000))
    assert measure(index, (), index.ask).point_us is None
