"""CAR files out: a DAG, an entity or a block as one stream of version 1, depth first.

    header(root) | blocks of the path to the root | root | what is below it, as the scope says

Follows https://specs.ipfs.tech/http-gateways/trustless-gateway/: a missing block ends the stream with an
error, so that nobody takes what was sent for the whole; blocks that identity CIDs carry are not sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

from ....schemas.cid import CID, RAW
from ....schemas.dag import Scope
from ....schemas.errors import TooLarge
from ....schemas.varint import encode_varint
from ..blocks import BlockSource
from ..codecs.walk import children
from ..store.diskset import DiskSet
from ..unixfs.reader import Ahead, load
from .entity import EntityBytes, entity_blocks
from .header import encode_header

__all__ = ["write_blocks", "write_car"]

# Small blocks are joined up to this size; blocks from it on are passed on without a copy.
PIECE_BYTES = 256 * 1024
# How many links a walk may have still before it: some 80 MB of them.
MAX_WAITING = 500_000
# The set of blocks already sent goes to disk this many at a time, a few milliseconds of work.
MEMORY_KEYS = 16_384

Block = tuple[CID, bytes]
IsNew = Callable[[CID], bool]


async def write_car(
    source: BlockSource,
    root: CID,
    *,
    path_blocks: Iterable[CID] = (),
    scope: Scope = "all",
    entity_bytes: EntityBytes | None = None,
    dups: bool = False,
    temp_folder: Path | None = None,
) -> AsyncGenerator[bytes, None]:
    """The CAR, in pieces of a few hundred KiB or one block, always the same for the same arguments.

    `path_blocks` are those that lead to the root, as a `Trail` notes them. `entity_bytes` makes the scope an
    entity. With `dups` a block is written each time the walk comes by it, else once: that takes a set of
    CIDs, which goes to a file in `temp_folder` (None: the system's) when it grows. Nothing is yielded before
    the root has been read. Raises what `source` raises, InvalidContent and NotSupported for blocks whose
    links cannot be read, TooLarge where a walk has over 500,000 links waiting.
    """
    async with aclosing(_blocks(source, root, path_blocks, scope, entity_bytes, dups, temp_folder)) as blocks:
        async for piece in write_blocks([root], blocks):
            yield piece


async def write_blocks(roots: Sequence[CID], blocks: AsyncIterator[Block]) -> AsyncIterator[bytes]:
    """A CAR of these roots and blocks: small sections joined, the blocks of large ones as they are."""
    out, size = [encode_header(roots)], 0
    async for cid, block in blocks:
        if cid.is_identity:
            continue
        name = bytes(cid)
        out.append(encode_varint(len(name) + len(block)) + name)
        if len(block) >= PIECE_BYTES:
            yield b"".join(out)
            yield block
            out, size = [], 0
            continue
        out.append(block)
        size += len(name) + len(block)
        if size >= PIECE_BYTES:
            yield b"".join(out)
            out, size = [], 0
    if out:
        yield b"".join(out)


async def _blocks(
    source: BlockSource, root: CID, path_blocks: Iterable[CID], scope: Scope,
    entity_bytes: EntityBytes | None, dups: bool, temp_folder: Path | None,
) -> AsyncGenerator[Block, None]:  # fmt: skip
    """What the CAR holds, in order, with the blocks of identity CIDs."""
    block = await load(source, root)
    for cid in path_blocks:
        yield cid, await load(source, cid)
    yield root, block
    with _admission(dups, temp_folder) as is_new:
        is_new(root)
        if entity_bytes is not None or scope == "entity":
            async with aclosing(entity_blocks(source, root, block, entity_bytes)) as below:
                async for cid, block in below:
                    if is_new(cid):
                        yield cid, block
        elif scope == "all":
            async with aclosing(_everything(source, root, block, is_new)) as below:
                async for pair in below:
                    yield pair


@contextmanager
def _admission(dups: bool, folder: Path | None) -> Iterator[IsNew]:
    """Which blocks a walk has not been at yet; with `dups` all of them.

    Told apart by their whole CIDs: the same bytes under another codec have other links, and whoever looks a
    block up by another CID would not find it.
    """
    if dups:
        yield lambda cid: True
        return
    with DiskSet(folder or Path(tempfile.gettempdir()), memory_keys=MEMORY_KEYS) as seen:
        yield lambda cid: seen.add(bytes(cid))


async def _everything(
    source: BlockSource, root: CID, block: bytes, is_new: IsNew
) -> AsyncGenerator[Block, None]:
    """The blocks below a root that the walk is to be at, depth first."""
    ahead = Ahead(source)
    waiting = children(root, block)[::-1]
    try:
        while waiting:
            cid = waiting.pop()
            if not is_new(cid):
                continue
            block = await ahead.load(cid, reversed(waiting))
            yield cid, block
            if cid.codec != RAW:
                waiting += reversed(children(cid, block))
                if len(waiting) > MAX_WAITING:
                    raise TooLarge("dag", limit=MAX_WAITING, unit="links that wait to be followed")
    finally:
        ahead.close()
