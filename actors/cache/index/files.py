"""How the index writes: every durable step goes through here, so that a test can end the process at each.

An acknowledged change has been handed to the kernel, which keeps it when the process is killed. Files of runs
and manifests are synced to the disk before anything names them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash

from ....schemas.errors import StorageFull
from ...disk import sync_folder

__all__ = [
    "checksum",
    "fill",
    "file_checksum",
    "replace",
    "step",
    "sync_file",
    "telling_full",
    "view_of",
    "write_all",
]

# Called before each durable step with its name; tests count these.
on_step: Callable[[str], None] | None = None


def step(name: str) -> None:
    """A durable step of this name is about to be made."""
    if on_step is not None:
        on_step(name)


@contextmanager
def telling_full() -> Iterator[None]:
    """A disk that is full, or all of a quota used, is StorageFull to the caller."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the index's disk is full") from error
        raise


def write_all(fd: int, data: bytes | bytearray | memoryview, at: int | None = None) -> None:
    """Write all of it, at the end of what was written or at an offset."""
    step("write")
    rest = memoryview(data).cast("B")
    while rest:
        done = os.write(fd, rest) if at is None else os.pwrite(fd, rest, at)
        rest = rest[done:]
        at = None if at is None else at + done


def fill(path: Path, data: bytes) -> None:
    """Put a whole file in place of the one of that name, synced; readers see the old or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    except OSError:
        temporary.unlink()
        raise
    finally:
        os.close(fd)
    replace(temporary, path)


def replace(old: Path, new: Path) -> None:
    """Rename, and make the name durable."""
    step("rename")
    old.replace(new)
    sync_folder(new.parent)


def sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def view_of(array: Any) -> memoryview:
    """The memory of an array; numpy's arrays are buffers, which their types do not say."""
    return memoryview(array)


def checksum(data: bytes | bytearray | memoryview) -> int:
    """The 64-bit checksum that every file of the index uses."""
    return xxhash.xxh3_64_intdigest(data)


def file_checksum(path: Path) -> tuple[int, int]:
    """Size in bytes and checksum of a whole file."""
    total, size = xxhash.xxh3_64(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            total.update(piece)
            size += len(piece)
    return size, total.intdigest()
