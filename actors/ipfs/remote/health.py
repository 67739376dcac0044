"""How well a source has done: its speed, its failures, its lies, and how long it sits out for them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Health", "SourceHealth"]

# The weight of the newest latency in the moving average.
EWMA_WEIGHT = 0.2
REMEMBERED = 64
# Below this many answers a 95th percentile says little.
ENOUGH = 8
P95 = 0.95

FAILURES_BEFORE_BENCH = 3
FAILURE_BENCH_S, MAX_FAILURE_BENCH_S = 1.0, 300.0
LIE_BENCH_S, MAX_LIE_BENCH_S = 60.0, 3600.0


class SourceHealth(NamedTuple):
    """A source's record since the process started. `latency_s` is a moving average of its answers, None
    before the first; `benched_s` is how much longer it is not asked."""

    name: str
    answers: int
    not_found: int
    failures: int
    lies: int
    latency_s: float | None
    benched_s: float
    last_problem: str | None


class Health:
    """The record of one source; `clock` is in seconds.

    From the third failure in a row on, a source is benched for 1 s, then twice as long each time, up to 5
    minutes. A lie benches at once: 1 minute, then twice as long each time, up to an hour; lies are never
    forgotten.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._clock = clock
        self._answers = self._not_found = self._failures = self._lies = self._in_a_row = 0
        self._latency_s: float | None = None
        self._recent: deque[float] = deque(maxlen=REMEMBERED)
        self._benched_until = self._distrusted_until = -math.inf
        self._last_problem: str | None = None

    def answered(self, took_s: float) -> None:
        self._answers += 1
        self._was_there(took_s)

    def not_found(self, took_s: float) -> None:
        self._not_found += 1
        self._was_there(took_s)

    def outrun(self, took_s: float) -> None:
        """Another was faster, and it was not waited for any longer than this."""
        if self._latency_s is None or took_s > self._latency_s:
            self._latency_s = self._average(took_s)

    def failed(self, problem: str, *, bench_s: float = 0.0) -> None:
        """It did not answer, or not with a block; `bench_s` is what it asked for itself (Retry-After)."""
        self._failures += 1
        self._in_a_row += 1
        self._last_problem = problem
        beyond = self._in_a_row - FAILURES_BEFORE_BENCH
        if beyond >= 0:
            bench_s = max(bench_s, _doubled(FAILURE_BENCH_S, beyond, MAX_FAILURE_BENCH_S))
        self._bench(min(bench_s, MAX_FAILURE_BENCH_S))

    def lied(self, problem: str) -> None:
        self._lies += 1
        self._last_problem = problem
        self._bench(_doubled(LIE_BENCH_S, self._lies - 1, MAX_LIE_BENCH_S))
        self._distrusted_until = self._benched_until

    @property
    def benched_s(self) -> float:
        """How many seconds it still sits out; 0 if it may be asked."""
        return max(0.0, self._benched_until - self._clock())

    @property
    def is_distrusted(self) -> bool:
        """Whether it sits out for a lie."""
        return self._distrusted_until > self._clock()

    @property
    def latency_s(self) -> float | None:
        return self._latency_s

    def p95_s(self, otherwise: float) -> float:
        """The time within which 19 of 20 of its last answers came, or `otherwise` while they are few."""
        if len(self._recent) < ENOUGH:
            return otherwise
        return sorted(self._recent)[int(len(self._recent) * P95)]

    def report(self) -> SourceHealth:
        return SourceHealth(
            self.name, self._answers, self._not_found, self._failures, self._lies,
            self._latency_s, self.benched_s, self._last_problem,
        )  # fmt: skip

    def _was_there(self, took_s: float) -> None:
        self._in_a_row = 0
        self._recent.append(took_s)
        self._latency_s = self._average(took_s)

    def _average(self, took_s: float) -> float:
        before = took_s if self._latency_s is None else self._latency_s
        return before + EWMA_WEIGHT * (took_s - before)

    def _bench(self, seconds: float) -> None:
        self._benched_until = max(self._benched_until, self._clock() + seconds)


def _doubled(first: float, times: int, most: float) -> float:
    return min(first * 2.0 ** min(times, 32), most)
