"""Imports a CAR of some GB, made as it is read, exports it again, and says what that took.

python large_car.py FOLDER GB      prints one line of JSON: import_mb_s, export_mb_s, peak_mb
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cidbus.actors.ipfs.car.header import encode_header
from cidbus.actors.ipfs.car.importing import import_car
from cidbus.actors.ipfs.car.write import write_car
from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.varint import encode_varint

BLOCK_BYTES = 1 << 20
CHUNK_BYTES = 512 << 10
PATTERN = os.urandom(BLOCK_BYTES)


def leaf(number: int) -> bytes:
    return number.to_bytes(8, "big") + PATTERN[8:]


def section(cid: CID, data: bytes) -> bytes:
    return b"".join((encode_varint(len(bytes(cid)) + len(data)), bytes(cid), data))


async def car_of(leaves: list[CID], root: CID, root_block: bytes) -> AsyncIterator[bytes]:
    yield encode_header([root])
    for number, cid in enumerate(leaves):
        block = section(cid, leaf(number))
        for start in range(0, len(block), CHUNK_BYTES):
            yield block[start : start + CHUNK_BYTES]
    yield section(root, root_block)


async def main(folder: Path, size_bytes: int) -> None:
    leaves = [CID.of(RAW, leaf(number)) for number in range(size_bytes // BLOCK_BYTES)]
    root_block = dagpb.encode([dagpb.Link(cid, "", BLOCK_BYTES) for cid in leaves], None)
    root = CID.of(DAG_PB, root_block)
    with ThreadPoolExecutor(2) as executor:
        async with await BlockStore.open(folder, children=children) as store:
            began = time.perf_counter()
            imported = await import_car(store, car_of(leaves, root, root_block), executor=executor)
            import_s = time.perf_counter() - began
            assert imported.roots[0].pinned
            assert imported.blocks == len(leaves) + 1
            began, written = time.perf_counter(), 0
            async for piece in write_car(store, root):
                written += len(piece)
            export_s = time.perf_counter() - began
            assert written > len(leaves) * BLOCK_BYTES
    found = {"import_mb_s": size_bytes / 1e6 / import_s, "export_mb_s": size_bytes / 1e6 / export_s}
    print(json.dumps(found | {"peak_mb": peak_rss_bytes() / 1e6}))


def peak_rss_bytes() -> int:
    """The most memory that this process has had; what it was forked from does not count."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(float(sys.argv[2]) * 1e9)))
