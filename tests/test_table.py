"""The table holds together, and every row of it is used by some test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cidbus.actors import IMPLEMENTED, make_actor
from cidbus.bus.actor import handlers_of
from cidbus.schemas import subjects
from cidbus.schemas.rows import Call, Event, Row
from cidbus.schemas.subjects import ACTORS, ROWS, calls, events, row_named

TESTS = Path(__file__).parent
CONSTANTS = {row: name for name, row in vars(subjects).items() if isinstance(row, Row)}
TEXT = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py") if path != Path(__file__))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_named_in_a_test(row: Row):
    """By its constant, its subject, its client method or one of its routes."""
    names = [
        rf"\b{CONSTANTS[row]}\b",
        re.escape(row.subject),
        rf"\.{row.actor}\.{row.verb.replace('.', '_')}\(",
    ]
    names += [rf'"{re.escape(row.name)}"']
    if isinstance(row, Call):
        names += [re.escape(route.split(" ")[1].partition("{")[0]) for route in row.http]
    assert re.search("|".join(names), TEXT)


@pytest.mark.parametrize("name", IMPLEMENTED)
def test_every_row_of_an_actor_that_exists_has_a_handler(name: str, tmp_path: Path):
    handled = handlers_of(make_actor(name, tmp_path))
    assert [row.name for row in calls(name) if row not in handled] == []


def test_every_row_belongs_to_a_declared_actor():
    assert {row.actor for row in ROWS} <= set(ACTORS)


def test_names_and_routes_are_given_once():
    names = [row.name for row in ROWS]
    routes = [route for row in calls() for route in row.http]
    assert len(set(names)) == len(names)
    assert len(set(routes)) == len(routes)


def test_events_are_named_by_what_has_happened():
    for row in events():
        assert isinstance(row, Event)
        assert row.verb.endswith("ed")
        assert row.subject == f"cidbus.event.{row.name}"


def test_a_row_is_found_by_its_name():
    assert row_named("ipfs.pin.add") is subjects.PIN
    with pytest.raises(KeyError):
        row_named("ipfs.nothing")
