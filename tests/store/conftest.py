"""A store in a folder of the test's own, content in a codec of nothing but links, and a clock to turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.cid import CID, CODECS, RAW

LINKS = CODECS["json"]
WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Block:
    cid: CID
    data: bytes


class Kit:
    """Opens stores on one folder, makes content and says the common things shortly."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_000_000.0
        self._opened: list[BlockStore] = []
        self._processes: list[subprocess.Popen[str]] = []

    # Stores

    async def open(self, **options: Any) -> BlockStore:
        store = await BlockStore.open(self.path, children=self.children, clock=lambda: self.now, **options)
        self._opened.append(store)
        return store

    async def close(self, *stores: BlockStore) -> None:
        """Close these stores, or all that are open."""
        for store in stores or list(self._opened):
            self._opened.remove(store)
            await store.close()

    async def reopen(self, **options: Any) -> BlockStore:
        await self.close()
        return await self.open(**options)

    def worker(self, *arguments: str) -> subprocess.Popen[str]:
        """Another process on the same folder; see worker.py."""
        command = [sys.executable, "-W", "error", str(WORKER), str(self.path), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        return process

    def end_workers(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    # Content

    @staticmethod
    def children(cid: CID, data: bytes) -> list[CID]:
        return [CID.parse(text) for text in json.loads(data)["links"]] if cid.codec == LINKS else []

    @staticmethod
    def leaf(content: bytes | str) -> Block:
        data = content.encode() if isinstance(content, str) else content
        return Block(CID.of(RAW, data), data)

    @staticmethod
    def node(*links: Block, salt: object = None) -> Block:
        data = json.dumps({"links": [str(link.cid) for link in links], "salt": salt}).encode()
        return Block(CID.of(LINKS, data), data)

    def chain(self, length: int, salt: object = None) -> list[Block]:
        """Blocks each of which links to the one before; the last is the root."""
        blocks = [self.leaf(f"the end {salt}")]
        while len(blocks) < length:
            blocks.append(self.node(blocks[-1]))
        return blocks

    # Short words

    @staticmethod
    async def add(store: BlockStore, *blocks: Block, pin: Block | None = None, **facts: Any) -> None:
        """Store blocks in one session, with a recursive pin on one of them if that is asked for."""
        async with store.session() as session:
            for block in blocks:
                await session.put(block.cid, block.data)
            await session.commit([] if pin is None else [PinRecord(pin.cid, **facts)])

    @staticmethod
    async def held(store: BlockStore, blocks: Iterable[Block]) -> list[bool]:
        return [await store.has(block.cid) for block in blocks]

    @staticmethod
    def place_of(store: BlockStore, block: Block) -> tuple[Path, int]:
        """The pack and the offset where a block's data lie."""
        entry = store._index.find(block.cid.multihash)
        assert entry is not None
        return store._packs.path(entry.pack), entry.offset

    def packs(self) -> list[Path]:
        return sorted((self.path / "packs").iterdir())

    @staticmethod
    def overwrite(path: Path, offset: int, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(fd, data, offset)
        finally:
            os.close(fd)


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path / "store")
    yield kit
    kit.end_workers()
    await kit.close()


@pytest.fixture
async def store(kit: Kit) -> BlockStore:
    return await kit.open()


@pytest.fixture
def kit_class() -> type[Kit]:
    return Kit
