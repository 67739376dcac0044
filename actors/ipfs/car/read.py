"""CAR files in: a stream of bytes becomes the roots it names and the blocks it holds, each one checked.

    [pragma | header | padding |] header | section | section | … [| index]      section = length | CID | block

Both versions are read, front to back: of version 2 the data are found by their offset, and an index is
passed over, since whoever stores the blocks has a better one. What is in memory at once is a few batches of
blocks, whatever the size of the file. Sources: https://ipld.io/specs/transport/car/carv1/ and
https://ipld.io/specs/transport/car/carv2/.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from concurrent.futures import Executor
from typing import NamedTuple

from ....schemas.cid import CID, CODECS, DAG_PB, RAW, SHA2_256
from ....schemas.errors import BadRequest, InvalidContent
from ....schemas.varint import MAX_VARINT_BYTES, VarintError, read_varint
from .header import PRAGMA, V2_HEADER_BYTES, Layout, decode_roots, read_layout
from .stream import ByteStream

__all__ = ["Car", "open_car"]

MAX_HEADER_BYTES = 32 << 20
MAX_SECTION_BYTES = 8 << 20
# A length, and the longest CID: version, codec, hash and size, and a digest.
_HEAD_BYTES = 5 * MAX_VARINT_BYTES + 128

# Blocks are hashed in threads, in batches of this much, while the next ones arrive.
BATCH_BYTES = 1 << 20
BATCHES_IN_FLIGHT = 4
# What a block weighs in memory besides its data.
SECTION_OVERHEAD_BYTES = 256
# Under this size a hop to a thread and back costs more than the hashes themselves.
INLINE_BYTES = 32 * 1024

# How the CIDs of version 1 with SHA2-256 begin that nearly every block has.
_COMMON = {bytes((1, codec, SHA2_256, 32)): codec for codec in (RAW, DAG_PB, CODECS["dag-cbor"])}

Block = tuple[CID, bytes]


class Section(NamedTuple):
    """One block as it stands in the file, not yet checked; `offset` is where its section begins."""

    cid: CID
    data: bytes
    offset: int


async def open_car(
    chunks: AsyncIterable[bytes | memoryview],
    *,
    max_block_bytes: int = MAX_SECTION_BYTES,
    executor: Executor | None = None,
) -> Car:
    """The CAR that a stream holds, read as far as its roots.

    `executor` hashes (None: the event loop's own). Raises InvalidContent(field="car") for what is no CAR of
    version 1 or 2, and for a header over 32 MiB or 10,000 roots. Errors of `chunks` go on to the caller.
    """
    stream, version = ByteStream(chunks), 1
    if (await stream.peek(len(PRAGMA)))[: len(PRAGMA)] == PRAGMA:
        stream.pass_over(len(PRAGMA))
        layout = read_layout(await stream.take(V2_HEADER_BYTES, "the header of version 2"))
        stream, version = ByteStream(_payload(stream, layout), offset=layout.data_offset), 2
    size = await _length(stream, "the header", MAX_HEADER_BYTES)
    roots = decode_roots(await stream.take(size, "the header"))
    return Car(version, roots, stream, max_block_bytes, executor)


class Car:
    """An open CAR: `version` is 1 or 2, `roots` what it is about, in the order of its header. Neither do the
    roots have to be among the blocks, nor what they link to."""

    def __init__(
        self,
        version: int,
        roots: list[CID],
        stream: ByteStream,
        max_block_bytes: int,
        executor: Executor | None,
    ) -> None:
        self.version = version
        self.roots = roots
        self._stream = stream
        self._max_block_bytes = max_block_bytes
        self._executor = executor

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """The blocks in their order, repeats and all, each matching its CID. To be gone through once.

        Raises InvalidContent(field="car") naming the byte where the file is broken or cut short, or the block
        that does not match its CID or is over `max_block_bytes`.
        """
        in_flight: deque[asyncio.Future[list[Block]]] = deque()
        try:
            async for batch in self._batches():
                in_flight.append(self._check(batch))
                if len(in_flight) == BATCHES_IN_FLIGHT:
                    for block in await in_flight.popleft():
                        yield block
            while in_flight:
                for block in await in_flight.popleft():
                    yield block
        finally:
            for future in in_flight:
                future.cancel()

    def _check(self, batch: list[Section]) -> asyncio.Future[list[Block]]:
        loop = asyncio.get_running_loop()
        if sum(len(section.data) for section in batch) > INLINE_BYTES:
            return loop.run_in_executor(self._executor, _checked, batch)
        done: asyncio.Future[list[Block]] = loop.create_future()
        done.set_result(_checked(batch))
        return done

    async def _batches(self) -> AsyncIterator[list[Section]]:
        """The sections, gathered for one trip to a thread."""
        batch: list[Section] = []
        size = 0
        async for section in self._sections():
            batch.append(section)
            size += len(section.data) + SECTION_OVERHEAD_BYTES
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _sections(self) -> AsyncIterator[Section]:
        stream = self._stream
        while head := await stream.peek(_HEAD_BYTES):
            start = stream.offset
            size, at = _read_length(head, start, "the section", MAX_SECTION_BYTES)
            if size == 0:
                await _pass_padding(stream)
                return
            cid, end = _read_cid(head, at, at + size, start)
            data_bytes = at + size - end
            if data_bytes > self._max_block_bytes:
                raise InvalidContent(
                    "car", f"the block at byte {start} has {data_bytes} bytes", cid=str(cid),
                    limit=self._max_block_bytes,
                )  # fmt: skip
            stream.pass_over(end)
            yield Section(cid, await stream.take(data_bytes, cid), start)


def _checked(batch: list[Section]) -> list[Block]:
    """The blocks of a batch, every one of them what its CID says; runs in a thread."""
    for cid, data, offset in batch:
        if not cid.matches(data):
            raise InvalidContent("car", f"the block at byte {offset} does not match its CID", cid=str(cid))
    return [(cid, data) for cid, data, _ in batch]


async def _payload(stream: ByteStream, layout: Layout) -> AsyncIterator[memoryview]:
    """The version 1 inside a version 2; the rest of the file is read, too, and dropped."""
    if not await stream.skip(layout.data_offset - stream.offset):
        raise _outside(stream, f"the data begin at byte {layout.data_offset}")
    async for piece in stream.pass_on(layout.data_bytes):
        yield piece
    if stream.offset < layout.data_end:
        raise _outside(stream, f"the data end at byte {layout.data_end}")
    await stream.skip_all()
    if layout.index_offset and stream.offset <= layout.index_offset:
        raise _outside(stream, f"the index begins at byte {layout.index_offset}")


async def _pass_padding(stream: ByteStream) -> None:
    """A section of no length ends the file: zeros pad it, to the size of a disk block or of a piece."""
    while view := await stream.peek(1):
        if bytes(view).strip(b"\0"):
            raise InvalidContent(
                "car", f"more than zeros after the section of no length at byte {stream.offset}"
            )
        stream.pass_over(len(view))


async def _length(stream: ByteStream, what: str, limit: int) -> int:
    size, end = _read_length(await stream.peek(MAX_VARINT_BYTES), stream.offset, what, limit)
    stream.pass_over(end)
    return size


def _read_length(head: memoryview, offset: int, what: str, limit: int) -> tuple[int, int]:
    """The length at the head of a section that begins at `offset`, and where it ends in `head`."""
    try:
        size, end = read_varint(head, 0)
    except VarintError as error:
        raise InvalidContent("car", f"the length of {what} at byte {offset}: {error}") from None
    if size > limit:
        raise InvalidContent("car", f"{what} at byte {offset} is said to have {size} bytes", limit=limit)
    return size, end


def _read_cid(head: memoryview, at: int, stop: int, start: int) -> tuple[CID, int]:
    """The CID of a section, and where it ends. `head` has the section up to `stop`, as far as that is there;
    in the file the section begins at byte `start`."""
    codec = _COMMON.get(bytes(head[at : at + 4]))
    if codec is not None and at + 36 <= min(stop, len(head)):
        return CID(1, codec, bytes(head[at + 2 : at + 36])), at + 36
    try:
        return CID.read(head[:stop], at)
    except BadRequest as error:
        if len(head) < min(stop, _HEAD_BYTES):
            problem = f"cut short at byte {start + len(head)}: inside the CID of a section"
        else:
            problem = f"the section at byte {start} does not begin with a CID: {error.problem}"
        raise InvalidContent("car", problem) from None


def _outside(stream: ByteStream, claim: str) -> InvalidContent:
    return InvalidContent("car", f"cut short at byte {stream.offset}: {claim}")
