"""docs/extending.md is true: its three snippets, put where it says, are a whole new endpoint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MODELS, ROW, HANDLER = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL
)

USE = """
import asyncio
import aiohttp
from cidbus.supervisor import System, UpOptions

async def main():
    async with System(UpOptions(isolation=True)) as system, aiohttp.ClientSession() as http:
        api = f"{system.http}/api/v0/mcp/ipfs"
        async with http.post(f"{api}/add", json={"content": "one two\\n three"}) as answer:
            cid = (await answer.json())["cid"]
        async with http.get(f"{api}/words/{cid}") as answer:
            print((await answer.json())["words"])
        async with http.get(f"{api}/words/nonsense") as answer:
            print(answer.status)
        async with http.get(f"{system.http}/openapi.json") as answer:
            print("/api/v0/mcp/ipfs/words/{cid}" in (await answer.json())["paths"])

asyncio.run(main())
"""


def test_the_worked_example_adds_an_endpoint(tmp_path):
    package = tmp_path / "cidbus"
    shutil.copytree(ROOT / "app", package)
    for folder in ("actors", "bus", "http_bridge", "schemas"):
        shutil.copytree(ROOT / folder, package / folder)
    extend(package / "schemas" / "ipfs.py", MODELS)
    insert(package / "schemas" / "subjects.py", "# ---- the whole", ROW)
    insert(package / "actors" / "ipfs" / "backends" / "reading.py", "class BlockReads(", indented(HANDLER))
    (tmp_path / "use.py").write_text(USE)
    ran = subprocess.run(
        [sys.executable, "use.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == ["3", "400", "True"], ran.stderr


def extend(path: Path, code: str) -> None:
    path.write_text(path.read_text() + "\n\n" + code)


def insert(path: Path, before: str, code: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, f"{code}\n{before}"))


def indented(code: str) -> str:
    return "".join(f"    {line}" if line.strip() else line for line in code.splitlines(keepends=True))
