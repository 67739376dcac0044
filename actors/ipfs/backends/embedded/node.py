"""What the parts of the embedded node share: the opened store, the node's key and its upkeep."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .....schemas import ipfs, subjects
from ...blocks import BlockSource
from ...cid import CID
from ...codecs.walk import children
from ...identity import Identity
from ...store.pins import PinRecord
from ...store.store import BlockStore
from ...unixfs.listing import resolve
from ..backend import Backend

__all__ = ["Node", "pin_changed"]

log = logging.getLogger(__name__)

# SHA-256 at two threads outruns the disk; more would only take turns.
HASH_THREADS = 2
UPKEEP_EVERY_S = 15.0


class Node(Backend):
    """One node's folder, opened. Blocks are read from `_source`, which may reach further than the store."""

    name = "embedded"

    _store: BlockStore
    _source: BlockSource
    _identity: Identity

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._executor = ThreadPoolExecutor(HASH_THREADS, "hash")

    async def open(self) -> None:
        """Opens the store, rebuilding its index if that is lost."""
        self._store = await BlockStore.open(self._folder, children=children)
        self._source = self._store
        self._identity = Identity.open(self._folder / "identity.pem")
        self._upkeep = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        self._upkeep.cancel()
        await asyncio.gather(self._upkeep, return_exceptions=True)
        await self._store.close()
        self._executor.shutdown()

    async def resolve(self, cid: CID, path: str) -> CID:
        return await resolve(self._source, cid, path) if path else cid

    async def _keep_up(self) -> None:
        """Remove expired pins and tend the store, for as long as the actor lives."""
        while True:
            await asyncio.sleep(UPKEEP_EVERY_S)
            try:
                for pin in await self._store.pins.expire_due():
                    await self.tell(subjects.UNPINNED, pin_changed(pin))
                await self._store.tend()
            except Exception:
                log.exception("upkeep of the store failed; trying again in %g s", UPKEEP_EVERY_S)


def pin_changed(pin: PinRecord) -> ipfs.PinChanged:
    return ipfs.PinChanged(
        cid=str(pin.cid), mode=pin.mode, name=pin.name, expires_at=pin.expires_at, at=time.time()
    )
