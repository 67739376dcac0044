"""Heat: order-independent, decayed without being rewritten, comparable by a constant, mergeable."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.cache.heat import COLD, Heat

HEAT = Heat(half_life_s=86_400.0, epoch_s=1.7e9)
ACCESSES = st.lists(
    st.tuples(st.floats(0, 30 * 86_400.0), st.floats(0.01, 100)), min_size=1, max_size=50
).map(lambda pairs: [(1.7e9 + at, weight) for at, weight in pairs])


def log_of(accesses) -> float:
    log = COLD
    for at_s, weight in accesses:
        log = HEAT.add(log, at_s, weight)
    return log


@given(ACCESSES, st.randoms())
def test_the_order_of_accesses_does_not_matter(accesses, rng: random.Random):
    shuffled = rng.sample(accesses, len(accesses))
    assert log_of(accesses) == pytest.approx(log_of(shuffled), abs=1e-9)


@given(ACCESSES, st.floats(0, 10 * 86_400.0))
def test_the_score_is_that_of_the_sum_over_all_accesses(accesses, later_s):
    now_s = 1.7e9 + 30 * 86_400.0 + later_s
    heat = sum(weight * 2 ** (-(now_s - at_s) / HEAT.half_life_s) for at_s, weight in accesses)
    assert HEAT.score(log_of(accesses), now_s) == pytest.approx(heat / (1 + heat), rel=1e-6)


def test_one_access_just_now_is_a_half_and_halves_in_a_half_life():
    now_s = 1.75e9
    log = HEAT.of_access(now_s)
    assert HEAT.score(log, now_s) == pytest.approx(0.5)
    assert HEAT.score(log, now_s + HEAT.half_life_s) == pytest.approx(1 / 3)
    three = HEAT.add(HEAT.add(log, now_s), now_s)
    assert HEAT.score(three, now_s) == pytest.approx(0.75)


@given(ACCESSES, ACCESSES, st.floats(0.001, 0.999))
def test_comparing_scores_is_comparing_with_a_constant(some, others, score):
    now_s = 1.7e9 + 40 * 86_400.0
    bound = HEAT.log_of_score(score, now_s)
    for log in (log_of(some), log_of(others)):
        if abs(log - bound) > 1e-6:
            assert (log > bound) == (HEAT.score(log, now_s) > score)


@given(st.lists(ACCESSES, min_size=1, max_size=4))
def test_the_heat_of_a_cluster_is_that_of_all_accesses_of_its_nodes(nodes):
    merged = HEAT.merged(log_of(accesses) for accesses in nodes)
    assert merged == pytest.approx(log_of([a for accesses in nodes for a in accesses]), abs=1e-9)


@given(ACCESSES)
def test_moving_the_epoch_changes_no_score(accesses):
    later, delta = HEAT.rebased(1.75e9)
    log, now_s = log_of(accesses), 1.76e9
    assert later.score(log + delta, now_s) == pytest.approx(HEAT.score(log, now_s), rel=1e-6, abs=1e-12)


def test_what_was_never_used_is_cold_and_the_bounds_have_no_score():
    assert HEAT.score(COLD, 1.75e9) == 0
    assert HEAT.merged([]) == COLD
    assert HEAT.of_access(1.75e9, weight=0) == COLD
    assert HEAT.log_of_score(0, 1.75e9) == COLD
    assert HEAT.log_of_score(1, 1.75e9) == math.inf
    assert HEAT.scores(np.array([COLD, 1e6], np.float32), 1.75e9).tolist() == [0, 1]
