"""Whole systems that `cidbus up` runs over other back ends, told so on the command line."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from .conftest import pattern, running_system

CONTENT = pattern(0, 3_000_000)


@asynccontextmanager
async def cidbus_up(*options: str, **environment: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session to a throw-away system that the command runs with these options."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cidbus", "up", "--isolation", *options,
        stdout=asyncio.subprocess.PIPE, env=os.environ | environment,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = (await process.stdout.readline()).decode()
        assert ready.startswith("cidbus is ready: "), ready
        async with aiohttp.ClientSession(ready.split()[3]) as session:
            yield session
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize(
    ("backend", "option"), [("embedded,kubo", "--kubo"), ("embedded,gateway", "--gateway")]
)
async def test_a_system_reads_and_pins_what_another_has(backend, option):
    async with running_system() as far:
        cid = (await far.add(CONTENT))["cid"]
        pinned = (await far.add(CONTENT[:-1]))["cid"]
        async with cidbus_up("--backend", backend, option, far.info.http) as near:
            async with near.get(f"/api/v0/mcp/ipfs/cat/{cid}") as answer:
                assert await answer.read() == CONTENT
            async with near.post("/api/v0/mcp/ipfs/pin", json={"cid": pinned}) as answer:
                assert (await answer.json())["pinned"] is True
            await far.system.stop()
            for path in (f"/api/v0/mcp/ipfs/cat/{pinned}", f"/ipfs/{pinned}"):
                async with near.get(path) as answer:
                    assert await answer.read() == CONTENT[:-1]
            async with near.post("/api/v0/cat", params={"arg": cid}) as answer:
                assert await answer.read() == CONTENT


async def test_a_request_may_say_who_answers():
    async with running_system() as far:
        cid = (await far.add(CONTENT))["cid"]
        async with cidbus_up("--backend", "embedded,kubo", "--kubo", far.info.http) as near:
            async with near.get("/api/v0/mcp/ipfs/version?backend=kubo") as answer:
                assert (await answer.json())["backend"].startswith("kubo ")
            async with near.get(f"/api/v0/mcp/ipfs/cat/{cid}?backend=kubo") as answer:
                assert await answer.read() == CONTENT
            async with near.get(f"/api/v0/mcp/ipfs/block/stat/{cid}") as answer:
                assert answer.status == 404
            async with near.get(f"/api/v0/mcp/ipfs/cat/{cid}?backend=gateway") as answer:
                assert (answer.status, (await answer.json())["field"]) == (400, "backend")


async def test_a_system_may_keep_everything_in_a_kubo_daemon(kubo):
    async with cidbus_up(CIDBUS_IPFS_BACKEND="kubo", CIDBUS_IPFS_KUBO_URL=kubo.rpc_url) as system:
        octets = {"Content-Type": "application/octet-stream"}
        async with system.post("/api/v0/mcp/ipfs/add", data=io.BytesIO(CONTENT), headers=octets) as answer:
            cid = (await answer.json())["cid"]
        assert kubo.run("cat", cid) == CONTENT
        async with system.get(f"/ipfs/{cid}", headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, CONTENT[10:20])
        async with system.get("/api/v0/mcp/ipfs/version") as answer:
            assert (await answer.json())["backend"].startswith("kubo ")


async def test_a_simulation_says_so_in_everything_it_answers():
    async with cidbus_up("--backend", "simulation") as system:
        async with system.post("/api/v0/mcp/ipfs/add", json={"content": "hello"}) as answer:
            assert answer.headers["X-Cidbus-Simulated"] == "true"
            added = await answer.json()
            assert added["simulated"] is True
        for path in (
            f"/api/v0/mcp/ipfs/cat/{added['cid']}",
            f"/ipfs/{added['cid']}",
            "/api/v0/mcp/ipfs/cat/nonsense",
        ):
            async with system.get(path) as answer:
                assert answer.headers["X-Cidbus-Simulated"] == "true", path


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--backend", "gateway"], "--gateway"),
        (["--backend", "nonsense"], "--backend"),
        (["--backend", "embedded,simulation"], "--backend"),
        (["--backend", "kubo", "--kubo", "not a url"], "--kubo"),
        (["--backend", "simulation", "--scale", "ipfs=2"], "--scale"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_starts(options, named):
    command = [sys.executable, "-m", "cidbus", "up", "--isolation", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert named in done.stderr
