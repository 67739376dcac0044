"""What a source's record says, and how long it sits out."""

import pytest

from cidbus.actors.ipfs.remote.health import Health


@pytest.fixture
def health(clock):
    return Health("https://gateway.example", clock)


def test_latency_is_a_moving_average_that_leans_to_the_past(health):
    health.answered(1.0)
    health.answered(2.0)
    assert health.latency_s == pytest.approx(1.2)


def test_being_outrun_makes_a_source_slower_but_never_faster(health):
    health.answered(1.0)
    health.outrun(0.1)
    assert health.latency_s == 1.0
    health.outrun(6.0)
    assert health.latency_s == pytest.approx(2.0)


def test_the_95th_percentile_needs_eight_answers(health):
    for _ in range(7):
        health.answered(0.1)
    assert health.p95_s(0.3) == 0.3
    health.answered(0.2)
    assert health.p95_s(0.3) == 0.2


def test_the_third_failure_in_a_row_benches_and_each_further_one_twice_as_long(health, clock):
    for expected_s in (0, 0, 1, 2, 4):
        health.failed("hangs")
        assert health.benched_s == expected_s
        clock.forward(health.benched_s)
    health.not_found(0.1)
    health.failed("hangs")
    assert health.benched_s == 0


def test_failures_bench_for_at_most_five_minutes(health):
    for _ in range(100):
        health.failed("hangs")
    assert health.benched_s == 300


def test_a_source_that_asks_for_patience_gets_it(health):
    health.failed("answered 429", bench_s=7)
    assert health.benched_s == 7


def test_lies_bench_at_once_longer_each_time_and_are_not_forgotten(health, clock):
    for expected_s in (60, 120, 240):
        health.lied("sent other bytes")
        assert health.is_distrusted
        assert health.benched_s == expected_s
        clock.forward(expected_s)
        assert not health.is_distrusted
        health.answered(0.1)
    for _ in range(20):
        health.lied("sent other bytes")
    assert health.benched_s == 3600


def test_a_report_counts_everything(health):
    health.answered(0.5)
    health.not_found(0.5)
    health.failed("hangs")
    health.lied("sent other bytes")
    report = health.report()
    assert (report.answers, report.not_found, report.failures, report.lies) == (1, 1, 1, 1)
    assert (report.latency_s, report.benched_s, report.last_problem) == (0.5, 60, "sent other bytes")
