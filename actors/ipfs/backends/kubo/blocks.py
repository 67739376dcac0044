"""Single blocks and pins, kept by the daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from .....schemas.errors import NotFound, NotSupported
from .....schemas.rows import Event
from ...remote.kubo_errors import kubo_error
from ..given import given_block
from ..reading import BlockReads
from .daemon import LONG_S, Daemon, content_path, field_of

__all__ = ["BlockRows", "PinRows"]

_MODES: tuple[ipfs.PinMode, ...] = ("recursive", "direct")


class BlockRows(BlockReads, Daemon):
    """`block.*`."""

    @handles(subjects.BLOCK_WANT)
    async def block_want(self, ask: ipfs.BlockRequest) -> AsyncIterator[ipfs.BlockHead | bytes]:
        """From the daemon alone: nodes that asked each other in turn would never end."""
        cid = CID.parse(ask.cid)
        block = cid.digest if cid.is_identity else await self._source.get_here(cid)
        yield ipfs.BlockHead(cid=str(cid), size_bytes=len(block))
        yield block

    @handles(subjects.BLOCK_PUT)
    async def block_put(self, ask: ipfs.BlockPut, content: AsyncIterator[bytes]) -> ipfs.BlockStat:
        """Raises as `given_block` does: nothing is sent on then."""
        cid, block = await given_block(ask, content)
        await self.put_block(cid, block, pin=ask.pin)
        return ipfs.BlockStat(cid=str(cid), size_bytes=len(block), format=cid.codec_name)

    @handles(subjects.BLOCK_STAT)
    async def block_stat(self, ask: ipfs.BlockRequest) -> ipfs.BlockStat:
        """Of what the daemon itself has: its peers are not asked."""
        cid = CID.parse(ask.cid)
        facts = await self._rpc.call("block/stat", str(cid), offline=True)
        return ipfs.BlockStat(cid=str(cid), size_bytes=field_of(facts, "Size", int), format=cid.codec_name)

    @handles(subjects.BLOCK_RM)
    async def block_rm(self, ask: ipfs.BlockRemove) -> ipfs.BlockRemoved:
        cid = CID.parse(ask.cid)
        here = await self._source.has(cid)
        if not here and not ask.force:
            raise NotFound("block", str(cid))
        if here:
            removed = await self.last_line("block/rm", str(cid))
            if removed.get("Error"):
                raise kubo_error("block/rm", str(removed["Error"]), subject=str(cid))
            await self.tell(subjects.REMOVED, ipfs.BlockGone(cid=str(cid), at=self.now()))
        return ipfs.BlockRemoved(cid=str(cid), removed=here)


class PinRows(Daemon):
    """`pin.*`. Paths are followed here, so that what is wrong with one is told as everywhere else."""

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        """Kubo fetches what it lacks. Raises NotSupported for `expires_in_s`: its pins do not expire."""
        if ask.expires_in_s is not None:
            raise NotSupported("Kubo's pins do not expire", field="expires_in_s")
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        await self._add(cid, ask.name, recursive=ask.recursive)
        mode: ipfs.PinMode = "recursive" if ask.recursive else "direct"
        await self._tell(subjects.PINNED, str(cid), mode, ask.name)
        return ipfs.Pinned(cid=str(cid), pinned=True, mode=mode, name=ask.name)

    @handles(subjects.UNPIN)
    async def unpin(self, ask: ipfs.PinRemove) -> ipfs.Pinned:
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        pin = await self._pin_of(cid)
        if pin is None:
            raise NotFound("pin", str(cid))
        await self._rpc.call("pin/rm", content_path(str(cid)))
        await self._tell(subjects.UNPINNED, str(cid), pin.mode, pin.name)
        return ipfs.Pinned(cid=str(cid), pinned=False)

    @handles(subjects.PINS)
    async def pins(self, ask: ipfs.PinList) -> AsyncIterator[ipfs.Pin]:
        """When pins were made, Kubo does not know."""
        if ask.cid is not None:
            pin = await self._pin_of(CID.parse(ask.cid))
            if pin and ask.type in ("all", pin.mode) and ask.name in (None, pin.name):
                yield ipfs.Pin(cid=pin.cid, mode=pin.mode, name=pin.name)
            return
        for mode in _MODES if ask.type == "all" else (ask.type,):
            async with aclosing(self._rpc.lines("pin/ls", type=mode, stream=True, names=True)) as lines:
                async for line in lines:
                    name = line.get("Name") or None
                    if ask.name in (None, name):
                        yield ipfs.Pin(cid=field_of(line, "Cid", str), mode=mode, name=name)

    @handles(subjects.PIN_UPDATE)
    async def pin_update(self, ask: ipfs.PinUpdate) -> ipfs.Pinned:
        """Kubo drops the pin's name on the way; it is given again."""
        old, new = CID.parse(ask.from_cid), CID.parse(ask.to_cid)
        before = await self._pin_of(old)
        if before is None or before.mode != "recursive":
            raise NotFound("pin", str(old))
        paths = content_path(str(old)), content_path(str(new))
        await self._rpc.call("pin/update", *paths, unpin=ask.unpin, timeout_s=LONG_S)
        after = await self._pin_of(new)
        if before.name and (after is None or after.name != before.name):
            await self._add(new, before.name, recursive=True)
        await self._tell(subjects.PINNED, str(new), "recursive", before.name)
        if ask.unpin and old.multihash != new.multihash:
            await self._tell(subjects.UNPINNED, str(old), "recursive", before.name)
        return ipfs.Pinned(cid=str(new), pinned=True, mode="recursive", name=before.name)

    async def _add(self, cid: CID, name: str | None, *, recursive: bool) -> None:
        path = content_path(str(cid))
        await self._rpc.call("pin/add", path, recursive=recursive, name=name, timeout_s=LONG_S)

    async def _pin_of(self, cid: CID) -> _Kept | None:
        """The pin that a DAG has itself, as its root."""
        for mode in _MODES:
            try:
                told = await self._rpc.call("pin/ls", content_path(str(cid)), type=mode, names=True)
            except NotFound:
                continue
            for key, facts in field_of(told, "Keys", dict).items():
                return _Kept(key, mode, facts.get("Name") or None)
        return None

    async def _tell(
        self, row: Event[ipfs.PinChanged], cid: str, mode: ipfs.PinMode, name: str | None
    ) -> None:
        await self.tell(row, ipfs.PinChanged(cid=cid, mode=mode, name=name, at=self.now()))


class _Kept(NamedTuple):
    """A pin as Kubo tells of it."""

    cid: str
    mode: ipfs.PinMode
    name: str | None
