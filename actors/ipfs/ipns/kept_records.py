"""The records that this node keeps, and which of them it has published and keeps alive.

Both stand in the store's table `names`: a record under its routing key `/ipns/<binary peer ID>`, even after
it has expired, because the next one must follow its sequence number; a publication under `/published/<binary
peer ID>`. Several processes may share the table: every change is a swap of what was read for what follows
from it, so no sequence number is given twice or lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

import orjson

from ....schemas.errors import BusError, StorageFull
from ..store.kept import Kept
from .fresh import NowNs
from .name import IpnsName
from .record import Record, decode

__all__ = ["KeptRecords", "Publication"]

log = logging.getLogger(__name__)

# Anybody can make keys, and with them names without end.
MAX_ENTRIES = 100_000
FORGET_AT_ONCE = 256

_RECORDS, _PUBLICATIONS = b"/ipns/", b"/published/"


@dataclass(frozen=True, slots=True)
class Publication:
    """What was asked for when a name was published here: how long each record of it lives, and when the next
    one is due."""

    lifetime_ns: int
    due_ns: int


class KeptRecords:
    """Records and publications by name."""

    def __init__(self, table: Kept, now_ns: NowNs, *, max_entries: int = MAX_ENTRIES) -> None:
        self._table = table
        self._now_ns = now_ns
        self._max_entries = max_entries

    # ---- records ----------------------------------------------------------------------------------------

    def get(self, name: IpnsName) -> Record | None:
        """The record of a name, expired or not."""
        return _decoded(name.routing_key, self._table.get(name.routing_key))

    def valid(self, name: IpnsName) -> Record | None:
        """The record of a name unless it has expired."""
        record = self.get(name)
        return None if record is None or record.has_expired(self._now_ns()) else record

    async def offer(self, name: IpnsName, record: Record) -> bool:
        """Keep a valid record if it is better than the one here; whether it was kept.

        Raises StorageFull for a new name when there is no more room for names.
        """
        while True:
            current = self._table.get(name.routing_key)
            kept = _decoded(name.routing_key, current)
            if kept is not None and kept.rank >= record.rank:
                return False
            if current is None:
                self._check_room()
            if await self._table.swap(name.routing_key, current, record.raw):
                return True

    async def advance(self, name: IpnsName, follow: Callable[[Record | None], Record]) -> Record:
        """Put the record that follows from the one here in its place; it is durable when returned.

        `follow` runs in a thread, and once more if another process was faster.
        """
        while True:
            current = self._table.get(name.routing_key)
            record = await asyncio.to_thread(follow, _decoded(name.routing_key, current))
            if record.raw == current or await self._table.swap(name.routing_key, current, record.raw):
                return record

    async def forget_expired(self) -> int:
        """Remove expired records of names that are not published here, unless a new one comes meanwhile; how
        many went."""
        expired, gone = self._expired(), 0
        while group := await asyncio.to_thread(lambda: list(islice(expired, FORGET_AT_ONCE))):
            gone += sum(await asyncio.gather(*(self._table.swap(key, raw, None) for key, raw in group)))
        return gone

    def _expired(self) -> Iterator[tuple[bytes, bytes]]:
        for key, raw in self._table.items(_RECORDS):
            if not key.startswith(_RECORDS):
                return
            record = _decoded(key, raw)
            if record is not None and not record.has_expired(self._now_ns()):
                continue
            if self._table.get(_PUBLICATIONS + key[len(_RECORDS) :]) is None:
                yield key, raw

    # ---- publications -----------------------------------------------------------------------------------

    def publication(self, name: IpnsName) -> Publication | None:
        raw = self._table.get(_PUBLICATIONS + name.multihash)
        return None if raw is None else Publication(**orjson.loads(raw))

    def publications(self) -> Iterator[tuple[IpnsName, Publication]]:
        """Every name published here."""
        for key, raw in self._table.items(_PUBLICATIONS):
            if not key.startswith(_PUBLICATIONS):
                return
            yield IpnsName(key[len(_PUBLICATIONS) :]), Publication(**orjson.loads(raw))

    async def set_publication(self, name: IpnsName, publication: Publication | None) -> None:
        """Keep a name alive from now on; with None no longer: its record stays until it expires."""
        if publication is None:
            await self._table.delete(_PUBLICATIONS + name.multihash)
        else:
            await self._table.put(_PUBLICATIONS + name.multihash, _encoded(publication))

    async def replace_publication(self, name: IpnsName, old: Publication, new: Publication) -> bool:
        """Put a publication in place of the one that was read; False if it has changed since."""
        return await self._table.swap(_PUBLICATIONS + name.multihash, _encoded(old), _encoded(new))

    def _check_room(self) -> None:
        if self._table.count() >= self._max_entries:
            raise StorageFull(f"the node keeps its {self._max_entries} names", limit=self._max_entries)


def _encoded(publication: Publication) -> bytes:
    return orjson.dumps(asdict(publication))


def _decoded(key: bytes, raw: bytes | None) -> Record | None:
    if raw is None:
        return None
    try:
        return decode(raw)
    except BusError as error:
        log.warning("the kept record %r cannot be read and counts as none: %s", key, error)
        return None
