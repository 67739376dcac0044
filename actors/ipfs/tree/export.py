"""A tree as a CAR; or only what an earlier state of it had not, going down both together.

since ─┐
root ──┴─ pair blocks by name and place ──> what differs ──> CAR
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import zip_longest
from pathlib import Path

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import NotFound, TooLarge
from ..blocks import BlockSource
from ..car.write import write_blocks, write_car
from ..codecs import dagpb
from ..codecs.walk import children
from ..store.diskset import DiskSet
from ..unixfs.reader import Ahead, load

__all__ = ["export_tree"]

MAX_WAITING = 500_000
MEMORY_KEYS = 16_384

# A block, and the one at its place in the earlier tree, if that had one.
Pair = tuple[CID, CID | None]


async def export_tree(
    source: BlockSource, root: CID, since: CID | None = None, *, temp_folder: Path
) -> AsyncGenerator[bytes, None]:
    """The CAR in pieces; nothing is yielded before the root has been read.

    With `since` a block that this tree has at the same place is left out with all below it, so whoever has
    that tree whole has this one whole with the CAR. Raises as `write_car` does.
    """
    if since is None:
        pieces = write_car(source, root, temp_folder=temp_folder)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
        return
    await load(source, root)
    async with aclosing(_new_blocks(source, root, since, temp_folder)) as blocks:
        async for piece in write_blocks([root], blocks):
            yield piece


async def _new_blocks(
    source: BlockSource, root: CID, since: CID, temp_folder: Path
) -> AsyncGenerator[tuple[CID, bytes], None]:
    """Depth first; each block once."""
    waiting: list[Pair] = [(root, since)]
    ahead = Ahead(source)
    with DiskSet(temp_folder, memory_keys=MEMORY_KEYS) as seen:
        try:
            while waiting:
                cid, old = waiting.pop()
                if cid == old or not seen.add(bytes(cid)):
                    continue
                block = await ahead.load(cid, (later for later, _ in reversed(waiting)))
                yield cid, block
                if cid.codec != RAW:
                    waiting += reversed(list(await _below(source, cid, block, old)))
                    if len(waiting) > MAX_WAITING:
                        raise TooLarge("dag", limit=MAX_WAITING, unit="links that wait to be followed")
        finally:
            ahead.close()


async def _below(source: BlockSource, cid: CID, block: bytes, old: CID | None) -> Iterator[Pair]:
    """What a block links to, without what the old one links to as well, each with the link of the old one
    that it may be a later state of: the one of its name, or in a file of its place."""
    if old is None or old.codec != DAG_PB or cid.codec != DAG_PB:
        return ((link, None) for link in children(cid, block))
    try:
        before = list(dagpb.read(await load(source, old), old)[0])
    except NotFound:
        return ((link, None) for link in children(cid, block))
    links = list(dagpb.read(block, cid)[0])
    kept = {link.cid for link in before}
    if any(link.name for link in links):
        named = {link.name: link.cid for link in before}
        pairs = ((link.cid, named.get(link.name)) for link in links)
    else:
        pairs = ((new.cid, was and was.cid) for new, was in zip_longest(links, before[: len(links)]))
    return ((new, was) for new, was in pairs if new not in kept)
