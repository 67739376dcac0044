"""docs/examples are true: each runs as it is printed, in a home of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cidbus.bus.testing import server_is_missing

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


async def run(example: Path, home: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(example),
        env=os.environ | {"HOME": str(home)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return printed.decode()


async def test_the_advanced_parquet_cid_cache_example_runs_as_written(tmp_path):
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    printed = await run(EXAMPLES / "advanced_parquet_cid_cache.py", tmp_path)
    assert "Total CIDs: 0\n" in printed
    assert "Total size: 0." in printed
    assert (tmp_path / ".cidbus" / "cid_cache" / "manifest.a").exists(), "where the example puts the index"


async def test_the_custom_cache_configuration_example_runs_as_written(tmp_path):
    assert await run(EXAMPLES / "custom_cache_configuration.py", tmp_path) == ""


def test_no_example_is_without_a_test():
    """Those of file systems have theirs in tests/filesystem."""
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert [name for name in names if not name.startswith("fsspec_")] == [
        "advanced_parquet_cid_cache.py", "custom_cache_configuration.py",
    ]  # fmt: skip
