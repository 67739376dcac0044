"""docs/cache.md says what is: every setting with its default, and every column."""

from __future__ import annotations

import re
from pathlib import Path

from cidbus.actors.cache.columns import BUILT_IN
from cidbus.actors.cache.settings import CacheSettings

PAGE = (Path(__file__).parents[2] / "docs" / "cache.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def test_every_setting_stands_there_with_its_default():
    told = {row[0].strip("`"): row[1] for row in ROWS if row[0].strip("`") in CacheSettings.model_fields}
    assert list(told) != []
    assert set(told) == set(CacheSettings.model_fields)
    for name, field in CacheSettings.model_fields.items():
        assert meant(told[name]) in (field.default, str(field.default), str(field.default).lower()), name


def meant(text: str) -> object:
    """A default as it is printed there, as a value."""
    number, _, unit = text.replace(",", "").partition(" ")
    if unit in UNITS:
        return int(number) * UNITS[unit]
    if text.startswith("`<data-dir>"):
        return None
    return float(number) if number.isdecimal() else text.strip("`")


def test_every_column_stands_there_with_where_it_is_kept():
    kept = {"key": "key", "static": "run", "hot": "hot"}
    told = {name: row[-1] for row in ROWS if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}
    for column in BUILT_IN:
        assert told[column.name] == kept[column.kind], column.name
