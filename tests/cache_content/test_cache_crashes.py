"""A cache whose process was killed starts again, and serves what is right or nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import diskcache
import pytest

WORKER = Path(__file__).with_name("crash_worker.py")
SIZES = [0, 3_000, 40_000, 400_000, 2_000_000]


@pytest.mark.parametrize("puts", [1, 8, 41])
async def test_after_a_kill_everything_that_is_found_is_right(kit, puts):
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(WORKER), str(kit.folder)], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        for _ in range(puts):
            worker.stdout.readline()
        worker.kill()
    cache = await kit.open(memory_bytes=0, disk_bytes=16 << 20, policy="lru")
    found = [number for number in range(puts + 200) if cache.find(f"cid{number}") is not None]
    assert puts < 5 or found
    for number in found:
        expected = random.Random(number).randbytes(SIZES[number % len(SIZES)])
        assert await kit.read(cache, f"cid{number}") == expected
    assert list((kit.folder / "spools").iterdir()) == []
    assert cache.stats().disk.bad <= 1  # A file that was removed just before its row.


async def test_nothing_is_ever_pickled_or_unpickled(kit, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle")

    for name in ("dumps", "dump", "loads", "load"):
        monkeypatch.setattr(diskcache.core.pickle, name, refuse)
    for _ in range(2):
        cache = await kit.open(memory_bytes=1 << 20)
        for number, size in enumerate(SIZES):
            await kit.put(cache, kit.key(number), kit.content(size))
            assert await kit.read(cache, kit.key(number)) == kit.content(size)
        await cache.close()
