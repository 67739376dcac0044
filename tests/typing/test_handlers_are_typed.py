"""`handles` holds each handler to its row, as a type checker sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FILES = ("right_handlers.py", "wrong_handlers.py")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[int]]:
    """The lines of each file that mypy finds wrong; one run for both."""
    links = tmp_path_factory.mktemp("typings")
    package = links / "cidbus"
    package.mkdir()
    for folder in ("actors", "bus", "http_bridge", "schemas"):
        (package / folder).symlink_to(ROOT / folder)
    for entry in (ROOT / "app").iterdir():
        (package / entry.name).symlink_to(entry)
    config = ["--strict", "--config-file", str(ROOT / "pyproject.toml")]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *config, *(str(HERE / name) for name in FILES)],
        env=os.environ | {"MYPYPATH": str(links)},
        capture_output=True,
        text=True,
        cwd=links,
        check=False,
    )
    assert "checked" in checked.stdout, checked.stdout + checked.stderr
    found: dict[str, set[int]] = {name: set() for name in FILES}
    for path, line in re.findall(r"^(.+?):(\d+): error: ", checked.stdout, re.MULTILINE):
        found.setdefault(Path(path).name, set()).add(int(line))
    return found


def test_right_handlers_are_accepted(complaints):
    assert complaints["right_handlers.py"] == set()


def test_each_wrong_handler_is_refused(complaints):
    lines = (HERE / "wrong_handlers.py").read_text().splitlines()
    assert complaints["wrong_handlers.py"] == {n for n, line in enumerate(lines, 1) if "# wrong:" in line}
