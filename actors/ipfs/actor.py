"""The ipfs actor: content, blocks and pins of one node, answered from the block store."""

from __future__ import annotations

import asyncio
import logging
import platform
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from ...bus import CHUNK_BYTES, Actor, answers_at_once, handles
from ...schemas import ipfs, subjects
from ...schemas.errors import BadRequest, BusError, InvalidContent, TooLarge
from ...schemas.rows import Event
from ...schemas.wire import Wire
from .cid import CID, CODECS
from .codecs.walk import children
from .identity import Identity
from .store.pins import PinRecord
from .store.store import BlockStore
from .unixfs.adding import Adding
from .unixfs.listing import ls, resolve, stat
from .unixfs.reader import open_file, small_file
from .unixfs.tar import tar_stream

__all__ = ["IpfsActor"]

log = logging.getLogger(__name__)

# SHA-256 at two threads outruns the disk; more would only take turns.
HASH_THREADS = 2
UPKEEP_EVERY_S = 15.0


class IpfsActor(Actor):
    """Owns the blocks, pins and names of one node; several processes may serve one folder."""

    name = "ipfs"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._executor = ThreadPoolExecutor(HASH_THREADS, "hash")

    @classmethod
    def open(cls, folder: Path) -> Self:
        return cls(folder)

    async def on_start(self) -> None:
        """Opens the store, rebuilding its index if that is lost."""
        self._store = await BlockStore.open(self._folder, children=children)
        self._identity = Identity.open(self._folder / "identity.pem")
        self._upkeep = asyncio.create_task(self._keep_up())

    async def on_stop(self) -> None:
        self._upkeep.cancel()
        await asyncio.gather(self._upkeep, return_exceptions=True)
        await self._store.close()
        self._executor.shutdown()

    # ---- content ----------------------------------------------------------------------------------------

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        """Durable when answered. Raises as `Adding.run` does."""
        async with self._store.session() as session:
            added = await Adding(ask, session, self._executor).run(content)
        size_bytes, pinned = added.content_size_bytes, added.pinned
        await self._tell(
            subjects.ADDED,
            ipfs.ContentAdded(
                cid=added.cid, size_bytes=size_bytes, pinned=pinned, filename=added.filename, at=time.time()
            ),
        )
        return added

    @answers_at_once(subjects.CAT)
    def cat_at_once(self, ask: ipfs.CatRequest) -> bytes | None:
        """A small file asked for whole by its own CID goes out without a head: its bytes say it all."""
        if ask.path or ask.offset or ask.length is not None:
            return None
        content = small_file(self._store, CID.parse(ask.cid))
        return content if content is not None and len(content) <= CHUNK_BYTES else None

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        file = await open_file(self._store, await self._resolve(CID.parse(ask.cid), ask.path))
        start, count = file.span(ask.offset, ask.length)
        yield ipfs.FileHead(cid=str(file.cid), size_bytes=file.size_bytes, offset=start, length=count)
        async for piece in file.read(start, count):
            yield piece

    @handles(subjects.GET)
    async def get(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.TarHead | bytes]:
        """The archive has one top entry: the path's last name, or the CID."""
        cid = await self._resolve(CID.parse(ask.cid), ask.path)
        name = ask.path.strip("/").rpartition("/")[2] or str(cid)
        yield ipfs.TarHead(cid=str(cid), name=name)
        async for piece in tar_stream(self._store, cid, name):
            yield piece

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        async for entry in ls(self._store, await self._resolve(CID.parse(ask.cid), ask.path)):
            yield ipfs.DirEntry(
                name=entry.name, cid=str(entry.cid), type=entry.type, size_bytes=entry.size_bytes
            )

    @handles(subjects.STAT)
    async def stat(self, ask: ipfs.PathRequest) -> ipfs.Stat:
        return await stat(self._store, CID.parse(ask.cid), ask.path)

    async def _resolve(self, cid: CID, path: str) -> CID:
        return await resolve(self._store, cid, path) if path else cid

    # ---- blocks -----------------------------------------------------------------------------------------

    @handles(subjects.BLOCK_GET)
    async def block_get(self, ask: ipfs.BlockRequest) -> AsyncIterator[ipfs.BlockHead | bytes]:
        cid = CID.parse(ask.cid)
        block = await self._store.get(cid)
        yield ipfs.BlockHead(cid=str(cid), size_bytes=len(block))
        yield block

    @handles(subjects.BLOCK_PUT)
    async def block_put(self, ask: ipfs.BlockPut, content: AsyncIterator[bytes]) -> ipfs.BlockStat:
        """Raises InvalidContent if the block is not the one that `ask.cid` names."""
        data = bytearray()
        async for chunk in content:
            data += chunk
            if len(data) > ipfs.MAX_BLOCK_BYTES:
                raise TooLarge("data", limit=ipfs.MAX_BLOCK_BYTES)
        block = bytes(data)
        cid = _cid_of(ask, block)
        async with self._store.session() as session:
            await session.put(cid, block)
            if ask.pin:
                await session.flush()
                await self._store.pins.add(PinRecord(cid))
            await session.commit()
        return ipfs.BlockStat(cid=str(cid), size_bytes=len(block), format=cid.codec_name)

    @handles(subjects.BLOCK_STAT)
    async def block_stat(self, ask: ipfs.BlockRequest) -> ipfs.BlockStat:
        cid = CID.parse(ask.cid)
        size_bytes = await self._store.size_of(cid)
        return ipfs.BlockStat(cid=str(cid), size_bytes=size_bytes, format=cid.codec_name)

    @handles(subjects.BLOCK_RM)
    async def block_rm(self, ask: ipfs.BlockRemove) -> ipfs.BlockRemoved:
        cid = CID.parse(ask.cid)
        removed = await self._store.remove(cid, missing_ok=ask.force)
        if removed:
            await self._tell(subjects.REMOVED, ipfs.BlockGone(cid=str(cid), at=time.time()))
        return ipfs.BlockRemoved(cid=str(cid), removed=removed)

    # ---- pins -------------------------------------------------------------------------------------------

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        """Raises NotFound for the first block that is not here."""
        cid = await self._resolve(CID.parse(ask.cid), ask.path)
        expires_at = None if ask.expires_in_s is None else time.time() + ask.expires_in_s
        mode: ipfs.PinMode = "recursive" if ask.recursive else "direct"
        pin = await self._store.pins.add(PinRecord(cid, mode, ask.name, expires_at))
        await self._tell(subjects.PINNED, _changed(pin))
        return _pinned(pin)

    @handles(subjects.UNPIN)
    async def unpin(self, ask: ipfs.PinRemove) -> ipfs.Pinned:
        cid = await self._resolve(CID.parse(ask.cid), ask.path)
        pin = await self._store.pins.remove(cid)
        await self._tell(subjects.UNPINNED, _changed(pin))
        return ipfs.Pinned(cid=str(pin.cid), pinned=False)

    @handles(subjects.PINS)
    async def pins(self, ask: ipfs.PinList) -> AsyncIterator[ipfs.Pin]:
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

    @handles(subjects.PIN_UPDATE)
    async def pin_update(self, ask: ipfs.PinUpdate) -> ipfs.Pinned:
        old, new = CID.parse(ask.from_cid), CID.parse(ask.to_cid)
        before = self._store.pins.get(old)
        pin = await self._store.pins.update(old, new, unpin=ask.unpin)
        await self._tell(subjects.PINNED, _changed(pin))
        if before is not None and ask.unpin and before.key != pin.key:
            await self._tell(subjects.UNPINNED, _changed(before))
        return _pinned(pin)

    async def _keep_up(self) -> None:
        """Remove expired pins and tend the store, for as long as the actor lives."""
        while True:
            await asyncio.sleep(UPKEEP_EVERY_S)
            try:
                for pin in await self._store.pins.expire_due():
                    await self._tell(subjects.UNPINNED, _changed(pin))
                await self._store.tend()
            except Exception:
                log.exception("upkeep of the store failed; trying again in %g s", UPKEEP_EVERY_S)

    # ---- the repository ---------------------------------------------------------------------------------

    @handles(subjects.REPO_GC)
    async def repo_gc(self, ask: ipfs.RepoGc) -> ipfs.Collected:
        """Raises Conflict while another collection runs."""
        collected = await self._store.collect()
        await self._tell(
            subjects.COLLECTED,
            ipfs.GarbageCollected(
                removed_blocks=collected.removed_blocks, freed_bytes=collected.freed_bytes, at=time.time()
            ),
        )
        return collected

    @handles(subjects.REPO_STAT)
    async def repo_stat(self, ask: ipfs.RepoStatRequest) -> ipfs.RepoStat:
        return await self._store.stat()

    @handles(subjects.REPO_VERIFY)
    async def repo_verify(self, ask: ipfs.RepoVerify) -> ipfs.Verified:
        return await self._store.verify()

    @handles(subjects.VERSION)
    async def version(self, ask: ipfs.VersionRequest) -> ipfs.Version:
        return ipfs.Version(
            version=self.software_version,
            backend="embedded",
            python=platform.python_version(),
            system=f"{platform.machine()}/{platform.system().lower()}",
        )

    @handles(subjects.ID)
    async def id(self, ask: ipfs.IdRequest) -> ipfs.Id:
        """No addresses: the embedded node speaks on the bus, not on a peer-to-peer network."""
        return ipfs.Id(
            id=self._identity.peer_id,
            public_key=self._identity.public_key_base64,
            agent_version=f"cidbus/{self.software_version}",
            addresses=[],
            instance=self.instance,
        )

    async def _tell(self, row: Event[Any], event: Wire) -> None:
        """Announce what is done already: that nobody could be told does not undo it."""
        try:
            await self.bus.publish(row, event)
        except BusError as error:
            log.warning("%s was not announced: %s", row.name, error)


def _cid_of(ask: ipfs.BlockPut, block: bytes) -> CID:
    if ask.cid is not None:
        cid = CID.parse(ask.cid)
        if not cid.matches(block):
            raise InvalidContent("data", "is not the block that the CID names", cid=str(cid))
        return cid
    if ask.format not in CODECS:
        raise BadRequest("format", f"{ask.format!r} is not one of {', '.join(CODECS)}")
    return CID.of(CODECS[ask.format], block)


def _pinned(pin: PinRecord) -> ipfs.Pinned:
    return ipfs.Pinned(cid=str(pin.cid), pinned=True, mode=pin.mode, name=pin.name, expires_at=pin.expires_at)


def _changed(pin: PinRecord) -> ipfs.PinChanged:
    return ipfs.PinChanged(
        cid=str(pin.cid), mode=pin.mode, name=pin.name, expires_at=pin.expires_at, at=time.time()
    )
