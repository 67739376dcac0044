"""What is observed ages, is bounded, and survives as JSON."""

from __future__ import annotations

import json

import pytest

from cidbus.actors.cache.columns import Columns
from cidbus.actors.cache.optimize.observed import MAX_COLUMNS, MAX_SHAPES, Observed
from cidbus.actors.cache.optimize.question import (
    Filtered,
    Question,
    filtered_by,
    question_of,
    question_of_query,
)
from cidbus.actors.cache.query.aggregate import Aggregation
from cidbus.actors.cache.query.observed import observed as query_observed
from cidbus.actors.cache.query.query import Query
from cidbus.schemas.errors import BadRequest

from .small_index import DAY_S, NOW_S


def observed_with_a_bit_of_everything() -> Observed:
    observed = Observed()
    request = {"filter": {"size_bytes": {"$gt": 10}}, "sort": ["-heat_score"], "limit": 10, "cursor": "x"}
    observed.note(
        question_of(request), at_s=NOW_S, seconds=0.5, rows_read=100, rows_returned=7, matched_share=0.02
    )
    observed.note(
        question_of({"aggregates": {"b": {"$sum": "size_bytes"}}, "group_by": ["mimetype"]}), at_s=NOW_S
    )
    observed.note_points(3, at_s=NOW_S, columns=["filename"])
    observed.note_write(10, at_s=NOW_S)
    observed.note_touches(5, at_s=NOW_S)
    return observed


def test_each_use_of_a_column_is_told_apart():
    usage = observed_with_a_bit_of_everything().usage(NOW_S)
    size, kind, name = (usage.of_column(each) for each in ("size_bytes", "mimetype", "filename"))
    assert (size.filtered, size.aggregated, size.kinds) == (1, 1, {"range": 1})
    assert size.selectivity == pytest.approx(0.02)
    assert usage.of_column("heat_score").sorted == 1
    assert kind.grouped == 1
    assert name.selected == 3
    assert (usage.points, usage.questions, usage.analyses, usage.writes, usage.touches) == (3, 2, 1, 1, 5)
    assert usage.whole_rows == 1


def test_a_use_counts_half_after_a_half_life():
    observed = Observed(half_life_s=DAY_S)
    observed.note_points(8, at_s=NOW_S)
    assert observed.usage(NOW_S + DAY_S).points == pytest.approx(4)
    observed.note_points(8, at_s=NOW_S + 2 * DAY_S)
    assert observed.usage(NOW_S + 2 * DAY_S).points == pytest.approx(10)


def test_ageing_goes_on_over_years_and_jumps_of_the_clock():
    observed = Observed(half_life_s=3600)
    for at_s in (NOW_S, NOW_S + 40 * 365 * DAY_S, NOW_S - 40 * 365 * DAY_S, NOW_S + 40 * 365 * DAY_S):
        observed.note(Question((Filtered("size_bytes"),)), at_s=at_s)
    usage = observed.usage(NOW_S + 40 * 365 * DAY_S)
    assert usage.questions == pytest.approx(2)
    assert usage.frequent[0].weight == pytest.approx(2)


def test_times_out_of_order_count_the_same():
    moments = [NOW_S + hour * 3600 for hour in range(100)]
    ordered, reversed_ = Observed(half_life_s=DAY_S), Observed(half_life_s=DAY_S)
    for forth, back in zip(moments, reversed(moments), strict=True):
        ordered.note_points(1, at_s=forth)
        reversed_.note_points(1, at_s=back)
    assert ordered.usage(moments[-1]).points == pytest.approx(reversed_.usage(moments[-1]).points)


def test_the_state_is_json_and_gives_the_same_usage():
    observed = observed_with_a_bit_of_everything()
    again = Observed.from_state(json.loads(json.dumps(observed.state())))
    assert again.usage(NOW_S + DAY_S) == observed.usage(NOW_S + DAY_S)
    again.note_points(1, at_s=NOW_S + DAY_S)  # and it goes on from there
    assert again.usage(NOW_S + DAY_S).points > observed.usage(NOW_S + DAY_S).points


def test_a_state_from_before_any_use_is_a_state():
    again = Observed.from_state(json.loads(json.dumps(Observed().state())))
    assert again.usage(NOW_S).reads == 0


@pytest.mark.parametrize(
    "damage",
    [{"version": 99}, {"totals": None}, {"columns": {"a": 5}}, {"epoch_s": "soon"}, {"shapes": {"x": {}}}],
)
def test_a_damaged_state_is_refused(damage):
    with pytest.raises(BadRequest):
        Observed.from_state(observed_with_a_bit_of_everything().state() | damage)


