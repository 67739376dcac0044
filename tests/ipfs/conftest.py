"""Blocks in memory, content by recipe, and hands to build DAGs that no importer would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.importer import Node, import_file
from cidbus.actors.ipfs.unixfs.profiles import Profile
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, DAG_PB
from cidbus.schemas.errors import NotFound


class MemoryBlocks:
    """A BlockSource and BlockSink over a dict. With `slow` set nothing is at hand, as on a cold disk."""

    def __init__(self, *, slow: bool = False, keep: bool = True) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.slow, self.keep = slow, keep
        self.read: list[CID] = []
        self.stored: list[CID] = []

    def get_now(self, cid: CID) -> bytes | None:
        if self.slow:
            return None
        self.read.append(cid)
        return self.blocks.get(cid.multihash)

    async def get(self, cid: CID) -> bytes:
        self.read.append(cid)
        if cid.multihash not in self.blocks:
            raise NotFound("block", str(cid))
        return self.blocks[cid.multihash]

    async def has(self, cid: CID) -> bool:
        return cid.multihash in self.blocks

    async def put(self, cid: CID, data: bytes) -> None:
        assert isinstance(data, bytes)
        self.stored.append(cid)
        if self.keep:
            self.blocks[cid.multihash] = data

    def place(self, block: bytes, codec: int = DAG_PB) -> CID:
        """Store a block as it is, however wrong."""
        cid = CID.of(codec, block)
        self.blocks[cid.multihash] = block
        return cid

    def node(self, node: UnixFS, *links: Link) -> CID:
        """Store a UnixFS node as it is, however wrong."""
        return self.place(dagpb.encode(links, unixfs.encode(node)))

    def directory(self, *entries: tuple[str, CID], size: int = 1) -> CID:
        """Store a directory as it is, in this order, whatever its names."""
        links = [Link(cid, name, size) for name, cid in entries]
        return self.node(UnixFS(unixfs.DIRECTORY), *links)

    def forget(self, cid: CID) -> None:
        del self.blocks[cid.multihash]


@pytest.fixture(scope="session")
def new_blocks() -> type[MemoryBlocks]:
    """For property tests, which need blocks of their own for every example."""
    return MemoryBlocks


@pytest.fixture
def blocks() -> MemoryBlocks:
    return MemoryBlocks()


@pytest.fixture
def cold_blocks() -> MemoryBlocks:
    """Blocks that are never at hand: each has to be waited for."""
    return MemoryBlocks(slow=True)


@pytest.fixture
def no_blocks() -> MemoryBlocks:
    """A sink that keeps nothing, for large files."""
    return MemoryBlocks(keep=False)


@pytest.fixture(scope="session")
def hashers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def add_file(hashers: ThreadPoolExecutor) -> Callable[..., Awaitable[Node]]:
    """`await add_file(sink, data, profile, chunk_bytes=…)` imports bytes as a stream of chunks."""

    async def add(sink: MemoryBlocks, data: bytes, profile: Profile, chunk_bytes: int = 512 * 1024) -> Node:
        return await import_file(in_chunks(data, chunk_bytes), sink, profile, executor=hashers)

    return add


async def in_chunks(data: bytes, chunk_bytes: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), chunk_bytes):
        yield data[start : start + chunk_bytes]


@pytest.fixture(scope="session")
def chunked() -> Callable[[bytes, int], AsyncIterator[bytes]]:
    return in_chunks


@lru_cache(maxsize=2)
def pattern(size: int) -> bytes:
    """The bytes of the golden files: byte i is (i * 31 + 7) % 251."""
    period = bytes((i * 31 + 7) % 251 for i in range(251))
    return (period * (size // 251 + 1))[:size]


@pytest.fixture(scope="session")
def pattern_of() -> Callable[[int], bytes]:
    return pattern


async def keystream(seed: str, size: int) -> AsyncIterator[bytes]:
    """The bytes of the IPIP-499 vectors: a ChaCha20 keystream keyed by the seed's hash."""
    key = hashlib.sha256(seed.encode()).digest()
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    zeros = bytes(1 << 19)
    for start in range(0, size, len(zeros)):
        yield stream.update(zeros[: size - start])


@pytest.fixture(scope="session")
def keystream_of() -> Callable[[str, int], AsyncIterator[bytes]]:
    return keystream


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    path = Path(__file__).parent.parent / "data" / "golden_cids.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found
