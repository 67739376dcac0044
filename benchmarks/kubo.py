"""A real Kubo daemon to compare with: the binary that CIDBUS_KUBO names, or `ipfs` on the PATH.

It runs offline, on free ports, with a repository of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Kubo", "kubo_binary", "kubo_daemon"]

READY_S = 60


@dataclass(frozen=True)
class Kubo:
    """Where a running daemon listens: the URLs of its RPC and of its gateway."""

    rpc: str
    gateway: str


def kubo_binary() -> str | None:
    return os.environ.get("CIDBUS_KUBO") or shutil.which("ipfs")


@asynccontextmanager
async def kubo_daemon(folder: Path) -> AsyncIterator[Kubo]:
    """A daemon with its repository in `folder`, stopped on leaving."""
    environment = os.environ | {"IPFS_PATH": str(folder), "IPFS_TELEMETRY": "off"}
    binary = kubo_binary()
    assert binary is not None
    init = await asyncio.create_subprocess_exec(
        binary, "init", "--profile=test", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await init.wait() == 0
    config = json.loads((folder / "config").read_text())
    config["Addresses"] |= {"API": "/ip4/127.0.0.1/tcp/0", "Gateway": "/ip4/127.0.0.1/tcp/0", "Swarm": []}
    (folder / "config").write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        binary, "daemon", "--offline", env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(READY_S):
            said = await _until_ready(process)
        yield Kubo(_listens(said, "RPC API"), _listens(said, "Gateway"))
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    while "Daemon is ready" not in said:
        line = await process.stdout.readline()
        assert line, said
        said += line.decode()
    return said


def _listens(said: str, what: str) -> str:
    found = re.search(rf"{what} server listening on /ip4/127\.0\.0\.1/tcp/(\d+)", said)
    assert found is not None, said
    return f"http://127.0.0.1:{found[1]}"
