"""README.md is true: every curl line works as printed, one after the other, on a system just started."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from cidbus.bus.testing import server_is_missing
from cidbus.supervisor import System, UpOptions

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
LINES = re.findall(r"^curl .*$", README, re.MULTILINE)
PRINTED = "http://127.0.0.1:8000"


async def run(line: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-o",
        "pipefail",
        "-c",
        line,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, line
    return printed.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_every_curl_line_works_as_printed():
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    assert len(LINES) > 12
    async with System(UpOptions(isolation=True)) as system:
        answers = [await run(line.replace(PRINTED, system.http)) for line in LINES]
    for line, answer in zip(LINES, answers, strict=True):
        assert answer, line
        assert '"success":false' not in answer, (line, answer)
    assert answers[1:3] == ["Hello, IPFS!", "IPFS!"]
    assert (ROOT / "LICENSE").read_text() in answers
    assert any("legal/LICENSE" in answer for answer in answers)
