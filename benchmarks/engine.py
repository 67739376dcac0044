"""The engine alone: 512 MiB imported and committed, against SHA-256 over the same bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.actors.ipfs.unixfs.importer import import_file
from cidbus.actors.ipfs.unixfs.profiles import profile_named

from .ratio import Ratio, alternate

SIZE = 512 * 1024**2
PIECE = 512 * 1024
MB = 1e6


async def compare(rounds: int) -> list[Ratio]:
    content = memoryview(os.urandom(SIZE))
    found = Ratio("512 MiB engine import, durable, against SHA-256 alone", "MB/s", 0.5)
    return [await alternate(found, rounds, lambda: imported(content), lambda: hashed(content))]


async def imported(content: memoryview) -> float:
    async def pieces() -> AsyncIterator[memoryview]:
        for start in range(0, SIZE, PIECE):
            yield content[start : start + PIECE]

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as executor:
        async with await BlockStore.open(Path(folder) / "store", children=children) as store:
            started = time.perf_counter()
            async with store.session() as session:
                profile = profile_named("unixfs-v1-2025")
                node = await import_file(pieces(), session, profile, executor=executor)
                await session.commit([PinRecord(node.cid)])
            return SIZE / MB / (time.perf_counter() - started)


async def hashed(content: memoryview) -> float:
    started = time.perf_counter()
    digest = hashlib.sha256()
    for start in range(0, SIZE, PIECE):
        digest.update(content[start : start + PIECE])
    return SIZE / MB / (time.perf_counter() - started)
