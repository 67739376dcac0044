"""CAR files: 512 MiB in, against the same content through the UnixFS importer and against SHA-256; out,
against SHA-256. `car-10gb` takes ten gigabytes through a process of its own and tells its peak of memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cidbus.actors.ipfs.car.importing import import_car
from cidbus.actors.ipfs.car.write import write_car
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.actors.ipfs.unixfs.importer import import_file
from cidbus.actors.ipfs.unixfs.profiles import profile_named
from cidbus.schemas.cid import CID

from .engine import MB, PIECE, SIZE, hashed, imported
from .ratio import Ratio, alternate

LARGE_CAR = Path(__file__).parent.parent / "tests" / "ipfs" / "car" / "large_car.py"
LARGE_GB = 10


async def compare(rounds: int) -> list[Ratio]:
    content = memoryview(os.urandom(SIZE))
    with tempfile.TemporaryDirectory() as folder:
        async with await BlockStore.open(Path(folder) / "store", children=children) as store:
            root = await added(store, content)
            car = memoryview(b"".join([piece async for piece in write_car(store, root)]))
            return [
                await alternate(
                    Ratio("512 MiB CAR import, durable, against UnixFS import", "MB/s", 0.6),
                    rounds,
                    lambda: car_in(car),
                    lambda: imported(content),
                ),
                await alternate(
                    Ratio("512 MiB CAR import, durable, against SHA-256 alone", "MB/s"),
                    rounds,
                    lambda: car_in(car),
                    lambda: hashed(content),
                ),
                await alternate(
                    Ratio("512 MiB CAR export against SHA-256 alone", "MB/s", 1.0),
                    rounds,
                    lambda: car_out(store, root),
                    lambda: hashed(content),
                ),
            ]


async def compare_large(rounds: int) -> list[Ratio]:
    """One round: it is the memory that is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, str(LARGE_CAR), str(Path(folder) / "store"), str(LARGE_GB))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        found = json.loads((await process.communicate())[0])
    content = memoryview(os.urandom(SIZE))
    return [
        Ratio(
            f"{LARGE_GB} GB CAR {way}, against SHA-256 alone; peak of memory {found['peak_mb']:.0f} MB",
            "MB/s",
            ours=[found[key]],
            limit=[await hashed(content)],
        )
        for way, key in (("import", "import_mb_s"), ("export", "export_mb_s"))
    ]


async def added(store: BlockStore, content: memoryview) -> CID:
    async with store.session() as session:
        node = await import_file(pieces(content), session, profile_named("unixfs-v1-2025"))
        await session.commit()
    return node.cid


async def car_in(car: memoryview) -> float:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as executor:
        async with await BlockStore.open(Path(folder) / "store", children=children) as store:
            started = time.perf_counter()
            found = await import_car(store, pieces(car), executor=executor)
            assert found.roots[0].pinned
            return SIZE / MB / (time.perf_counter() - started)


async def car_out(store: BlockStore, root: CID) -> float:
    started, written = time.perf_counter(), 0
    async for piece in write_car(store, root):
        written += len(piece)
    assert written > SIZE
    return SIZE / MB / (time.perf_counter() - started)


async def pieces(content: memoryview) -> AsyncIterator[memoryview]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
