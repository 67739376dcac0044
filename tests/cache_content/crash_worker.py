"""Run as a script: fills a cache in a folder for ever and prints a line for each put that has returned."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from cidbus.actors.cache.content.tiers import CacheOptions, ContentCache

SIZES = [0, 3_000, 40_000, 400_000, 2_000_000]


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


async def fill(folder: Path) -> None:
    options = CacheOptions(memory_bytes=1 << 20, disk_bytes=16 << 20, policy="lru")
    cache = await ContentCache.open(folder, options)
    number = 0
    while True:
        data = content(number)

        async def chunks(data: bytes = data) -> AsyncIterator[bytes]:
            for start in range(0, len(data), 50_000):
                yield data[start : start + 50_000]

        await cache.put(f"cid{number}", chunks(), len(data))
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
