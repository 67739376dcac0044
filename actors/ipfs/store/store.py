"""The block store: blocks in pack files, an index of them, what keeps them, and all that is done with these.

Several processes may have one store open at once. Each writes to a pack of its own; the index (LMDB) puts
their commits in order; a lock keeps collection to one of them. `layout.py` has the folder, which looks so:

    lock  gc.lock  ledger.log  index/data.mdb  packs/00000001.car  owners/<id>.lock  temp/

What `Session.commit` has acknowledged survives kill -9 and power loss, and stays as long as it is kept;
every read is checked against a checksum; an error (a full disk, say) leaves nothing half done.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ....schemas.cid import CID
from ....schemas.errors import NotFound
from ....schemas.ipfs import Collected, RepoStat, Verified
from . import gc, verify
from .committer import Committer
from .environment import MAP_BYTES
from .index import PINS_LOST, Index
from .kept import Kept
from .layout import Layout
from .locks import FileLock, Owner
from .lookup import Lookup
from .packs import MAX_PACK_BYTES, Packs
from .pins import Pins
from .reach import Children
from .rebuild import Rebuilt, open_index
from .roots import Roots
from .session import Session
from .upkeep import Upkeep
from .writer import Writer

READ_THREADS = 4

Clock = Callable[[], float]


class BlockStore:
    """One process's handle on a store (a BlockSource). Open it with `open`; use it from one event loop.

    `pins`, `roots`, `names`, `keys` and `uploads` are the kept tables; `rebuilt` says what was found if
    opening had to rebuild the index.
    """

    def __init__(
        self, layout: Layout, lock: FileLock, index: Index, *, children: Children, clock: Clock,
        max_pack_bytes: int, rebuilt: Rebuilt | None,
    ) -> None:  # fmt: skip
        self.rebuilt = rebuilt
        self._layout = layout
        self._lock = lock
        self._index = index
        self._clock = clock
        self._owner = Owner(layout.owners)
        self._numbers = itertools.count(1)
        self._packs = Packs(layout.packs)
        self._lookup = Lookup(index, self._packs)
        self._committer = Committer(
            Writer(index, self._packs, self._lookup.damaged, max_pack_bytes=max_pack_bytes)
        )
        self._readers = ThreadPoolExecutor(READ_THREADS, "cidbus-read")
        self._upkeep = Upkeep(
            index=index, packs=self._packs, committer=self._committer, blocks=self._lookup,
            children=children, layout=layout, clock=clock,
        )  # fmt: skip
        self.pins = Pins(self._upkeep)
        self.roots = Roots(self._upkeep)
        self.names = Kept("names", index, self._committer)
        self.keys = Kept("keys", index, self._committer)
        self.uploads = Kept("uploads", index, self._committer)

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, children: Children, clock: Clock = time.time,
        max_pack_bytes: int = MAX_PACK_BYTES, map_bytes: int = MAP_BYTES,
    ) -> Self:  # fmt: skip
        """Open the store in a folder, making it if it is missing.

        `children(cid, data)` tells the links of a block; it raises if it cannot. An index that is missing or
        damaged is rebuilt from the packs, which takes about a second per GB. Raises Unavailable if that is
        needed while other processes use the store.
        """
        layout = Layout(Path(path))
        layout.make()
        lock = FileLock(layout.lock)
        try:
            index, rebuilt = await asyncio.to_thread(open_index, layout, lock, map_bytes)
        except BaseException:
            lock.close()
            raise
        return cls(
            layout, lock, index, children=children, clock=clock,
            max_pack_bytes=max_pack_bytes, rebuilt=rebuilt,
        )  # fmt: skip

    async def close(self) -> None:
        """Finish the commits that somebody waits for, stop everything else and give the locks back."""
        await self._upkeep.close()
        await self._committer.close()
        await asyncio.to_thread(self._readers.shutdown)
        self._packs.close()
        self._index.close()
        self._owner.close()
        self._lock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Blocks

    def get_now(self, cid: CID) -> bytes | None:
        """The block if it can be had without waiting for a disk, else None, which says nothing about
        whether it exists. Raises CorruptBlock."""
        key = cid.multihash
        if key[0] == 0:
            return cid.digest
        pending = self._committer.find(key)
        return self._lookup.now(cid) if pending is None else pending.data

    async def get(self, cid: CID) -> bytes:
        """The block, checked. Raises NotFound(what="block") or CorruptBlock."""
        found = self.get_now(cid)
        if found is None:
            found = await asyncio.get_running_loop().run_in_executor(self._readers, self._lookup.read, cid)
        return found

    async def has(self, cid: CID) -> bool:
        """Whether the block is here (an identity CID always is)."""
        return cid.is_identity or bool(self._committer.find(cid.multihash)) or self._index.has(cid.multihash)

    async def size_of(self, cid: CID) -> int:
        """How long a block is in bytes. Raises NotFound(what="block")."""
        if cid.is_identity:
            return len(cid.digest)
        pending = self._committer.find(cid.multihash)
        if pending is not None:
            return len(pending.data)
        entry = self._index.find(cid.multihash)
        if entry is None:
            raise NotFound("block", str(cid))
        return entry.length

    def list(self) -> Iterator[CID]:
        """Every stored block, under the CID it was first stored with, in the order of multihashes.

        Read in pages: blocks that come or go meanwhile may or may not be told.
        """
        for page in self._index.blocks():
            for key, entry in page:
                yield entry.cid(key)

    def session(self) -> Session:
        """A session to write blocks in; used with `async with`."""
        number = next(self._numbers).to_bytes(8, "big")
        return Session(self._committer, self._owner.id + number, self._clock)

    async def remove(self, cid: CID, *, missing_ok: bool = False) -> bool:
        """Remove one block; whether it was here.

        Raises NotFound("block") unless `missing_ok`. Raises Conflict if it is pinned, reached by a recursive
        pin or a named root, or being added, or while a collection runs. Walks these: it takes as long as a
        mark.
        """
        entry = await self._upkeep.run(partial(gc.remove_block, self._upkeep, cid))
        if entry is None and not missing_ok:
            raise NotFound("block", str(cid))
        return entry is not None

    # The whole store

    async def collect(self) -> Collected:
        """Remove every block that no pin or named root reaches and no session is adding, and give disk space
        back.

        Raises Conflict while a collection runs in any process, if pinned content is missing or damaged (what
        lies below it cannot be known), and after a rebuild that may have lost pins.
        """
        return await self._upkeep.run(partial(gc.collect, self._upkeep))

    async def verify(self) -> Verified:
        """Read every block and check it against its hash."""
        return await self._upkeep.run(partial(verify.verify, self._upkeep))

    async def stat(self) -> RepoStat:
        """What the store holds and what it takes on disk."""
        return await asyncio.to_thread(self._stat)

    def _stat(self) -> RepoStat:
        packs = self._index.packs()
        return RepoStat(
            blocks=self._index.count("blocks"),
            size_bytes=sum(facts.live_bytes for facts in packs.values()),
            disk_bytes=self._packs.disk_bytes() + _disk_bytes(self._layout.index / "data.mdb"),
            packs=len(packs),
            pins=self.pins.count(),
            free_disk_bytes=shutil.disk_usage(self._layout.root).free,
            path=str(self._layout.root),
        )

    @property
    def temp_folder(self) -> Path:
        """Where files go that need not outlive this process."""
        return self._layout.temp

    @property
    def pins_lost(self) -> int:
        """Not 0 after a rebuild that could not read every pin: then nothing is collected."""
        return self._index.counter(PINS_LOST)

    async def accept_lost_pins(self) -> None:
        """Allow collection again after a rebuild that may have lost pins, once somebody has looked."""
        await self._committer.change(lambda change: change.set_counter(PINS_LOST, 0))

    async def tend(self) -> None:
        """Small upkeep, to be called every minute or so: forgets dead readers and removed packs, leaves a
        pack that a collection in another process has asked for, and rewrites a ledger that has grown."""
        self._index.check_readers()
        self._packs.close_gone()
        await self._committer.alone(Writer.leave_if_asked)
        await self._upkeep.run(lambda stop: self._index.shorten_ledger())


def _disk_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512
