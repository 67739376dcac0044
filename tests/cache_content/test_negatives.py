"""Negative entries live a short while and are few."""

from __future__ import annotations

from cidbus.actors.cache.content.negatives import Negatives


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_entry_ends_after_its_life():
    clock = Clock()
    negatives = Negatives(life_s=5.0, clock=clock)
    negatives.add("cid")
    clock.now = 4.9
    assert "cid" in negatives
    clock.now = 5.0
    assert "cid" not in negatives
    assert len(negatives) == 0


def test_the_oldest_make_room_when_there_are_too_many():
    negatives = Negatives(limit=3, clock=Clock())
    for key in "abca":
        negatives.add(key)
    negatives.add("d")
    assert [key in negatives for key in "abcd"] == [True, False, True, True]


def test_content_that_came_is_no_longer_negative():
    negatives = Negatives(clock=Clock())
    negatives.add("cid")
    negatives.discard("cid")
    negatives.discard("never there")
    assert "cid" not in negatives


def test_a_life_or_a_limit_of_nought_keeps_none():
    for negatives in (Negatives(life_s=0, clock=Clock()), Negatives(limit=0, clock=Clock())):
        negatives.add("cid")
        assert "cid" not in negatives
