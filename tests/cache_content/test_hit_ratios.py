"""Heat against the references on short traces: it must not get worse. The full table is in docs/cache-policies.md."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

from cidbus.actors.cache.content.heat_order import Setting
from cidbus.actors.cache.content.heat_policy import HeatPolicy
from cidbus.actors.cache.content.policies import make_policy
from cidbus.actors.cache.content.policy import Policy

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from benchmarks.traces import TRACES, Trace, make

REQUESTS, OBJECTS = 40_000, 20_000


@cache
def trace(name: str) -> tuple[Trace, list[str], list[int]]:
    made = make(name, REQUESTS, OBJECTS)
    return made, [f"bafkrei{number:052d}" for number in made.objects.tolist()], made.sizes.tolist()


def ratios(policy_name: str | Policy, name: str, share: float = 0.05) -> tuple[float, float]:
    made, keys, sizes = trace(name)
    capacity = int(made.unique_bytes * share)
    policy = (
        make_policy(policy_name, capacity, capacity // 8) if isinstance(policy_name, str) else policy_name
    )
    hits = hit_bytes = 0
    for key, size in zip(keys, sizes, strict=True):
        if policy.hit(key):
            hits += 1
            hit_bytes += size
        else:
            policy.admit(key, size)
    return hits / len(keys), hit_bytes / sum(sizes)


@pytest.mark.parametrize("name", TRACES)
def test_heat_beats_lru_and_s3_fifo_by_objects(name):
    objects, _ = ratios("heat", name)
    assert objects > max(ratios("lru", name)[0], ratios("s3-fifo", name)[0]) - 0.005


def test_a_scan_does_not_push_out_what_is_asked_for():
    made, _, _ = trace("scan")
    capacity = int(made.unique_bytes * 0.05)
    heat = HeatPolicy(capacity, capacity // 8, setting=Setting(1 << 17, 0.5))
    objects, of_bytes = ratios(heat, "scan")
    assert objects > ratios("lru", "scan")[0] + 0.05
    assert of_bytes > ratios("lru", "scan")[1]


def test_the_half_life_becomes_short_where_popularity_is():
    made, _, _ = trace("news")
    policy = HeatPolicy(int(made.unique_bytes * 0.05), made.unique_bytes // 160)
    before = policy.setting.half_life
    ratios(policy, "news")
    assert policy.setting.half_life < before


def test_tuning_is_better_than_the_setting_it_begins_with():
    made, _, _ = trace("news")
    capacity = int(made.unique_bytes * 0.05)
    fixed = HeatPolicy(capacity, capacity // 8, setting=HeatPolicy(1, 1).setting)
    assert ratios("heat", "news")[0] > ratios(fixed, "news")[0] + 0.02


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_made_alike_by_the_same_seed(name):
    one, two, other = (make(name, 2_000, 1_000, seed=seed) for seed in (5, 5, 6))
    assert one.objects.tolist() == two.objects.tolist()
    assert one.sizes.tolist() == two.sizes.tolist()
    assert one.objects.tolist() != other.objects.tolist()


def test_every_object_has_one_size():
    for name in TRACES:
        made = make(name, 5_000, 1_000)
        assert len(set(zip(made.objects.tolist(), made.sizes.tolist(), strict=True))) == len(
            set(made.objects.tolist())
        )


def test_a_size_exponent_of_one_serves_objects_and_of_nought_bytes():
    made, _, _ = trace("zipf-1.0")
    capacity = int(made.unique_bytes * 0.05)
    objects, of_bytes = (
        ratios(HeatPolicy(capacity, setting=Setting(100_000, a)), "zipf-1.0") for a in (1.0, 0.0)
    )
    assert objects[0] > of_bytes[0]
    assert objects[1] < of_bytes[1]
