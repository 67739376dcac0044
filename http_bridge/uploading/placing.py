"""A finished upload takes its place in the file tree, if the client has given it one.

Such content is not pinned: until it is in the tree the upload's own named root keeps it, which is let go once
the journal has placed the content. So whether there is that root says whether the place is still due.
"""

from __future__ import annotations

from ...bus import Bus
from ...schemas.errors import BadRequest
from ...schemas.journal import PutContent
from ...schemas.paths import check_tree_path
from ...schemas.subjects import FS_PUT, ROOTS, ROOTS_RM
from ...schemas.tree import RootList, RootsRemove, UploadState
from .headers import metadata

__all__ = ["check_place", "place", "place_of"]


def check_place(path: str) -> str:
    """The path in its usual form; raises BadRequest if nothing can be there."""
    try:
        checked = check_tree_path(path)
    except ValueError as error:
        raise BadRequest("path", str(error)) from None
    if checked == "/":
        raise BadRequest("path", "the root is a directory: name a file in it")
    return checked


def place_of(state: UploadState) -> str | None:
    """The place that an upload's metadata give it, None if they say nothing of one."""
    try:
        path = metadata(state.metadata).get("path")
        return None if path is None else check_place(path)
    except BadRequest:
        return None  # not metadata as tus has them: the upload came in another way


async def place(bus: Bus, state: UploadState, path: str) -> None:
    """Put a complete upload where it belongs, unless that is done. Raises what `journal.put` raises."""
    root = f"upload/{state.id}"
    if state.cid is not None and await _is_due(bus, root):
        await bus.request(FS_PUT, PutContent(path=path, cid=state.cid, parents=True))
        await bus.request(ROOTS_RM, RootsRemove(names=[root]))


async def _is_due(bus: Bus, root: str) -> bool:
    async for found in bus.items(ROOTS, RootList(prefix=root)):
        return found.name == root
    return False
