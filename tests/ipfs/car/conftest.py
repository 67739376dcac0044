"""CAR files put together by hand, right or wrong, and a store to import them into."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import cbrrr
import pytest
from kubo_daemon import kubo  # noqa: F401

from cidbus.actors.ipfs.car.read import open_car
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.cid import CID
from cidbus.schemas.varint import encode_varint

Block = tuple[CID, bytes]


class Cars:
    """Writes CAR files without the code under test."""

    @staticmethod
    def header(*roots: CID) -> bytes:
        links = [cbrrr.CID(bytes(root)) for root in roots]
        return Cars.sized(cbrrr.encode_dag_cbor({"version": 1, "roots": links}))

    @staticmethod
    def sized(body: bytes) -> bytes:
        return encode_varint(len(body)) + body

    @staticmethod
    def section(cid: CID, data: bytes) -> bytes:
        return Cars.sized(bytes(cid) + data)

    @staticmethod
    def car(roots: Iterable[CID], blocks: Iterable[Block]) -> bytes:
        return Cars.header(*roots) + b"".join(Cars.section(*block) for block in blocks)

    @staticmethod
    def v2(
        data: bytes, *, padding: bytes = b"", index: bytes = b"", offset: int | None = None,
        size: int | None = None, index_offset: int | None = None, characteristics: bytes = bytes(16),
    ) -> bytes:  # fmt: skip
        """A version 2 around a version 1; `offset`, `size` and `index_offset` may lie."""
        begin = 51 + len(padding)
        end = (begin + len(data)) if index else 0
        numbers = (
            begin if offset is None else offset,
            len(data) if size is None else size,
            end if index_offset is None else index_offset,
        )
        head = bytes.fromhex("0aa16776657273696f6e02") + characteristics + struct.pack("<QQQ", *numbers)
        return head + padding + data + index

    @staticmethod
    async def read(car: bytes, chunk_bytes: int = 64 * 1024, **options: int) -> tuple[list[CID], list[Block]]:
        """The roots and the blocks that our reader finds."""
        opened = await open_car(Cars.chunks(car, chunk_bytes), **options)
        return opened.roots, [block async for block in opened.blocks()]

    @staticmethod
    async def chunks(car: bytes, chunk_bytes: int = 64 * 1024) -> AsyncIterator[bytes]:
        for start in range(0, len(car), chunk_bytes):
            yield car[start : start + chunk_bytes]


@pytest.fixture(scope="session")
def cars() -> type[Cars]:
    return Cars


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[BlockStore]:
    async with await BlockStore.open(tmp_path / "store", children=children) as store:
        yield store
