"""What the parts of the embedded node share: the opened store, the node's key and its upkeep."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.routing import Announced
from ...blocks import BlockSource
from ...cid import CID
from ...codecs.walk import children
from ...identity import Identity
from ...routing.announcements import Announcements
from ...settings import IpfsSettings
from ...store.pins import PinRecord
from ...store.store import BlockStore
from ...unixfs.listing import resolve
from ..backend import Backend
from .announcer import Announcer, announced

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

    def __init__(self, folder: Path, settings: IpfsSettings | None = None) -> None:
        self._folder = folder
        self._settings = settings or IpfsSettings()
        self._heard = Announcements()
        self._executor = ThreadPoolExecutor(HASH_THREADS, "hash")

    async def open(self) -> None:
        """Opens the store, rebuilding its index if that is lost."""
        self._store = await BlockStore.open(self._folder, children=children)
        self._source = self._store
        self._identity = Identity.open(self._folder / "identity.pem")
        self._announcer = Announcer(self._heard, self._describe, self._announce, self._kept_roots)
        if self._settings.announce:
            self._announcer.start()
        self._upkeep = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        await self._announcer.close()
        self._upkeep.cancel()
        await asyncio.gather(self._upkeep, return_exceptions=True)
        await self._store.close()
        self._executor.shutdown()

    async def resolve(self, cid: CID, path: str) -> CID:
        return await resolve(self._source, cid, path) if path else cid

    # ---- what the cluster is told -----------------------------------------------------------------------

    @handles(subjects.ANNOUNCED)
    async def heard(self, said: Announced) -> None:
        self._announcer.hear(said, own=said.instance == self._actor.instance)

    def _describe(self, cids: list[str]) -> Announced:
        return announced(
            peer_id=self._identity.peer_id,
            instance=self._actor.instance,
            addrs=list(self._settings.addresses),
            agent_version=self.agent_version,
            cids=cids,
        )

    async def _announce(self, said: Announced) -> None:
        await self.tell(subjects.ANNOUNCED, said)

    def _kept_roots(self) -> Iterator[CID]:
        return (pin.cid for pin in self._store.pins.list())

    @property
    def agent_version(self) -> str:
        return f"cidbus/{self._actor.software_version}"

    # ---- upkeep -----------------------------------------------------------------------------------------

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
