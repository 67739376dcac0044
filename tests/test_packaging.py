"""The wheel has every package, and nothing at the root shadows it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {"app": "cidbus"} | {name: f"cidbus.{name}" for name in ("actors", "bus", "http_bridge", "schemas")}


def test_every_folder_with_python_is_a_package_of_the_wheel():
    found = {}
    for top, package in FOLDERS.items():
        for init in (ROOT / top).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT / top)
            found[".".join([package, *folder.parts])] = str(Path(top) / folder)
    assert found == SETUPTOOLS["package-dir"]
    assert sorted(found) == sorted(SETUPTOOLS["packages"])


def test_no_folder_at_the_root_is_called_cidbus():
    assert not (ROOT / "cidbus").exists()


def test_the_table_in_the_readme_is_current():
    from cidbus.readme_table import with_table

    text = (ROOT / "README.md").read_text()
    assert text == with_table(text)
