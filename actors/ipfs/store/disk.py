"""What the store asks of the file system: modes and durable data."""

from __future__ import annotations

import os

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def sync_data(fd: int) -> None:
    """Make what was written to a file durable."""
    # Not every system has fdatasync; fsync does more than is needed.
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(fd)


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
