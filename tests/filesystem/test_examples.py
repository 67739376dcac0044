"""docs/examples/fsspec_*.py are true: each runs as it is printed, on a system that the environment names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import System

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

PRINTED = {
    "fsspec_pandas.py": "people: 10935628\nTrue\n",
    "fsspec_pyarrow.py": "files: 3\n2025: [2.0, 4.0]\n",
    "fsspec_polars.py": "True\nlarger than 1: ['b', 'c']\n",
    "fsspec_duckdb.py": "[(7, 10000)]\n[(7, 10000)]\n",
    "fsspec_zarr.py": "corner: [[9898.0, 9899.0], [9998.0, 9999.0]]\n",
    "fsspec_datasets.py": "['one', 'two', 'three']\n['four', 'five']\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_should(name: str, system: System, tmp_path: Path) -> None:
    surroundings = {"HOME": str(tmp_path), "CIDBUS_URL": system.url, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ | surroundings, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[name]


def test_no_example_is_without_a_test() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("fsspec_*.py")) == sorted(PRINTED)
