"""What the store asks of the file system: modes, durable names and data."""

from __future__ import annotations

import os
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def sync_data(fd: int) -> None:
    """Make what was written to a file durable."""
    # Not every system has fdatasync; fsync does more than is needed.
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: new, renamed and removed files."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, buffers: list[bytes], offset: int, *, at_once: int = 512) -> None:
    """Write buffers one after the other from `offset` on, however little each call takes."""
    for first in range(0, len(buffers), at_once):
        group = buffers[first : first + at_once]
        size = sum(map(len, group))
        written = os.pwritev(fd, group, offset)
        offset += size
        if written < size:
            rest = memoryview(b"".join(group))[written:]
            while rest:
                rest = rest[os.pwrite(fd, rest, offset - len(rest)) :]
