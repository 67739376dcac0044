"""Walking DAGs: which blocks a pin or a named root reaches, however deep, wide or shared they are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ....schemas.cid import CID, RAW
from ....schemas.errors import BusError
from .diskset import DiskSet

Children = Callable[[CID, bytes], Iterable[CID]]


class Reader(Protocol):
    """Where a walk in a thread of its own finds blocks."""

    def read(self, cid: CID) -> bytes:
        """The block, checked; may wait for the disk. Raises NotFound(what="block") or CorruptBlock."""
        ...

    def check(self, cid: CID) -> None:
        """Raises NotFound(what="block") if the block is not here."""
        ...


class Stopped(Exception):
    """Nobody waits for the walk any more."""


class Reach:
    """Marks what roots reach. Runs in a worker thread until `stop` is set, then raises Stopped.

    `seen` holds the multihash of every block reached; for blocks that may have links it also holds their CID,
    because what a block links to depends on its codec.
    """

    def __init__(self, blocks: Reader, children: Children, seen: DiskSet, stop: threading.Event) -> None:
        self._blocks = blocks
        self._children = children
        self._seen = seen
        self._stop = stop

    def mark(self, cid: CID) -> bool:
        """Mark one block, nothing below it; False if it was marked."""
        return self._seen.add(cid.multihash)

    def walk(self, root: CID) -> Iterator[CID]:
        """Mark everything from `root` down that is not marked yet, and tell each block once.

        Raises NotFound("block", …) for the first block that is missing, CorruptBlock, and what reading the
        links of a block raises.
        """
        waiting = [root]
        while waiting:
            if self._stop.is_set():
                raise Stopped
            cid = waiting.pop()
            if not self.enter(cid):
                continue
            yield cid
            if cid.codec != RAW:
                waiting += reversed(self.links(cid))

    def walk_what_is_here(self, root: CID) -> None:
        """Mark everything from `root` down that is here, and pass by what is missing or cannot be read.

        A block whose links could not be read is marked, but a later `walk` goes there again.
        """
        waiting = [root]
        while waiting:
            if self._stop.is_set():
                raise Stopped
            cid = waiting.pop()
            self.mark(cid)
            if cid.codec != RAW and (name := bytes(cid.to_v1())) not in self._seen:
                with contextlib.suppress(BusError):
                    waiting += reversed(self.links(cid))
                    self._seen.add(name)

    def links(self, cid: CID) -> list[CID]:
        """What a block links to, in its own order."""
        return list(self._children(cid, self._blocks.read(cid)))

    def enter(self, cid: CID) -> bool:
        """Mark a block; False if a walk has been here under the same codec."""
        new = self.mark(cid)
        if cid.codec == RAW:
            if new:
                self._blocks.check(cid)
            return new
        return self._seen.add(bytes(cid.to_v1()))
