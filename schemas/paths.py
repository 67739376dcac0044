"""Paths of a file tree: absolute, `/` between the names, nothing that could lead out."""

from __future__ import annotations

__all__ = ["MAX_NAME_BYTES", "MAX_PATH_BYTES", "MAX_PATH_DEPTH", "check_tree_path", "names_of"]

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4096
MAX_PATH_DEPTH = 256


def check_tree_path(path: str) -> str:
    """The path with one `/` before each name and none at the end; raises ValueError saying what is wrong."""
    if not path.startswith("/"):
        raise ValueError("a path begins with /")
    names = [name for name in path.split("/") if name]
    if len(names) > MAX_PATH_DEPTH:
        raise ValueError(f"more than {MAX_PATH_DEPTH} directories deep")
    for name in names:
        _check_name(name)
    whole = "/" + "/".join(names)
    if len(whole.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"more than {MAX_PATH_BYTES} bytes")
    return whole


def names_of(path: str) -> list[str]:
    """The names of a checked path; the root has none."""
    return path[1:].split("/") if len(path) > 1 else []


def _check_name(name: str) -> None:
    if name in (".", ".."):
        raise ValueError(f"{name!r} names nothing in a tree")
    if "\0" in name:
        raise ValueError("a name has no NUL")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} is not UTF-8") from None
    if size > MAX_NAME_BYTES:
        raise ValueError(f"a name of {size} bytes, over the limit of {MAX_NAME_BYTES}")
