"""Which writes of others change what a transaction has read."""

from __future__ import annotations

import pytest

from cidbus.actors.journal.effects import collapsed
from cidbus.actors.journal.overlap import Reads


@pytest.mark.parametrize(
    ("read", "write", "touches"),
    [
        (("entry", "/a/b"), "e/a/b", True),
        (("entry", "/a/b"), "e/a/c", False),
        (("entry", "/a/b"), "e/a", False),  # the directory's mode
        (("entry", "/a/b"), "t/a", True),  # the directory itself is moved or removed
        (("entry", "/a"), "e/a/b", False),  # that a directory is there does not depend on what is in it
        (("entry", "/a"), "t/a/b", False),
        (("missing", "/a"), "e/a/b", True),  # something was made above it
        (("missing", "/a/b"), "t/a", True),
        (("missing", "/a"), "e/ab", False),
        (("children", "/a"), "e/a/b", True),
        (("children", "/a"), "e/a/b/c", False),
        (("children", "/a"), "p/a/b/c", True),  # directories on the way may be new
        (("children", "/"), "t/b", True),
        (("subtree", "/a"), "e/a/b/c", True),
        (("subtree", "/a"), "e/b", False),
        (("subtree", "/"), "e/b/c", True),
        (("entry", "/a"), "t/", True),
    ],
)
def test_a_write_touches_a_read_or_not(read, write, touches):
    reads = Reads()
    reads.add(*read)
    assert reads.overlap([write]) == (write[1:] if touches else None)


def test_nothing_read_is_touched_by_nothing():
    assert Reads().overlap(["t/"]) is None


def test_too_many_reads_are_a_read_of_everything(monkeypatch):
    monkeypatch.setattr("cidbus.actors.journal.overlap.MAX_READS", 3)
    reads = Reads()
    for number in range(5):
        reads.add("entry", f"/{number}")
    assert reads.overlap(["e/somewhere/else"]) == "/somewhere/else"


def test_too_many_writes_are_written_as_what_is_above_them():
    few = collapsed([f"e/a/{n % 7}/{n}" for n in range(5000)] + ["e/b"])
    assert few == [f"t/a/{n}" for n in range(7)] + ["e/b"]
    reads = Reads()
    reads.add("entry", "/a/3/1234")
    assert reads.overlap(few) == "/a/3"


def test_however_many_writes_there_are_they_are_few():
    assert len(collapsed([f"e/{n}" for n in range(5000)])) == 1
    assert sum(map(len, collapsed([f"e/{'x' * 200}/{n}/{'y' * 200}" for n in range(900)]))) < 50_000
