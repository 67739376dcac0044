"""Names and paths: what an entry may be called, and how a path is taken apart.

Names in stored directories come from anybody. What is made here follows `check_name`; what is read is shown
as it is, but `is_safe_name` decides whether it may become a file on somebody's disk.
"""

from __future__ import annotations

from ....schemas.errors import BadRequest

__all__ = ["check_name", "is_safe_name", "split_new_path", "split_path"]

MAX_NAME_BYTES = 255
MAX_PATH_DEPTH = 64
MAX_LOOKUP_DEPTH = 256


def is_safe_name(name: str) -> bool:
    """Whether a name stays inside its directory on any file system of today."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def check_name(name: str, field: str = "path") -> None:
    """Raises BadRequest naming `field` unless the name may be given to a new entry: one to 255 bytes of
    UTF-8 that are not `.` or `..` and hold no `/` and no NUL."""
    if not is_safe_name(name):
        raise BadRequest(field, f"{name!r} is not a file name")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadRequest(field, f"{name!r} is not UTF-8") from None
    if size > MAX_NAME_BYTES:
        raise BadRequest(field, f"a name of {size} bytes", limit=MAX_NAME_BYTES)


def split_new_path(path: str, field: str = "path") -> list[str]:
    """The names of a path that is to be made, each checked; raises BadRequest naming `field`."""
    names = path.split("/", MAX_PATH_DEPTH)
    if len(names) > MAX_PATH_DEPTH:
        raise BadRequest(field, f"more than {MAX_PATH_DEPTH} directories deep", limit=MAX_PATH_DEPTH)
    for name in names:
        check_name(name, field)
    return names


def split_path(path: str, field: str = "path") -> list[str]:
    """The names of a path to look up: empty ones are skipped, `.` and `..` are refused with BadRequest."""
    names = [name for name in path.split("/") if name]
    if len(names) > MAX_LOOKUP_DEPTH:
        raise BadRequest(field, f"more than {MAX_LOOKUP_DEPTH} names", limit=MAX_LOOKUP_DEPTH)
    if "." in names or ".." in names:
        raise BadRequest(field, "`.` and `..` name nothing here")
    return names
