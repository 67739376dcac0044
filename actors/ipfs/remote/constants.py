"""Blocks that need not be fetched from anywhere, because everybody knows them: the empty file and directory.

Software that speaks IPFS takes them for granted: Kubo has them in every repository from the start.
"""

from __future__ import annotations

from ....schemas.cid import CID, RAW
from ....schemas.errors import NotFound
from ..codecs import dagpb
from ..unixfs import unixfs
from ..unixfs.directory import DIRECTORY_DATA
from ..unixfs.unixfs import UnixFS

__all__ = ["Constants"]

_EMPTY_FILE = dagpb.encode([], unixfs.encode(UnixFS(unixfs.FILE, b"", 0)))
_EMPTY_DIRECTORY = dagpb.encode([], DIRECTORY_DATA)
_BLOCKS = {CID.of(RAW, block).multihash: block for block in (b"", _EMPTY_FILE, _EMPTY_DIRECTORY)}


class Constants:
    """A BlockFetcher of the empty file (raw and as a node) and the empty directory."""

    name = "constants"

    async def fetch(self, cid: CID) -> bytes:
        """The block; raises NotFound(what="block") for any other."""
        if cid.multihash not in _BLOCKS:
            raise NotFound("block", str(cid), tried={})
        return _BLOCKS[cid.multihash]

    async def close(self) -> None:
        """Nothing is open."""
