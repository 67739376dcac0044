"""1 GiB in and out over HTTP, against the bare bus: the same stream with a hash or nothing behind it."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from cidbus.bus import CHUNK_BYTES, Bus, Credentials

from .peers import SINK, SOURCE, Give, Take
from .ratio import Ratio, alternate
from .system import Measured, measured_system

SIZE = 1024**3
MB = 1e6


async def compare(rounds: int) -> list[Ratio]:
    async with measured_system() as system:
        await system.peer("sink")
        with tempfile.TemporaryDirectory() as folder:
            content = Path(folder) / "content"
            async with await Bus.connect(system.info.nats, Credentials("admin", system.admin_seed)) as bus:
                upload = Ratio("1 GiB upload over HTTP, against a bare bus stream into SHA-256", "MB/s", 0.8)
                await alternate(upload, rounds, lambda: post(system, fresh(content)), lambda: into_hash(bus))
                cid = await added(system, content)
                download = Ratio("1 GiB download over HTTP, against a bare bus stream", "MB/s", 0.9)
                await alternate(download, rounds, lambda: fetch(system, cid), lambda: from_memory(bus))
    return [upload, download]


def fresh(path: Path) -> Path:
    """New random content, so that nothing is stored already; it stays in the page cache."""
    with path.open("wb") as file:
        for _ in range(SIZE // 2**24):
            file.write(os.urandom(2**24))
        os.fsync(file.fileno())  # else its own way to the disk is measured too
    return path


async def post(system: Measured, path: Path) -> float:
    # What earlier rounds have stored goes first: fresh memory for the page cache is slow to get in a VM.
    await curl("-X", "POST", f"{system.info.http}/api/v0/mcp/ipfs/repo/gc")
    started = time.perf_counter()
    await added(system, path)
    return SIZE / MB / (time.perf_counter() - started)


async def added(system: Measured, path: Path) -> str:
    url = f"{system.info.http}/api/v0/mcp/ipfs/add?pin=false"
    reply = await curl("-X", "POST", "-H", "Content-Type: application/octet-stream", "-T", str(path), url)
    return str(json.loads(reply)["cid"])


async def fetch(system: Measured, cid: str) -> float:
    started = time.perf_counter()
    await curl("-o", "/dev/null", f"{system.info.http}/api/v0/mcp/ipfs/cat/{cid}")
    return SIZE / MB / (time.perf_counter() - started)


async def into_hash(bus: Bus) -> float:
    async def zeros() -> AsyncIterator[bytes]:
        chunk = bytes(CHUNK_BYTES)
        for _ in range(SIZE // CHUNK_BYTES):
            yield chunk

    started = time.perf_counter()
    await bus.upload(SINK, Take(), zeros())
    return SIZE / MB / (time.perf_counter() - started)


async def from_memory(bus: Bus) -> float:
    started, size = time.perf_counter(), 0
    async with await bus.open(SOURCE, Give(size_bytes=SIZE)) as stream:
        async for chunk in stream:
            size += len(chunk)
    assert size == SIZE
    return SIZE / MB / (time.perf_counter() - started)


async def curl(*arguments: str) -> bytes:
    command = ["curl", "-sS", "--fail", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed = (await process.communicate())[0]
    if process.returncode:
        raise RuntimeError(f"curl ended with {process.returncode}")
    return printed
