"""Who acts: one folder per actor, and the list of those there are."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..schemas.errors import BadRequest

if TYPE_CHECKING:
    from ..bus import Actor

__all__ = ["IMPLEMENTED", "make_actor"]

# Actor → where its class is; the class has `open(folder)`. Imported only by the process that hosts it.
_CLASSES = {
    "ipfs": ".ipfs.actor:IpfsActor",
    "cache": ".cache.actor:CacheActor",
    "journal": ".journal.actor:JournalActor",
    "media": ".media.actor:MediaActor",
}

IMPLEMENTED = tuple(_CLASSES)


def make_actor(name: str, folder: Path) -> Actor:
    """The actor of this name with what it owns below `folder`; raises BadRequest if there is none."""
    if name not in _CLASSES:
        raise BadRequest("actor", f"{name!r} is not one of {', '.join(_CLASSES)}")
    module, _, attribute = _CLASSES[name].partition(":")
    actor: Actor = getattr(import_module(module, __package__), attribute).open(folder)
    return actor
