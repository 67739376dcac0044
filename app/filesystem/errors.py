"""Errors as the operating system would have them, with the messages of the system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cidbus.schemas import errors

__all__ = ["as_os_errors", "os_error"]

_NUMBERS: dict[type[errors.BusError], int] = {
    errors.NotFound: errno.ENOENT,
    errors.BadRequest: errno.EINVAL,
    errors.Forbidden: errno.EACCES,
    errors.TooLarge: errno.EFBIG,
    errors.NotSupported: errno.EOPNOTSUPP,
    errors.Unavailable: errno.ECONNREFUSED,
    errors.DeadlineExceeded: errno.ETIMEDOUT,
    errors.StorageFull: errno.ENOSPC,
}


@contextmanager
def as_os_errors(path: str | None = None) -> Iterator[None]:
    """Errors of the bus become those that a program which works with files expects."""
    try:
        yield
    except errors.BusError as error:
        raise os_error(error, path) from error


def os_error(error: errors.BusError, path: str | None = None) -> OSError:
    """The OSError, of the subclass that its number stands for, that says the same."""
    return OSError(_number(error), error.message, path)


def _number(error: errors.BusError) -> int:
    if isinstance(error, errors.NotAFile):
        return errno.EISDIR if error.details.get("type") == "directory" else errno.EINVAL
    if isinstance(error, errors.Conflict):
        return _in_the_way(error.details)
    return next((number for kind, number in _NUMBERS.items() if isinstance(error, kind)), errno.EIO)


def _in_the_way(facts: dict[str, Any]) -> int:
    """What a Conflict of the tree means, by the facts that it tells: of something that exists its type and
    CID, of a directory that is not empty its CID, of what is neither the file nor the directory that it
    ought to be its type. All others are about what somebody else has changed."""
    if "path" not in facts or "expected" in facts:
        return errno.EBUSY
    match facts.get("type"), facts.get("cid"):
        case str(), str():
            return errno.EEXIST
        case None, str():
            return errno.ENOTEMPTY
        case "directory", None:
            return errno.EISDIR
        case str(), None:
            return errno.ENOTDIR
        case _:
            return errno.EBUSY
