"""CAR files into the store: every block checked and written, then the roots pinned that are whole."""

from __future__ import annotations

from collections.abc import AsyncIterable
from concurrent.futures import Executor

from ....schemas.cid import CID
from ....schemas.dag import DagImported, ImportedRoot
from ....schemas.errors import Conflict, CorruptBlock, InvalidContent, NotFound, NotSupported
from ....schemas.ipfs import MAX_BLOCK_BYTES
from ..store.pins import PinRecord, Pins
from ..store.store import BlockStore
from .read import open_car

__all__ = ["import_car"]

MAX_LISTED_ROOTS = 1000


async def import_car(
    store: BlockStore,
    chunks: AsyncIterable[bytes | memoryview],
    *,
    pin_roots: bool = True,
    executor: Executor | None = None,
) -> DagImported:
    """Store the blocks of a CAR and, with `pin_roots`, pin each root recursively whose whole DAG is here.

    Everything told is durable. A root that cannot be pinned says why, and does not keep the others from it.
    Raises InvalidContent naming the byte or the block where the file is wrong (a block over 2 MiB is),
    StorageFull, and what `chunks` raises: then nothing is pinned, and what was stored is collected some day.
    `executor` hashes, as in `open_car`.
    """
    car = await open_car(chunks, max_block_bytes=MAX_BLOCK_BYTES, executor=executor)
    blocks = size_bytes = 0
    async with store.session() as session:
        async for cid, data in car.blocks():
            await session.put(cid, data)
            blocks += 1
            size_bytes += len(data)
        await session.flush()
        # Not in the commit: a CAR need not hold all that its roots reach, so it is looked for.
        roots = [await _pin(store.pins, root) for root in dict.fromkeys(car.roots)] if pin_roots else []
        await session.commit()
    if not pin_roots:
        roots = [ImportedRoot(cid=str(root), pinned=False) for root in dict.fromkeys(car.roots)]
    return DagImported(roots=roots[:MAX_LISTED_ROOTS], blocks=blocks, size_bytes=size_bytes)


async def _pin(pins: Pins, root: CID) -> ImportedRoot:
    try:
        await pins.add(PinRecord(root))
    except (Conflict, CorruptBlock, InvalidContent, NotFound, NotSupported) as error:
        return ImportedRoot(cid=str(root), pinned=False, error=error.message)
    return ImportedRoot(cid=str(root), pinned=True)
