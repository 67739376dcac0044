"""A cache in a folder of the test's own, sources that do as they are told, and a clock to turn."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from cidbus.actors.cache.content.disk import DiskTier
from cidbus.actors.cache.content.tiers import CacheOptions, ContentCache, Source

KIB, MIB = 1 << 10, 1 << 20


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def content(size_bytes: int, seed: int = 0) -> bytes:
    """Bytes that look like nothing else's."""
    return random.Random(f"{size_bytes} {seed}").randbytes(size_bytes)


def key_of(number: int) -> str:
    return f"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa{number:06d}"


class Origin:
    """Where content comes from: counts who opens it, waits for `go`, fails or lies where it is told to."""

    def __init__(self, data: bytes, *, piece: int = 64 * KIB) -> None:
        self.data = data
        self.piece = piece
        self.opened = self.closed = 0
        self.sent = 0
        self.go = asyncio.Event()
        self.go.set()
        self.waiting = asyncio.Event()
        self.announced = len(data)
        self.refusal: Exception | None = None
        self.failure: Exception | None = None
        self.pause_at: int | None = None

    async def __call__(self) -> Source:
        self.opened += 1
        if self.refusal is not None:
            raise self.refusal
        return Source(self.announced, self.chunks())

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for start in range(0, len(self.data), self.piece):
                if self.pause_at is None or start >= self.pause_at:
                    self.waiting.set()
                    await self.go.wait()
                self.sent = start
                await asyncio.sleep(0)  # As a network does, it lets others run.
                yield self.data[start : start + self.piece]
            if self.failure is not None:
                raise self.failure
        finally:
            self.closed += 1


async def whole(pieces: Any) -> bytes:
    return b"".join([bytes(piece) async for piece in pieces])


async def chunks_of(data: bytes, piece: int = 64 * KIB) -> AsyncIterator[bytes]:
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


class Kit:
    """Opens caches and tiers on one folder, and closes what a test leaves open."""

    MIB, KIB = MIB, KIB
    Origin = Origin
    content = staticmethod(content)
    key = staticmethod(key_of)
    whole = staticmethod(whole)
    chunks = staticmethod(chunks_of)

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.clock = Clock()
        self.moves: list[tuple[str, str | None]] = []
        self._stack = stack

    async def open(self, **options: Any) -> ContentCache:
        cache = await ContentCache.open(
            self.folder,
            CacheOptions(**options),
            clock=self.clock,
            on_move=lambda key, tier: self.moves.append((key, tier)),
        )
        self._stack.push_async_callback(cache.close)
        return cache

    async def disk(self, capacity_bytes: int = 64 * MIB, policy: str = "lru") -> DiskTier:
        tier = await DiskTier.open(self.folder, capacity_bytes, policy)
        self._stack.push_async_callback(tier.close)
        return tier

    async def put(self, cache: ContentCache, key: str, data: bytes) -> bool:
        return await cache.put(key, chunks_of(data), len(data))

    async def read(self, cache: ContentCache, key: str, *span: int | None) -> bytes:
        return await whole(cache.read(key, *span))

    def files(self) -> list[Path]:
        """The files of values, apart from the database and what goes with it."""
        return sorted(path for path in self.folder.glob("??/*") if path.is_file())


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    async with AsyncExitStack() as stack:
        yield Kit(tmp_path / "cache", stack)
