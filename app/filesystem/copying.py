"""Where copies go: the rules of fsspec for files, directories, patterns and trailing slashes.

https://filesystem-spec.readthedocs.io/en/latest/copying.html
"""

from __future__ import annotations

import errno
from glob import has_magic
from typing import Any, NamedTuple

from fsspec.utils import other_paths

from .kinds import Info, WriteSystem

__all__ = ["Place", "destinations", "into", "is_one_place", "new_path"]


def is_one_place(path: Any) -> bool:
    """Whether a path names one entry, and is neither a list nor a pattern."""
    return not isinstance(path, list | tuple) and not has_magic(str(path))


async def new_path(fs: WriteSystem, old: str, new: str) -> str:
    """The path that one entry gets: the new one, or below it if that is a directory (or `old` is meant as
    what is in it)."""
    target = fs._strip_protocol(new)
    if old.endswith("/") or not (new.endswith("/") or await fs._isdir(target)):
        return str(target)
    return f"{target.rstrip('/')}/{fs._strip_protocol(old).rpartition('/')[2]}"


def into(new: str | list[str], old: list[str]) -> list[str]:
    """The paths that several entries get in one directory, or those that are named for them."""
    return new if isinstance(new, list) else [f"{new.rstrip('/')}/{path.rpartition('/')[2]}" for path in old]


class Place(NamedTuple):
    """Where one entry goes."""

    old: str
    new: str
    is_directory: bool


async def destinations(
    fs: WriteSystem, old: Any, new: Any, *, recursive: bool = False, maxdepth: int | None = None
) -> list[Place]:
    """Where everything goes that `old` (a path, a pattern or a list) comprises.

    Raises FileNotFoundError if that is nothing.
    """
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(fs._strip_protocol(old), fs._strip_protocol(new), strict=True)
        return [Place(*pair, is_directory=False) for pair in pairs]
    infos = await _comprised(fs, [old] if isinstance(old, str) else old, recursive, maxdepth)
    found = sorted(infos)
    if isinstance(old, str) and (not recursive or maxdepth is not None):
        # Without `recursive`, or with a depth, files alone are meant.
        found = [path for path in found if infos[path]["type"] != "directory"]
    if not found:
        return []
    inside = isinstance(old, str) and (len(found) == 1 if has_magic(old) else await _takes_in(fs, old, new))
    places = other_paths(found, fs._strip_protocol(new), exists=inside, flatten=not isinstance(old, str))
    return [
        Place(path, place, infos[path]["type"] == "directory")
        for path, place in zip(found, places, strict=True)
    ]


async def _comprised(
    fs: WriteSystem, paths: list[str], recursive: bool, maxdepth: int | None
) -> dict[str, Info]:
    """What paths and patterns name, and with `recursive` what is below."""
    found: dict[str, Info] = {}
    for path in paths:
        is_pattern = has_magic(path)
        if is_pattern:
            tops: dict[str, Info] = await fs._glob(path, maxdepth=maxdepth, detail=True)
        else:
            name = fs._strip_protocol(path)
            tops = {name: await fs._info(name)}
        found |= tops
        # A pattern has gone one step down already.
        below = maxdepth - 1 if maxdepth is not None and is_pattern else maxdepth
        if recursive and below != 0:
            for top in tops:
                found |= await fs._find(top, maxdepth=below, withdirs=True, detail=True)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "nothing is there", ", ".join(paths))
    return found


async def _takes_in(fs: WriteSystem, old: str, new: str) -> bool:
    """Whether the destination is a directory that gets the source under its own name."""
    return not old.endswith("/") and (new.endswith("/") or await fs._isdir(new))
