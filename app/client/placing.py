"""Large content on its way into the file tree: past the journal, to where blocks are, and then placed.

client.ipfs.add(source, keep=…)  ->  client.journal.put(path, cid, release=…)

Between the two the content is kept under a name that expires, so that nothing collects it and nothing of it
stays if it is never placed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cidbus.schemas.errors import NotAFile, NotFound
from cidbus.schemas.keeping import KEPT_S, new_keep

from .upload import Progress, Source

if TYPE_CHECKING:
    from cidbus.schemas.ipfs import Added
    from cidbus.schemas.journal import Changed, PathStat

    from .client import Client

__all__ = ["place", "store", "write_at"]


async def store(
    client: Client, source: Source, keep: str, *, progress: Progress | None = None, **fields: Any
) -> Added:
    """Store what `source` holds, hidden entries of a directory too, and keep it for `KEPT_S` seconds."""
    return await client.ipfs.add(
        source, pin=False, keep=keep, keep_s=KEPT_S, hidden=True, progress=progress, **fields
    )


async def place(
    client: Client, source: Source, path: str, *, progress: Progress | None = None, **put: Any
) -> Changed:
    """Store what `source` holds and place it at a path; nothing is seen of it before.

    `put` has further fields of `journal.put`. Raises what that and `ipfs.add` raise.
    """
    keep = new_keep()
    added = await store(client, source, keep, progress=progress)
    return await client.journal.put(path, added.cid, release=keep, **put)


async def write_at(
    client: Client,
    source: Source,
    path: str,
    *,
    offset: int = 0,
    append: bool = False,
    truncate: bool = False,
    parents: bool = False,
    transaction: str | None = None,
    progress: Progress | None = None,
) -> Changed:
    """Write what `source` holds into a file, from `offset` or from its end; one that is missing is made.

    Raises Conflict if the file was changed meanwhile, NotAFile for what is none, and what `ipfs.file.write`
    and `journal.put` raise.
    """
    before = await _file_at(client, path, transaction)
    keep = new_keep()
    cid = None if before is None else before.cid
    written = await client.ipfs.file_write(
        source, cid=cid, offset=None if append else offset, truncate=truncate, keep=keep, keep_s=KEPT_S,
        progress=progress,
    )  # fmt: skip
    return await client.journal.put(
        path, written.cid, parents=parents, overwrite=before is not None, if_cid=cid, release=keep,
        transaction=transaction,
    )  # fmt: skip


async def _file_at(client: Client, path: str, transaction: str | None) -> PathStat | None:
    try:
        found = await client.journal.stat(path=path, transaction=transaction)
    except NotFound:
        return None
    if found.type != "file":
        raise NotAFile(found.cid, found.type)
    return found
