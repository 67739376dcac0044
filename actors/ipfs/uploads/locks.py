"""One append at a time for each upload, over all processes of a store: locked files that the kernel frees."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ....schemas.errors import Conflict
from ..store.disk import FOLDER_MODE
from ..store.locks import FileLock

__all__ = ["UploadLocks"]


class UploadLocks:
    """The lock files of running appends; `folder` has none but theirs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        self._sweep_up()

    def _sweep_up(self) -> None:
        """Remove the files that killed processes left."""
        for path in self._folder.glob("*.lock"):
            if (lock := self._try(path.stem)) is not None:
                _free(lock)

    @contextlib.contextmanager
    def alone(self, upload_id: str) -> Iterator[None]:
        """Nobody else holds this upload inside; raises Conflict(locked=True) if somebody does."""
        lock = self._try(upload_id)
        if lock is None:
            raise Conflict("another append to this upload is running", id=upload_id, locked=True)
        try:
            yield
        finally:
            _free(lock)

    def _try(self, upload_id: str) -> FileLock | None:
        while True:
            lock = FileLock(self._folder / f"{upload_id}.lock")
            if not lock.try_alone():
                lock.close()
                return None
            # Its last holder may have removed the file after it was opened here: then it locks nothing.
            if os.fstat(lock.fd).st_nlink:
                return lock
            lock.close()


def _free(lock: FileLock) -> None:
    lock.path.unlink(missing_ok=True)
    lock.close()
