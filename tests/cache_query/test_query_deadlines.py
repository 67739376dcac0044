"""No question takes longer than it may, whatever it asks of whatever texts."""

from __future__ import annotations

import random
import time

import pytest
from cache_query.memory_index import COLUMNS, MemorySegment, Row, cid_of, snapshot_of

from cidbus.actors.cache.query import Query, aggregate, explain, run
from cidbus.actors.cache.query import text_conditions as conditions
from cidbus.actors.cache.query.deadline import Deadline
from cidbus.actors.cache.query.filter import Contains, Matches
from cidbus.schemas.errors import DeadlineExceeded

SLOW = "(a|b)*a" + "(a|b)" * 48 + "c"


def _long_names(count: int, **options: object) -> MemorySegment:
    chance = random.Random(1)
    text = "".join(chance.choices("ab", k=16_384))
    rows = [Row(cid_of(n), {"filename": text[n:] + text[:n], "size_bytes": n}) for n in range(count)]
    return MemorySegment("r", rows, resident=["filename"], **options)  # type: ignore[arg-type]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("options", [{}, {"dictionary": ["filename"]}])
def test_a_slow_pattern_on_long_texts_ends_soon_after_its_deadline(options):
    snapshot = snapshot_of(_long_names(1000, **options))
    slow = {"filename": {"$regex": SLOW}}
    query = Query.parse(COLUMNS, filter=slow)
    for ask in (
        lambda: run(query, snapshot, within_s=0.1),
        lambda: explain(query, snapshot, within_s=0.1),
        lambda: aggregate(snapshot, filter=slow, within_s=0.1),
    ):
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"the query: no answer within 0.1 s"):
            ask()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "filter_",
    [
        {"size_bytes": 5},
        {"$or": [{"size_bytes": 5}, {"filename": {"$contains": "x"}}]},
        {"tags": "x"},
        {"cid": {"$regex": "x"}},
    ],
)
def test_a_deadline_that_is_over_ends_every_search(filter_):
    snapshot = snapshot_of(MemorySegment("r", [Row(cid_of(n), {"size_bytes": n}) for n in range(10)]))
    query = Query.parse(COLUMNS, filter=filter_, sort=["size_bytes"])
    for ask in (
        lambda: run(query, snapshot, within_s=0),
        lambda: explain(query, snapshot, within_s=0),
        lambda: aggregate(snapshot, filter=filter_, within_s=0),
        lambda: aggregate(snapshot, group_by=["size_bytes"], within_s=0),
    ):
        with pytest.raises(DeadlineExceeded):
            ask()
    assert run(query, snapshot, within_s=None).rows == run(query, snapshot).rows


def test_what_the_hottest_rows_answer_needs_no_deadline():
    snapshot = snapshot_of(MemorySegment("r", [Row(cid_of(1), log=1.0)]), top_heat=True)
    query = Query.parse(COLUMNS, sort=["-heat_score"], limit=10)
    assert run(query, snapshot, within_s=0).rows == 1
    assert explain(query, snapshot, within_s=0)["answered_by"] == "top-heat"


def test_longer_texts_and_larger_patterns_are_tried_in_smaller_portions():
    short, long = (MemorySegment("r", [Row(cid_of(n), {"filename": text}) for n in range(20_000)]).column(
        "filename") for text in ("a" * 10, "a" * 4096))  # fmt: skip

    def sizes(leaf, texts):
        return [len(part) for part in conditions._portions(leaf, texts)]

    assert sizes(Matches("filename", "^a"), short) == [8192, 8192, 3616]
    assert sizes(Matches("filename", "a" * 64), long)[:2] == [16, 16]
    assert set(sizes(Matches("filename", "a{200}" * 2), long)) == {2}
    assert sum(sizes(Matches("filename", "a{200}" * 2), long.slice(7, 1001))) == 1001
    assert sizes(Contains("filename", "a"), short) == [20_000]
    assert sizes(Contains("filename", "a"), long) == [16_384, 3616]
    assert sizes(Matches("filename", "a"), short.slice(0, 0)) == [0]


def test_a_deadline_without_end_is_never_over():
    Deadline(None).check()
    Deadline(60.0).check()
    with pytest.raises(DeadlineExceeded):
        Deadline(0.0).check()
