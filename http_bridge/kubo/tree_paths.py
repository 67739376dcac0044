"""Paths of the file tree as Kubo's clients write them, and what is said of those that lead nowhere."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from ...schemas.errors import BusError, Conflict, NotAFile, NotFound
from ...schemas.journal import PathStat, StatPath
from ...schemas.subjects import FS_STAT
from .command import Call
from .errors import Failed

__all__ = [
    "MISSING",
    "entry_at",
    "in_tree_words",
    "is_content_path",
    "names_a_folder",
    "present_entry_at",
    "tree_path",
]

MISSING = "file does not exist"
# What begins so is content by its CID or by its name, and not an entry of the tree.
CONTENT_PREFIXES = ("/ipfs/", "/ipns/", "ipfs://", "ipns://")


def is_content_path(text: str) -> bool:
    return text.startswith(CONTENT_PREFIXES)


def tree_path(text: str) -> str:
    """The path without `.`, `..` or doubled slashes; raises Failed unless it begins with one."""
    if not text:
        raise Failed("paths must not be empty")
    if not text.startswith("/"):
        raise Failed("paths must start with a leading slash")
    return "/" + posixpath.normpath(text).lstrip("/")


def names_a_folder(text: str) -> bool:
    """Whether a path says that it is a directory, into which something goes."""
    return text.endswith("/")


async def present_entry_at(call: Call, path: str, prefix: str = "") -> PathStat:
    """What stands at a path of the tree; raises Failed, with `prefix` before its words, if nothing does."""
    with in_tree_words(path, prefix):
        return await call.bus.request(FS_STAT, StatPath(path=path))


async def entry_at(call: Call, path: str) -> PathStat | None:
    """What stands at a path of the tree, if anything does."""
    try:
        return await call.bus.request(FS_STAT, StatPath(path=path))
    except NotFound:
        return None
    except Conflict as error:
        if _file_above(path, error) is None:
            raise
        return None


@contextmanager
def in_tree_words(
    path: str, prefix: str = "", *, standing: str | None = None, placing: bool = False
) -> Iterator[None]:
    """Within it, what is the matter with a path of the tree is told in Kubo's words, `prefix` before them.

    `standing` are those for an entry that stands at the path and is in the way. With `placing` something is
    to stand there, and is not only looked for.
    """
    try:
        yield
    except NotFound as error:
        if error.details.get("what") == "block":
            raise
        raise Failed(prefix + MISSING) from error
    except (Conflict, NotAFile) as error:
        above = _file_above(path, error)
        if above is not None:
            raise Failed(prefix + (_no_folder(above) if placing else _no_access(path, above))) from error
        if standing is not None and _is_about(path, error):
            raise Failed(prefix + standing) from error
        raise


def _file_above(path: str, error: BusError) -> str | None:
    """The path of what is no directory but would have to be one, if that is the matter."""
    at = error.details.get("path")
    is_above = isinstance(at, str) and "type" in error.details and path.startswith(f"{at}/")
    return at if is_above else None


def _is_about(path: str, error: BusError) -> bool:
    return isinstance(error, NotAFile) or ("type" in error.details and error.details.get("path") == path)


def _no_folder(file: str) -> str:
    return f"{file}/ is not a directory"


def _no_access(path: str, file: str) -> str:
    below = path[1 : len(file) + 1] + path[len(file) + 1 :].partition("/")[0]
    return f"cannot access {below}: Not a directory"
