"""Whatever was observed, and whatever the layout is, proposals keep some promises."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.columns import Columns
from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.optimize.observed import Observed
from cidbus.actors.cache.optimize.proposal import Policy
from cidbus.actors.cache.optimize.propose import propose
from cidbus.actors.cache.optimize.question import KINDS, Filtered, Question
from cidbus.actors.cache.optimize.statistics import ColumnFacts, ColumnStatistics
from cidbus.actors.cache.optimize.workload import WorkloadType

from .small_index import DAY_S, NOW_S

STATIC = tuple(column.name for column in Columns().static)
ALL = Columns().names
names = st.lists(st.sampled_from(ALL), max_size=4, unique=True).map(tuple)
static = st.lists(st.sampled_from(STATIC), max_size=6, unique=True).map(tuple)
parts = st.builds(
    Filtered, st.sampled_from(ALL), st.sampled_from(KINDS), st.none() | st.floats(0, 1, allow_nan=False)
)
questions = st.builds(
    Question,
    st.lists(parts, max_size=3).map(tuple),
    names,
    names,
    st.none() | names,
    st.none() | names,
)
layouts = st.builds(
    Layout,
    row_group_rows=st.sampled_from([512, 1000, 1024, 65_536]),
    compression=st.sampled_from(["lz4", "zstd"]),
    dictionary=static,
    resident=static,
    cold=static,
    indexes=static,
)


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    observed = Observed()
    for days in (draw(st.integers(2, 40)), 0):
        for question in draw(st.lists(questions, max_size=5)):
            for _ in range(draw(st.sampled_from([1, 30]))):
                observed.note(question, at_s=NOW_S - days * DAY_S, rows_returned=50)
        observed.note_points(draw(st.sampled_from([0, 100])), at_s=NOW_S - days * DAY_S, columns=draw(static))
        for _ in range(draw(st.sampled_from([0, 100]))):
            observed.note_write(1, at_s=NOW_S)
    return observed


@st.composite
def measured(draw: st.DrawFn) -> ColumnStatistics:
    rows = draw(st.sampled_from([0, 100, 1_000_000]))
    found = {}
    for column in draw(st.permutations(Columns().static))[: draw(st.integers(0, len(STATIC)))]:
        nested = pa.types.is_nested(column.type)
        distinct = None if nested else draw(st.sampled_from([0, 1, 5, 500, 900_000]))
        found[column.name] = ColumnFacts(
            column.type, rows, min(rows, 1000), draw(st.floats(0, 1)), distinct and min(distinct, rows),
            draw(st.floats(0, 200)), draw(st.none() | st.floats(0, 100)),
        )  # fmt: skip
    return ColumnStatistics(rows, found)


@settings(deadline=None, max_examples=60)
@given(layouts, observations(), measured(), st.none() | st.sampled_from(WorkloadType))
def test_a_proposal_is_sound_explained_and_final(layout, observed, statistics, workload):
    policy = Policy()
    proposal = propose(layout, observed, statistics, workload, now_s=NOW_S, policy=policy)
    after = proposal.layout

    for field in ("dictionary", "resident", "cold", "indexes"):
        assert set(getattr(after, field)) <= set(STATIC)
        assert len(set(getattr(after, field))) == len(getattr(after, field))
    measured_cold = set(after.cold) & set(statistics.columns)
    assert not measured_cold & set(after.indexes) - set(layout.indexes)
    assert not measured_cold & set(after.resident) - set(layout.resident)
    assert 512 <= after.row_group_rows <= 65_536
    for name in STATIC:  # what was not measured stays where it is
        if name not in statistics:
            assert (name in after.cold) == (name in layout.cold)

    for field in ("row_group_rows", "compression", "dictionary", "resident", "cold", "indexes"):
        told = [change for change in proposal.changes if change.field == field]
        assert bool(told) == (getattr(after, field) != getattr(layout, field)), field
        assert all(change.reason and change.effect for change in told)

    again = propose(after, observed, statistics, workload, now_s=NOW_S, policy=policy)
    assert not again, (proposal.changes, again.changes)
