"""Pins: what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from ...codecs.dagstat import refs
from ...store.diskset import DiskSet
from ...store.pins import PinRecord
from .node import Node

__all__ = ["PinRows"]


class PinRows(Node):
    """`pin.*`."""

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        """Raises NotFound for the first block that is not here."""
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        expires_at = None if ask.expires_in_s is None else self.now() + ask.expires_in_s
        mode: ipfs.PinMode = "recursive" if ask.recursive else "direct"
        pin = await self._store.pins.add(PinRecord(cid, mode, ask.name, expires_at))
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
        pin = await self._store.pins.update(old, new, unpin=ask.unpin)
        await self.tell(subjects.PINNED, self.pin_changed(pin))
        if before is not None and ask.unpin and before.key != pin.key:
            await self.tell(subjects.UNPINNED, self.pin_changed(before))
        return _pinned(pin)


def _pinned(pin: PinRecord) -> ipfs.Pinned:
    return ipfs.Pinned(cid=str(pin.cid), pinned=True, mode=pin.mode, name=pin.name, expires_at=pin.expires_at)
