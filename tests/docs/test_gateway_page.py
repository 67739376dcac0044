"""docs/gateway.md is true: it has every setting, under its name and with its default."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from cidbus.http_bridge import BridgeSettings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "gateway.md").read_text()


def test_every_setting_of_the_gateway_is_in_its_table_with_its_default():
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", PAGE, re.MULTILINE))
    settings = {field.name: field.default for field in fields(BridgeSettings)}
    expected = {
        name.removeprefix("gateway_").upper(): default
        for name, default in settings.items()
        if name.startswith("gateway_")
    }
    assert table.keys() == expected.keys()
    for name, default in expected.items():
        assert table[name] == _shown(default), name


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return ", ".join(f"`{item}`" for item in default) or "none"
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default is None else f"{default:g}"
