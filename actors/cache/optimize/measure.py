"""Proof of a change: the same questions, single reads and bytes before it and after it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from ..index.layout import Layout
from ..index.segment import DEAD, Snapshot
from .proposal import Change, Proposal
from .usage import Frequent

__all__ = ["Applied", "Measured", "Optimizable", "QuestionCost", "Run", "apply", "measure"]

QUESTIONS = 8
REPEATS = 3
POINTS = 100
TIME_S = 20.0

# Answers a kept question; gives the seconds it took and the rows it read.
Run = Callable[[Mapping[str, Any]], tuple[float, int]]


class Optimizable(Protocol):
    """What is needed of the index (see `index.py`)."""

    @property
    def layout(self) -> Layout: ...
    def snapshot(self) -> Snapshot: ...
    def get(self, cid: str) -> dict[str, object] | None: ...
    def stats(self) -> dict[str, Any]: ...
    def set_layout(self, layout: Layout) -> None: ...
    def compact(self, *, full: bool = False) -> Any: ...


@dataclass(frozen=True, slots=True)
class QuestionCost:
    """A shape of question, how often it is asked, and what it costs: the median of the seconds, the least
    rows."""

    shape: str
    weight: float
    seconds: float
    rows_read: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement; `point_us` is the median time of a whole row by its CID, of one row each from row
    groups all over the index."""

    questions: tuple[QuestionCost, ...]
    point_us: float | None
    stored_bytes: int

    @property
    def seconds(self) -> float:
        """The mean of the questions, by how often they are asked."""
        return self._mean([cost.seconds for cost in self.questions])

    @property
    def rows_read(self) -> float:
        return self._mean([float(cost.rows_read) for cost in self.questions])

    def _mean(self, values: Sequence[float]) -> float:
        weights = [cost.weight for cost in self.questions]
        total = sum(weights)
        return sum(map(float.__mul__, values, weights)) / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """A proposal that was carried out. `kept` is false if it made things worse and was taken back; `after` is
    what was measured with it either way."""

    before: Measured
    after: Measured
    changes: tuple[Change, ...]
    kept: bool = True

    def to_json(self) -> dict[str, Any]:
        """JSON values of all of it, with the means over the questions."""
        means = {
            name: {"seconds": each.seconds, "rows_read": each.rows_read}
            for name, each in (("before", self.before), ("after", self.after))
        }
        facts = asdict(self)
        return facts | {name: facts[name] | means[name] for name in means}


def measure(
    index: Optimizable,
    frequent: Sequence[Frequent],
    run: Run,
    *,
    questions: int = QUESTIONS,
    points: int = POINTS,
    time_s: float = TIME_S,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Ask the most frequent questions again, and read rows from all over the index.

    After `time_s` no further question is begun. What `run` raises goes on to the caller.
    """
    ends = clock() + time_s
    # First, as questions leave row groups in memory.
    point_us = _point_us(index, points, clock)
    costs: list[QuestionCost] = []
    for each in [each for each in frequent if each.replay is not None][:questions]:
        if costs and clock() > ends:
            break
        costs.append(_cost(each, run))
    return Measured(tuple(costs), point_us, int(index.stats()["total_size_bytes"]))


def apply(
    index: Optimizable,
    proposal: Proposal,
    frequent: Sequence[Frequent],
    run: Run,
    *,
    revert_if_slower: float | None = None,
    time_s: float = TIME_S,
) -> Applied:
    """Carry out a proposal: every run is written anew in its layout, between two measurements.

    It is for a worker thread; others read and write meanwhile. The old layout comes back, and the error goes
    on, if the runs could not be written; and also if the questions afterwards take `revert_if_slower` times
    as long as before or longer without reading fewer rows.
    """
    # What an earlier layout left uncompacted would else be counted for this one.
    index.compact(full=True)
    before = measure(index, frequent, run, time_s=time_s)
    if not proposal:
        return Applied(before, before, ())
    old = index.layout
    _rewrite(index, proposal.layout, old)
    after = measure(index, _asked(frequent, before), run, time_s=time_s)
    kept = revert_if_slower is None or not _is_worse(before, after, revert_if_slower)
    if not kept:
        _rewrite(index, old, old)
    return Applied(before, after, proposal.changes, kept)


def _rewrite(index: Optimizable, layout: Layout, old: Layout) -> None:
    index.set_layout(layout)
    try:
        index.compact(full=True)
    except BaseException:
        index.set_layout(old)
        raise


def _asked(frequent: Sequence[Frequent], before: Measured) -> list[Frequent]:
    """Those that were measured before, so that both means are over the same questions."""
    shapes = {cost.shape for cost in before.questions}
    return [each for each in frequent if each.shape in shapes]


def _is_worse(before: Measured, after: Measured, factor: float) -> bool:
    return after.seconds > factor * before.seconds and after.rows_read >= before.rows_read


def _cost(each: Frequent, run: Run) -> QuestionCost:
    assert each.replay is not None
    answers = [run(each.replay) for _ in range(REPEATS)]
    seconds = statistics.median(seconds for seconds, _ in answers)
    return QuestionCost(each.shape, each.weight, seconds, min(rows for _, rows in answers))


def _point_us(index: Optimizable, points: int, clock: Callable[[], float]) -> float | None:
    taken = []
    for cid in _spread_cids(index.snapshot(), points, index.layout.row_group_rows):
        started = clock()
        index.get(cid)
        taken.append((clock() - started) * 1e6)
    return statistics.median(taken) if taken else None


def _spread_cids(snapshot: Snapshot, count: int, group_rows: int) -> list[str]:
    """CIDs of live rows at even distances, no two of one row group: the second would find it in memory."""
    total = sum(segment.rows for segment in snapshot.segments)
    found: list[str] = []
    for segment in snapshot.segments:
        share = min(max(round(count * segment.rows / max(total, 1)), 1), -(-segment.rows // group_rows))
        rows = ((np.arange(share) + 0.5) * segment.rows / max(share, 1)).astype(np.int64)
        live = [row for row in rows if not segment.hot.flags[row] & DEAD]
        found += segment.cids(np.array(live, np.int64)) if live else []
    return found
