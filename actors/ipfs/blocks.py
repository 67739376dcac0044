"""What the engine's halves agree on: where blocks come from and where they go.

The importer and the reader know only these protocols; `store.py` implements them over pack files.
"""

from __future__ import annotations

from typing import Protocol

from ...schemas.cid import CID


class BlockSource(Protocol):
    """Where blocks are read."""

    def get_now(self, cid: CID) -> bytes | None:
        """The block if it can be had without waiting for a disk (identity, not yet written, or in the page
        cache), else None, which says nothing about whether it exists. Raises CorruptBlock."""
        ...

    async def get(self, cid: CID) -> bytes:
        """The block, checked against its checksum. Raises NotFound(what="block") or CorruptBlock."""
        ...

    async def has(self, cid: CID) -> bool:
        """Whether the block is here (an identity CID always is)."""
        ...


class BlockSink(Protocol):
    """Where blocks are written: one add's view of the store."""

    async def put(self, cid: CID, data: bytes) -> None:
        """Take a block whose CID the caller has computed. Waits when too much is not yet on disk; the block
        can be read back at once but is durable only after the sink's commit. Raises StorageFull."""
        ...
