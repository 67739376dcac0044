"""Memory stays bounded, however large a CAR is."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("large_car.py")
MAX_PEAK_MB = 300


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
async def test_a_car_of_1_gb_goes_in_and_out_in_300_mb_of_memory(tmp_path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), str(tmp_path / "store"), "1", stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(printed)["peak_mb"] < MAX_PEAK_MB
