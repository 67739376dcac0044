"""What the parts of the embedded node share: the opened store, the node's key and its upkeep."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from .....schemas.ipfs import BackendName
from .....schemas.names import NameChanged
from .....schemas.routing import Announced
from ...codecs.walk import children
from ...identity import Identity
from ...ipns.dnslink import DnsLink
from ...ipns.keystore import Keystore
from ...ipns.moments import SECOND_NS
from ...ipns.name import IpnsName
from ...ipns.names import Names
from ...ipns.record import decode
from ...ipns.republisher import Republisher
from ...ipns.routing import RecordRouting
from ...remote.constants import Constants
from ...remote.routing import DelegatedRouting
from ...remote.sources import BlockFetcher, Chain
from ...routing.announcements import Announcements
from ...routing.cluster import ClusterFetcher
from ...settings import IpfsSettings
from ...store.pins import PinRecord
from ...store.store import BlockStore
from ..reading import Reading
from .announcer import Announcer, announced
from .routings import ClusterRecords, RoutedRecords

__all__ = ["Node"]

log = logging.getLogger(__name__)

# SHA-256 at two threads outruns the disk; more would only take turns.
HASH_THREADS = 2
UPKEEP_EVERY_S = 15.0


class Node(Reading):
    """One node's folder, opened. Blocks are read from `_source`, which may reach further than the store."""

    name: ClassVar[BackendName] = "embedded"

    _store: BlockStore
    _identity: Identity

    def __init__(
        self, folder: Path, settings: IpfsSettings | None = None, fetchers: Sequence[BlockFetcher] = ()
    ) -> None:
        """`fetchers` are asked in turn for blocks that the store lacks."""
        self._folder = folder
        self._temp = folder / "temp"  # the store's own, which it empties
        self._settings = settings or IpfsSettings()
        self._fetchers = fetchers
        self._heard = Announcements()
        self._executor = ThreadPoolExecutor(HASH_THREADS, "hash")

    async def open(self) -> None:
        """Opens the store, rebuilding its index if that is lost."""
        settings = self._settings
        self._store = await BlockStore.open(self._folder, children=children, clock=self.now)
        self._identity = self._open_identity()
        cluster = ClusterFetcher(self._heard, self._identity.peer_id, self._ask_instance)
        fetchers: list[BlockFetcher] = [
            Constants(),
            *([cluster] if settings.announce else []),
            *self._fetchers,
        ]
        self._source = Chain(self._store, fetchers, self._keep, running=settings.max_fetches)
        self._keys = self._open_keys()
        self._routers = DelegatedRouting(settings.routers) if settings.routers else None
        self._names = self._make_names()
        self._announcer = Announcer(self._heard, self._describe, self._announce, self._kept_roots)
        if settings.announce:
            self._announcer.start()
        self._tasks = [
            asyncio.create_task(self.regularly(self._keep_up, "upkeep of the store failed")),
            asyncio.create_task(Republisher(self._names, self._now_ns).run()),
        ]

    def _open_identity(self) -> Identity:
        return Identity.open(self._folder / "identity.pem")

    def _open_keys(self) -> Keystore:
        return Keystore(self._folder / "keys", self._identity.key)

    def _make_names(self) -> Names:
        return Names(
            self._store.names, self._keys, self._routings(), dnslink=_dnslink(self._settings),
            now_ns=self._now_ns,
            republish_every_ns=round(self._settings.republish_every_s * SECOND_NS),
        )  # fmt: skip

    def _routings(self) -> list[RecordRouting]:
        routings: list[RecordRouting] = [ClusterRecords(self._tell_record)] if self._settings.announce else []
        return routings + ([RoutedRecords(self._routers)] if self._routers is not None else [])

    async def close(self) -> None:
        await self._announcer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._routers is not None:
            await self._routers.close()
        for fetcher in self._fetchers:
            await fetcher.close()
        await self._store.close()
        self._executor.shutdown()

    async def tell_added(
        self, cid: CID | str, size_bytes: int | None, *, pinned: bool, filename: str | None = None
    ) -> None:
        """Announce content that was stored, and what of it is kept, that this node has it."""
        if pinned:
            self._announcer.add(CID.parse(cid) if isinstance(cid, str) else cid)
        added = ipfs.ContentAdded(
            cid=str(cid), size_bytes=size_bytes, pinned=pinned, filename=filename, at=self.now()
        )
        await self.tell(subjects.ADDED, added)

    async def _keep(self, cid: CID, block: bytes) -> None:
        """Store a block that came from elsewhere, until the next collection that finds it unpinned."""
        async with self._store.session() as session:
            await session.put(cid, block)
            await session.commit()

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

    async def _ask_instance(self, instance: str, cid: CID) -> bytes:
        ask = ipfs.BlockRequest(cid=str(cid))
        async with await self._actor.bus.open(subjects.BLOCK_WANT, ask, at=instance) as stream:
            return b"".join([piece async for piece in stream])

    async def _announce(self, said: Announced) -> None:
        await self.tell(subjects.ANNOUNCED, said)

    async def _tell_record(self, name: IpnsName, raw: bytes) -> None:
        record = decode(raw)
        value = record.value.decode("utf-8", "replace")
        changed = NameChanged(name=str(name), path=value, sequence=record.sequence, record=raw, at=self.now())
        await self.tell(subjects.NAMED, changed)

    def _kept_roots(self) -> Iterator[CID]:
        return (pin.cid for pin in self._store.pins.list())

    def pin_changed(self, pin: PinRecord) -> ipfs.PinChanged:
        return ipfs.PinChanged(
            cid=str(pin.cid), mode=pin.mode, name=pin.name, expires_at=pin.expires_at, at=self.now()
        )

    @property
    def agent_version(self) -> str:
        return f"cidbus/{self._actor.software_version}"

    # ---- upkeep -----------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        """Remove expired pins and named roots and tend the store."""
        for pin in await self._store.pins.expire_due():
            await self.tell(subjects.UNPINNED, self.pin_changed(pin))
        await self._store.roots.expire_due()
        await self._store.tend()

    async def regularly(self, work: Callable[[], Awaitable[object]], failed: str) -> None:
        """Do some upkeep again and again, for as long as the actor lives."""
        while True:
            await asyncio.sleep(UPKEEP_EVERY_S)
            try:
                await work()
            except Exception:
                log.exception("%s; trying again in %g s", failed, UPKEEP_EVERY_S)


def _dnslink(settings: IpfsSettings) -> DnsLink | None:
    if not settings.dnslink:
        return None
    from ...ipns.dns_txt import DnsTxt  # a tenth of a second, for those who want it

    return DnsLink(DnsTxt(settings.dns_servers))
