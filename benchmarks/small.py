"""Small messages: a 12-byte cat through the bridge, and durable adds of 1 KiB.

Needs `wrk` (Debian's package of that name) to load without being the bottleneck.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from pathlib import Path

import aiohttp

from .peers import SMALL
from .ratio import Ratio, alternate
from .system import Measured, measured_system

SECONDS = 3
# A new body for each request: thread, counter and padding to 1 KiB.
UNIQUE_BODIES = """
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function init() math.randomseed(os.time() + id * 7919); n = 0; run = tostring(math.random(1, 1e15)) end
function request()
  n = n + 1
  local head = id .. "-" .. run .. "-" .. n .. "-"
  local body = head .. string.rep("x", 1024 - #head)
  return wrk.format("POST", nil, {["Content-Type"] = "application/octet-stream"}, body)
end
"""


async def compare(rounds: int) -> list[Ratio]:
    needs_wrk()
    async with measured_system() as system:
        bare = await system.http_peer()
        ours = await add_small(system)
        found = [
            await alternate(
                Ratio(
                    f"12-byte cat over HTTP, {connections} connections, against a bare one",
                    "req/s",
                    0.85,
                ),
                rounds,
                lambda n=connections: wrk(ours, n),
                lambda n=connections: wrk(bare, n),
            )
            for connections in (16, 64)
        ]
        return [*found, await durable_adds(system, rounds)]


def needs_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("this comparison needs wrk: apt-get install wrk")


async def add_small(system: Measured) -> str:
    api = f"{system.info.http}/api/v0/mcp/ipfs"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{api}/add", json={"content": SMALL.decode()}) as reply,
    ):
        return f"{api}/cat/{(await reply.json())['cid']}"


async def durable_adds(system: Measured, rounds: int) -> Ratio:
    """Adds a second against the 2,000 that we want; every one is on disk when it is answered."""
    url = f"{system.info.http}/api/v0/mcp/ipfs/add"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "unique.lua"
        script.write_text(UNIQUE_BODIES)

        async def fixed() -> float:
            return 2000.0

        ratio = Ratio("1 KiB durable adds over HTTP, 64 connections, against 2,000/s", "add/s", 1.0)
        return await alternate(ratio, rounds, lambda: wrk(url, 64, "-s", str(script)), fixed)


async def wrk(url: str, connections: int, *options: str) -> float:
    """Requests a second; raises RuntimeError if any answer was not a success."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", *options, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed = (await process.communicate())[0].decode()
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise RuntimeError(printed)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])  # type: ignore[index]
