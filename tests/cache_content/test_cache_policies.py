"""Every policy keeps within its bounds and says truly what it keeps; heat keeps what is worth keeping."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.content.heat_order import HeatOrder, Setting
from cidbus.actors.cache.content.heat_policy import HeatPolicy
from cidbus.actors.cache.content.lru import Lru
from cidbus.actors.cache.content.policies import POLICIES, make_policy
from cidbus.schemas.errors import BadRequest

KEYS = st.integers(0, 30).map(lambda number: f"cid{number}")
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "ask", "remove", "wants"]), KEYS, st.integers(0, 400)),
    max_size=200,
)


@pytest.mark.parametrize("name", POLICIES)
@given(operations=OPERATIONS, capacity=st.integers(0, 1000), largest=st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_a_policy_never_exceeds_its_capacity_and_names_every_key_that_goes(
    name, operations, capacity, largest
):
    policy = make_policy(name, capacity, largest)
    held: dict[str, int] = {}
    for what, key, size in operations:
        if what == "remove":
            assert policy.remove(key) == (held.pop(key, None) is not None)
        elif what == "wants":
            if key not in held:
                policy.wants(key, size)
        elif policy.hit(key):
            assert key in held
        else:
            assert key not in held
            held[key] = size
            for gone in policy.admit(key, size):
                del held[gone]
        assert policy.used_bytes == sum(held.values()) <= capacity
        assert len(policy) == len(held)
        assert all(key in policy for key in held)
        assert all(size <= largest for size in held.values())
    assert {(key, size) for key, size, _ in policy.residents()} == set(held.items())


@pytest.mark.parametrize("new", POLICIES)
@pytest.mark.parametrize("old", POLICIES)
def test_a_policy_takes_over_what_another_kept(old, new):
    rng = random.Random(3)
    before, after = make_policy(old, 10_000, 2_000), make_policy(new, 10_000, 2_000)
    for _ in range(2_000):
        key, size = f"cid{int(rng.paretovariate(0.7)) % 500}", rng.randrange(1, 500)
        if not before.hit(key):
            before.admit(key, size)
    gone = after.load(before.residents())
    assert gone == []
    assert {key for key, _, _ in after.residents()} == {key for key, _, _ in before.residents()}


def test_what_finds_no_room_in_a_new_policy_is_the_coldest():
    before = Lru(1_000)
    for number in range(10):
        before.admit(f"cid{number}", 100)
    assert make_policy("lru", 500, 500).load(before.residents()) == [f"cid{number}" for number in range(5)]


def test_an_unknown_policy_is_a_bad_request_that_names_the_ones_there_are():
    with pytest.raises(BadRequest, match="'fifo' is none of heat, s3-fifo, lru") as caught:
        make_policy("fifo", 1, 1)
    assert caught.value.field == "policy"


def order(capacity: int = 1_000, **setting: float) -> HeatOrder:
    return HeatOrder(capacity, Setting(**({"half_life": 100.0, "size_exponent": 0.5} | setting)))


def test_a_newcomer_is_refused_when_everything_else_is_hotter():
    heat, now = order(), 0
    for number in range(10):
        for _ in range(5):
            now += 1
            if not heat.touch(f"cid{number}", now):
                heat.admit(f"cid{number}", 100, now)
    assert heat.admit("new", 100, now + 1) == ["new"]


def test_a_refused_key_that_keeps_coming_back_is_let_in_by_its_history():
    heat = order(1_000_000, half_life=10_000.0)
    for now in range(50):
        key = f"cid{now % 10}"
        if not heat.touch(key, now):
            heat.admit(key, 100_000, now)
    answers = [heat.admit("again", 100_000, 50 + number) for number in range(5)]
    assert answers[:4] == [["again"]] * 4
    assert answers[4] == ["cid0"]


def test_of_two_that_are_asked_for_alike_the_larger_goes():
    heat = order(size_exponent=1.0)
    heat.admit("large", 800, 1)
    heat.admit("small", 100, 2)
    for now in range(3, 9):
        heat.touch("large" if now % 2 else "small", now)
    assert heat.ranked() == ["large", "small"]


def test_heat_fades_so_that_what_was_hot_goes_in_the_end():
    heat = order(half_life=10.0)
    for now in range(20):
        heat.touch("old", now) or heat.admit("old", 900, now)
    gone = [key for now in range(400, 420) for key in heat.admit(f"new{now}", 200, now)]
    assert "old" in gone


def test_the_history_stays_within_its_bounds():
    heat = HeatOrder(1 << 20, Setting(1000.0, 0.5), 1 << 17)
    for now in range(5_000):
        heat.admit(f"cid{now}", 5_000, now)
    assert heat.history_entries <= (1 << 20) // 16 // 256


def test_an_entry_that_was_removed_and_came_back_is_counted_once():
    heat = order()
    for now in range(3_000):
        heat.admit("cid", 100, now)
        assert heat.remove("cid")
    assert heat.used_bytes == 0
    assert len(heat._heap) <= 64


def test_another_setting_keeps_everything_that_is_resident():
    policy = HeatPolicy(10_000)
    for number in range(100):
        policy.admit(f"cid{number}", 100)
    policy._order.tune(Setting(10.0, 1.0))
    assert len(policy) == 100
    assert policy.admit("one more", 100) != []
