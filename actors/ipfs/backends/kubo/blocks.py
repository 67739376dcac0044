"""Single blocks and pins, kept by the daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID, CODECS, HASHES
from .....schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported, TooLarge
from ...remote.kubo import FilePart
from ...remote.kubo_errors import kubo_error
from ..reading import BlockReads
from .daemon import Daemon, content_path, field_of

__all__ = ["BlockRows", "PinRows"]


class BlockRows(BlockReads, Daemon):
    """`block.*`."""

    @handles(subjects.BLOCK_PUT)
    async def block_put(self, ask: ipfs.BlockPut, content: AsyncIterator[bytes]) -> ipfs.BlockStat:
        """Raises InvalidContent if the block is not the one that `ask.cid` names: it is not sent on then."""
        block = bytearray()
        async for piece in content:
            block += piece
            if len(block) > ipfs.MAX_BLOCK_BYTES:
                raise TooLarge("data", limit=ipfs.MAX_BLOCK_BYTES)
        codec, hash_name = ask.format, ask.hash
        if ask.cid is not None:
            cid = CID.parse(ask.cid)
            if not cid.matches(bytes(block)):
                raise InvalidContent("data", "is not the block that the CID names", cid=str(cid))
            codec, hash_name = cid.codec_name, HASHES[cid.hash_code][0]
        elif codec not in CODECS:
            raise BadRequest("format", f"{codec!r} is not one of {', '.join(CODECS)}")
        put = await self._rpc.call(
            "block/put",
            upload=[FilePart("block", bytes(block))],
            cid_codec=codec,
            mhtype=hash_name,
            pin=ask.pin,
        )
        stored = CID.parse(field_of(put, "Key", str))
        return ipfs.BlockStat(cid=str(stored), size_bytes=len(block), format=stored.codec_name)

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
    """`pin.*`."""

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        """Kubo fetches what it lacks. Raises NotSupported for `expires_in_s`: its pins do not expire."""
        if ask.expires_in_s is not None:
            raise NotSupported("Kubo's pins do not expire", field="expires_in_s")
        path = content_path(ask.cid, ask.path)
        done = await self.last_line("pin/add", path, recursive=ask.recursive, name=ask.name, progress=False)
        cid = _only(done)
        mode: ipfs.PinMode = "recursive" if ask.recursive else "direct"
        await self._tell_pinned(cid, mode, ask.name)
        return ipfs.Pinned(cid=cid, pinned=True, mode=mode, name=ask.name)

    @handles(subjects.UNPIN)
    async def unpin(self, ask: ipfs.PinRemove) -> ipfs.Pinned:
        cid = _only(await self._rpc.call("pin/rm", content_path(ask.cid, ask.path)))
        await self.tell(subjects.UNPINNED, ipfs.PinChanged(cid=cid, mode="recursive", at=self.now()))
        return ipfs.Pinned(cid=cid, pinned=False)

    @handles(subjects.PINS)
    async def pins(self, ask: ipfs.PinList) -> AsyncIterator[ipfs.Pin]:
        """Recursive and direct pins; when they were made, Kubo does not know."""
        for mode in ("recursive", "direct"):
            if ask.type not in ("all", mode):
                continue
            async with aclosing(self._rpc.lines("pin/ls", type=mode, stream=True, names=True)) as lines:
                async for line in lines:
                    pin = _pin(line, mode)
                    if ask.name in (None, pin.name) and (ask.cid is None or _same(ask.cid, pin.cid)):
                        yield pin

    @handles(subjects.PIN_UPDATE)
    async def pin_update(self, ask: ipfs.PinUpdate) -> ipfs.Pinned:
        old, new = content_path(ask.from_cid), content_path(ask.to_cid)
        await self._rpc.call("pin/update", old, new, unpin=ask.unpin)
        cid = str(CID.parse(ask.to_cid))
        await self._tell_pinned(cid, "recursive", None)
        return ipfs.Pinned(cid=cid, pinned=True, mode="recursive")

    async def _tell_pinned(self, cid: str, mode: ipfs.PinMode, name: str | None) -> None:
        await self.tell(subjects.PINNED, ipfs.PinChanged(cid=cid, mode=mode, name=name, at=self.now()))


def _only(answer: Any) -> str:
    """The one CID of `{"Pins": [cid]}`."""
    pins = field_of(answer, "Pins", list)
    if len(pins) != 1 or not isinstance(pins[0], str):
        raise InvalidContent("reply", "Kubo's answer has no usable Pins")
    return pins[0]


def _pin(line: Any, mode: ipfs.PinMode) -> ipfs.Pin:
    return ipfs.Pin(cid=field_of(line, "Cid", str), mode=mode, name=line.get("Name") or None)


def _same(one: str, other: str) -> bool:
    return CID.parse(one).multihash == CID.parse(other).multihash
