"""The CIDs that local files and links would get, computed here with the code that stores them."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path

from cidbus.actors.ipfs.unixfs.importer import Node, import_bytes, import_file
from cidbus.actors.ipfs.unixfs.profiles import DEFAULT_PROFILE
from cidbus.actors.ipfs.unixfs.unixfs import symlink_block
from cidbus.client.files import pieces_of, pulled
from cidbus.schemas.cid import CID

__all__ = ["cid_of_file", "cid_of_link"]

# Read and hashed in one go: under the first size here, as a trip to a thread costs more, else in a thread.
TINY_BYTES = 128 * 1024
SMALL_BYTES = 4 * 1024 * 1024


async def cid_of_file(path: Path, size_bytes: int) -> str:
    """The CID of a file as it is read now; raises OSError if it cannot be."""
    if size_bytes <= TINY_BYTES:
        node = _small(path)
    elif size_bytes <= SMALL_BYTES:
        node = await asyncio.to_thread(_small, path)
    else:
        node = await import_file(pulled(pieces_of(path)), _Nowhere(), DEFAULT_PROFILE)
    return str(node.cid)


def _small(path: Path) -> Node:
    node, _ = import_bytes(path.read_bytes(), DEFAULT_PROFILE)
    return node


@lru_cache(maxsize=1024)
def cid_of_link(target: str) -> str:
    return str(DEFAULT_PROFILE.node_cid(symlink_block(target.encode("utf-8", "surrogateescape"))))


class _Nowhere:
    """Takes blocks whose CID is all that is wanted."""

    async def put(self, cid: CID, data: bytes) -> None:
        return
