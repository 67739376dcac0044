"""docs/backends.md says what is: every setting, and every difference."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from cidbus.actors.ipfs.settings import IpfsSettings
from cidbus.cli.commands import app

from .differences import DIFFERENCES

ENV_PREFIX = IpfsSettings.prefix()

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()


def rows(columns: int) -> list[list[str]]:
    lines = [line.strip("|\n").split("|") for line in PAGE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if len(line) == columns]


def test_every_setting_is_told_with_its_default():
    told = {cells[0].strip("`"): cells for cells in rows(4) if cells[0].startswith(f"`{ENV_PREFIX}")}
    assert list(told) == [ENV_PREFIX + name.upper() for name in IpfsSettings.model_fields]
    for name, field in IpfsSettings.model_fields.items():
        default = told[ENV_PREFIX + name.upper()][2].strip("`")
        if isinstance(field.default, bool):
            assert default == str(field.default).lower()
        elif isinstance(field.default, int | float | str):
            assert default == f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def test_every_variable_that_is_named_is_one():
    named = {name.removeprefix(ENV_PREFIX).lower() for name in re.findall(rf"{ENV_PREFIX}[A-Z_]+", PAGE)}
    assert named == set(IpfsSettings.model_fields)


def test_every_option_is_one_of_the_command():
    known = {name for option in get_command(app).commands["up"].params for name in option.opts}
    assert set(re.findall(r"--[a-z][a-z-]*", PAGE)) <= known


def test_every_difference_is_told():
    told = {(cells[0], cells[1]): cells[2] for cells in rows(3)}
    for (place, behaviour), difference in DIFFERENCES.items():
        assert told.pop((place, said(behaviour))) == difference.reason
    assert not {place for place, _ in told} & {place for place, _ in DIFFERENCES}


def said(behaviour: str) -> str:
    """`test_a_key_is_made[rsa]` as a sentence."""
    name, _, which = behaviour.removeprefix("test_").rstrip("]").partition("[")
    return name.replace("_", " ") + (f" ({which})" if which else "")
