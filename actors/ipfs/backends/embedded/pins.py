"""Pins: what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from .....schemas.errors import NotFound
from ...codecs.dagstat import refs
from ...store.diskset import DiskSet
from ...store.pins import PinRecord
from .fetching import fetch_dag
from .node import Node

__all__ = ["PinRows"]

FETCHES = 3


class PinRows(Node):
    """`pin.*`."""

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        """What is not here is fetched first; raises NotFound for the first block that nobody has."""
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        expires_at = None if ask.expires_in_s is None else self.now() + ask.expires_in_s
        mode: ipfs.PinMode = "recursive" if ask.recursive else "direct"
        record = PinRecord(cid, mode, ask.name, expires_at)
        pin = await self._fetched(cid, lambda: self._store.pins.add(record), whole=ask.recursive)
        self._announcer.add(pin.cid)
        await self.tell(subjects.PINNED, self.pin_changed(pin))
        return _pinned(pin)

    @handles(subjects.UNPIN)
    async def unpin(self, ask: ipfs.PinRemove) -> ipfs.Pinned:
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        pin = await self._store.pins.remove(cid)
        await self.tell(subjects.UNPINNED, self.pin_changed(pin))
        return ipfs.Pinned(cid=str(pin.cid), pinned=False)

    @handles(subjects.PINS)
    async def pins(self, ask: ipfs.PinList) -> AsyncIterator[ipfs.Pin]:
        if ask.type == "indirect":
            async for kept in self._indirect():
                yield kept
            return
        mode = None if ask.type == "all" else ask.type
        cid = None if ask.cid is None else CID.parse(ask.cid)
        for pin in self._store.pins.list(mode=mode, name=ask.name, cid=cid):
            yield ipfs.Pin(
                cid=str(pin.cid),
                mode=pin.mode,
                name=pin.name,
                expires_at=pin.expires_at,
                created_at=pin.created_at,
            )

    async def _indirect(self) -> AsyncIterator[ipfs.Pin]:
        """Every block, once, that recursive pins keep and that has no pin of its own."""
        pins = self._store.pins
        with DiskSet(self._temp) as told:
            for pin in pins.list(mode="recursive"):
                async for edge in refs(
                    self._store, pin.cid, recursive=True, unique=True, temp_folder=self._temp
                ):
                    if told.add(edge.cid.multihash) and pins.get(edge.cid) is None:
                        yield ipfs.Pin(cid=str(edge.cid), mode="indirect", created_at=pin.created_at)

    @handles(subjects.PIN_UPDATE)
    async def pin_update(self, ask: ipfs.PinUpdate) -> ipfs.Pinned:
        old, new = CID.parse(ask.from_cid), CID.parse(ask.to_cid)
        before = self._store.pins.get(old)
        pin = await self._fetched(new, lambda: self._store.pins.update(old, new, unpin=ask.unpin))
        await self.tell(subjects.PINNED, self.pin_changed(pin))
        if before is not None and ask.unpin and before.key != pin.key:
            await self.tell(subjects.UNPINNED, self.pin_changed(before))
        return _pinned(pin)

    async def _fetched(
        self, cid: CID, change: Callable[[], Awaitable[PinRecord]], *, whole: bool = True
    ) -> PinRecord:
        """Make a change that needs a DAG here, or its root; what it lacks is fetched.

        Until the pin is written a collection may take what has come, so it may have to be fetched again.
        """
        for _ in range(FETCHES):
            try:
                return await change()
            except NotFound as missing:
                if missing.details.get("what") != "block":
                    raise
            if whole:
                await fetch_dag(self._source, cid, temp_folder=self._temp)
            else:
                await self._source.get(cid)
        return await change()


def _pinned(pin: PinRecord) -> ipfs.Pinned:
    return ipfs.Pinned(cid=str(pin.cid), pinned=True, mode=pin.mode, name=pin.name, expires_at=pin.expires_at)
