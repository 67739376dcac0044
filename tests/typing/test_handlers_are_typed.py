"""`handles` holds each handler to its row, as a type checker sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def complaints(name: str, links: Path) -> list[str]:
    package = links / "cidbus"
    package.mkdir()
    for folder in ("actors", "bus", "http_bridge", "schemas"):
        (package / folder).symlink_to(ROOT / folder)
    for entry in (ROOT / "app").iterdir():
        (package / entry.name).symlink_to(entry)
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            str(HERE / name),
        ],
        env=os.environ | {"MYPYPATH": str(links)},
        capture_output=True,
        text=True,
        cwd=links,
        check=False,
    )
    return [line for line in checked.stdout.splitlines() if f"{name}:" in line and " error: " in line]


def test_right_handlers_are_accepted(tmp_path):
    assert complaints("right_handlers.py", tmp_path) == []


def test_each_wrong_handler_is_refused(tmp_path):
    lines = (HERE / "wrong_handlers.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# wrong:" in line}
    assert {int(found.split(":")[1]) for found in complaints("wrong_handlers.py", tmp_path)} == wrong
