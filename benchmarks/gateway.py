"""The gateway against nginx, which serves the same bytes from disk: single blocks and a file of 1 MiB.

Needs `wrk` and `nginx` (Debian's packages of those names); nginx runs one process, as the bridge does.
Where there is a Kubo daemon (see `kubo.py`), its gateway is measured in the same run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from cidbus.bus.server import free_port

from .kubo import Kubo, kubo_binary, kubo_daemon
from .ratio import Ratio, alternate
from .small import wrk
from .system import Measured, measured_system

CONNECTIONS = 16
# What is fetched -> its size in bytes and the query that asks the gateway for it.
FETCHED = {
    "1 KiB raw block": (1024, "?format=raw"),
    "256 KiB raw block": (256 * 1024, "?format=raw"),
    "1 MiB file": (1024 * 1024, ""),
}
CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


async def compare(rounds: int) -> list[Ratio]:
    """No ratios, and a message, where nginx or wrk is missing."""
    missing = [name for name in ("nginx", "wrk") if _program(name) is None]
    if missing:
        print(f"gateway: skipped, it needs apt-get install {' '.join(missing)}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with measured_system() as system, nginx(folder) as files:
            ratios = [await fetched(system, folder, files, what, rounds) for what in FETCHED]
            if kubo_binary() is not None:
                ratios += await against_kubo(system, folder / "kubo", rounds)
            return ratios


async def fetched(system: Measured, folder: Path, files: str, what: str, rounds: int) -> Ratio:
    size, query = FETCHED[what]
    content = os.urandom(size)
    (folder / str(size)).write_bytes(content)
    ours = f"{system.info.http}/ipfs/{await add(system, content)}{query}"
    ratio = Ratio(f"{what} by the gateway, {CONNECTIONS} connections, against nginx", "req/s")
    return await alternate(
        ratio, rounds, lambda: wrk(ours, CONNECTIONS), lambda: wrk(f"{files}/{size}", CONNECTIONS)
    )


async def against_kubo(system: Measured, folder: Path, rounds: int) -> list[Ratio]:
    """The same fetches from the gateway of a Kubo daemon, which has the same blocks."""
    folder.mkdir()
    ratios = []
    async with kubo_daemon(folder) as kubo:
        for what, (size, query) in FETCHED.items():
            content = os.urandom(size)
            cid = await add(system, content)
            await add_to_kubo(kubo, content, cid)
            ours = partial(wrk, f"{system.info.http}/ipfs/{cid}{query}", CONNECTIONS)
            theirs = partial(wrk, f"{kubo.gateway}/ipfs/{cid}{query}", CONNECTIONS)
            ratio = Ratio(f"{what} by the gateway, {CONNECTIONS} connections, against Kubo's", "req/s")
            ratios.append(await alternate(ratio, rounds, ours, theirs))
    return ratios


async def add_to_kubo(kubo: Kubo, content: bytes, cid: str) -> None:
    form = aiohttp.FormData()
    form.add_field("file", content, filename="content")
    query = "cid-version=1&raw-leaves=true&chunker=size-1048576"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{kubo.rpc}/api/v0/add?{query}", data=form) as reply,
    ):
        assert (await reply.json(content_type=None))["Hash"] == cid


async def add(system: Measured, content: bytes) -> str:
    url = f"{system.info.http}/api/v0/mcp/ipfs/add?pin=false"
    headers = {"Content-Type": "application/octet-stream"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=content, headers=headers) as reply,
    ):
        return str((await reply.json())["cid"])


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[str]:
    """A server of the folder's files; its URL."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    process = await asyncio.create_subprocess_exec(_program("nginx") or "nginx", "-c", str(config))
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")
