"""MOVE and COPY (RFC 4918, sections 9.8 and 9.9): an entry at the path of the `Destination` header.

What stands there is replaced, a directory with all that is in it, unless `Overwrite: F`.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ...bus import Bus
from ...schemas.errors import Conflict, Forbidden, NotFound
from ...schemas.journal import Apply, Changed, Changing, CopyEntry, MoveEntry, PathStat, StatPath
from ...schemas.rows import Request
from ...schemas.subjects import FS_APPLY, FS_CP, FS_MV, FS_STAT
from ...schemas.tree import Remove
from ..problems import PreconditionFailed
from .asked import MovePath, asked, conditions, destination, how

__all__ = ["copy", "move"]

Transfer = MoveEntry | CopyEntry


async def move(bus: Bus, request: web.Request, root: str) -> Changed:
    """Do it below `root` (the route of the tree).

    Raises BadRequest naming what is wrong, Forbidden for a destination that is the source or holds it,
    PreconditionFailed for one that must not be replaced, and what `journal.mv` raises.
    """
    return await _transfer(bus, FS_MV, await _asked(bus, request, root, MoveEntry))


async def copy(bus: Bus, request: web.Request, root: str) -> Changed:
    """Do it below `root`; raises as `move` does."""
    return await _transfer(bus, FS_CP, await _asked(bus, request, root, CopyEntry))


async def _asked(bus: Bus, request: web.Request, root: str, model: type[Transfer]) -> Transfer:
    ask = asked(MovePath, request)
    target, overwrite = destination(request, root)
    only_if = await conditions(bus, request, ask)
    only_if.pop("overwrite", None)
    fields: dict[str, Any] = {"source": ask.path, "destination": target, "overwrite": overwrite}
    change = model.from_fields(fields | {"parents": ask.parents, "exact": True, **how(ask), **only_if})
    if _holds(change.destination, change.source):
        raise Forbidden(f"Destination: {change.destination} is or holds {change.source}", field="Destination")
    return change


def _holds(path: str, other: str) -> bool:
    return other == path or other.startswith(path.rstrip("/") + "/")


async def _transfer(bus: Bus, row: Request[Any, Changed], change: Transfer) -> Changed:
    if change.overwrite:
        standing = await _standing(bus, change)
        if standing is not None and standing.type == "directory":
            return await _replace(bus, change)
    try:
        return await bus.request(row, change)
    except Conflict as error:
        if not change.overwrite and await _standing(bus, change) is not None:
            raise PreconditionFailed(error) from error
        raise


async def _standing(bus: Bus, change: Transfer) -> PathStat | None:
    try:
        return await bus.request(
            FS_STAT, StatPath(path=change.destination, transaction=change.transaction, follow=False)
        )
    except NotFound:
        return None


async def _replace(bus: Bus, change: Transfer) -> Changed:
    """Remove what is there and put the entry in its place, as one change."""
    remove = Remove(path=change.destination, recursive=True, missing_ok=True)
    transfer = change.model_dump(exclude=set(Changing.model_fields))
    ask = Apply.model_validate({"operations": [remove, transfer], **how(change)})
    changed = await bus.request(FS_APPLY, ask)
    outcome = changed.outcomes[-1].model_copy(update={"created": False})
    return changed.model_copy(update={"outcomes": [outcome]})
