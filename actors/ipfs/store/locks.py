"""Locks that end with their holder: `flock` on small files, released by the kernel even after kill -9."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from .disk import FILE_MODE


class FileLock:
    """One open file that may be locked, shared or for one holder; closing it gives the lock back.

    The lock belongs to the open file, so two locks in one process exclude each other like two processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def try_alone(self) -> bool:
        """Take the lock for this holder only; False if anybody else has it."""
        return try_alone(self.fd)

    def share(self) -> None:
        """Take the lock with others, waiting while one holder has it alone. Blocks: not for an event loop."""
        fcntl.flock(self.fd, fcntl.LOCK_SH)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Owner:
    """An open store's sign of life: a locked file `<id>.lock` whose lock is gone when the process is.

    `id` is eight random bytes; the sessions of the store carry it.
    """

    def __init__(self, folder: Path) -> None:
        while True:
            self.id = secrets.token_bytes(8)
            self._lock = FileLock(folder / f"{self.id.hex()}.lock")
            # A collector may have taken the file for a dead owner's before it was locked.
            if self._lock.try_alone() and os.fstat(self._lock.fd).st_nlink:
                return
            self._lock.close()

    def close(self) -> None:
        self._lock.path.unlink(missing_ok=True)
        self._lock.close()


def is_dead(folder: Path, owner_id: bytes) -> bool:
    """Whether the owner of a session has ended without saying so."""
    try:
        fd = os.open(folder / f"{owner_id.hex()}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return try_alone(fd)
    finally:
        os.close(fd)


def bury_dead(folder: Path) -> None:
    """Remove the lock files of owners that have ended."""
    for path in folder.glob("*.lock"):
        if is_dead(folder, bytes.fromhex(path.stem)):
            path.unlink(missing_ok=True)


def try_alone(fd: int) -> bool:
    """Lock an open file for this holder only; False if anybody else has a lock on it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