def test_memory_stays_bounded_however_many_columns_and_shapes_there_are():
    observed = Observed()
    for number in range(2000):
        observed.note(Question((Filtered(f"column{number}"),)), at_s=NOW_S)
    state = observed.state()
    assert len(state["columns"]) == MAX_COLUMNS
    assert len(state["shapes"]) == MAX_SHAPES
    assert len(state["replays"]) <= MAX_SHAPES


def test_frequent_questions_survive_a_flood_of_rare_ones():
    observed = Observed()
    frequent = question_of({"filter": {"size_bytes": {"$gt": 1}}})
    for number in range(3000):
        observed.note(Question((Filtered("mimetype"),), sorted_by=(f"column{number % 400}",)), at_s=NOW_S)
        if number % 20 == 0:
            observed.note(frequent, at_s=NOW_S, seconds=0.25, rows_read=9)
    first = observed.usage(NOW_S).frequent[0]
    assert first.shape == frequent.shape()
    assert first.replay == {"filter": {"size_bytes": {"$gt": 1}}}
    assert (first.seconds, first.rows_read) == (0.25, 9)


def test_questions_that_are_large_are_counted_but_not_kept():
    observed = Observed()
    observed.note(question_of({"filter": {"filename": {"$in": ["x" * 100] * 100}}}), at_s=NOW_S)
    (frequent,) = observed.usage(NOW_S).frequent
    assert frequent.replay is None
    assert frequent.weight == 1


def test_questions_that_differ_in_values_alone_have_one_shape():
    one, other = ({"filter": {"size_bytes": {"$gt": size}, "mimetype": "x"}} for size in (1, 2))
    assert question_of(one).shape() == question_of(other).shape()
    assert question_of(one).shape() != question_of(one | {"sort": ["size_bytes"]}).shape()
    assert question_of(one).shape() != question_of(one | {"aggregates": {"n": {"$count": {}}}}).shape()


def test_a_cursor_is_not_asked_again():
    assert "cursor" not in (question_of({"filter": {}, "cursor": "abc", "limit": 5}).replay or {})


def test_a_renamed_column_keeps_its_use():
    observed = observed_with_a_bit_of_everything()
    observed.rename("size_bytes", "length")
    usage = observed.usage(NOW_S)
    assert usage.of_column("length").filtered == 1
    assert usage.of_column("size_bytes").total == 0
    assert usage.frequent == ()


@pytest.mark.parametrize(
    ("filters", "parts"),
    [
        ({"mimetype": "image/png"}, {("mimetype", "equal")}),
        ({"size_bytes": {"$gt": 1, "$lte": 5}}, {("size_bytes", "range")}),
        ({"$or": [{"a": {"$in": [1]}}, {"b": {"$regex": "x"}}]}, {("a", "in"), ("b", "text")}),
        ({"$not": {"a": 1}}, {("a", "other")}),
        (
            {"$and": [{"$nor": [{"a": {"$gt": 1}}]}, {"b": {"$exists": True}}]},
            {("a", "other"), ("b", "exists")},
        ),
        ({"properties.author": "x"}, {("properties", "other")}),
        ({"a": None}, {("a", "exists")}),
        ([("a", ">=", 3), ("b", "contains", "x")], {("a", "range"), ("b", "text")}),
        (None, set()),
        (5, set()),
        ("text", set()),
    ],
)
def test_a_filter_is_read_into_its_parts(filters, parts):
    assert {(part.column, part.kind) for part in filtered_by(filters)} == parts


def test_a_filter_that_is_deep_or_wide_costs_a_bounded_time():
    deep: dict[str, object] = {"a": 1}
    for _ in range(20_000):
        deep = {"$and": [deep]}
    filtered_by(deep)
    assert len(filtered_by({f"c{number}": number for number in range(100_000)})) == 1000
    assert len(filtered_by({"a": {f"$gt{number}": 1 for number in range(100_000)}})) == 1


def test_a_query_that_was_parsed_is_the_same_question_as_its_request():
    request = {
        "filter": {"size_bytes": {"$gt": 5}, "mimetype": {"$in": ["a", "b"]}, "filename": {"$regex": "x"}},
        "sort": ["-added_timestamp"],
        "select": ["cid", "node"],
        "limit": 5,
    }
    query = Query.parse(Columns(), **request)
    assert question_of_query(query_observed(query), replay=request).shape() == question_of(request).shape()
    aggregates = {"b": {"$sum": "size_bytes"}, "n": {"$count": {}}}
    aggregation = Aggregation.parse(Columns(), aggregates=aggregates, group_by=["mimetype"])
    parsed = question_of_query(query_observed(aggregation))
    assert parsed.is_analysis
    assert parsed.shape() == question_of({"aggregates": aggregates, "group_by": ["mimetype"]}).shape()
