"""The archive's folder: whose it is, and which process writes it.

archive.json     says that the folder is an archive, and of which format
lock             held by the process that writes; its text is that process's instance
journals/        entries, see `segments.py`
checkpoints/     trees, see `checkpoints.py`
temp/            files in the making
damaged-<time>/  what was found damaged and set aside
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

import orjson

from ....schemas.errors import BadRequest, Conflict, StorageFull
from ....schemas.journaling import Checkpoint
from .checkpoints import Checkpoints
from .segments import Segments

__all__ = ["Archive"]

MARK = "archive.json"
FORMAT = {"format": "cidbus journal", "version": 1}


class Archive:
    """One archive; made when it is first opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments = Segments(path / "journals")
        self.checkpoints = Checkpoints(path / "checkpoints", path / "temp")
        self._lock = -1

    @classmethod
    def open(cls, path: Path) -> Archive:
        """The archive at a path.

        Raises BadRequest for a folder that has something else in it or cannot be made, StorageFull if there
        is no room.
        """
        archive = cls(path.expanduser().absolute())
        try:
            archive._make()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"the archive cannot be made: {error.strerror}") from error
            raise BadRequest("journal_base_path", f"{archive.path}: {error.strerror}") from error
        return archive

    def _make(self) -> None:
        mark = self.path / MARK
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not mark.exists() and any(self.path.iterdir()):
            raise BadRequest("journal_base_path", f"{self.path} is neither empty nor an archive of a journal")
        if mark.exists() and orjson.loads(mark.read_bytes() or b"null") != FORMAT:
            raise BadRequest("journal_base_path", f"{mark} is of another format")
        for name in ("journals", "checkpoints", "temp"):
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
        if not mark.exists():
            draft = self.path / "temp" / f"{MARK}.{os.getpid()}"
            draft.write_bytes(orjson.dumps(FORMAT))
            draft.replace(mark)

    def is_gone(self) -> bool:
        """Whether somebody has deleted it."""
        return not (self.path / MARK).exists()

    def make_again(self) -> None:
        """Begin anew where an archive was deleted; raises as `open` does."""
        self.close()
        Archive.open(self.path)

    # ---- who writes -------------------------------------------------------------------------------------

    def claim(self, instance: str) -> bool:
        """Become the process that writes; False if another one is. What one left half-made is removed."""
        if self._lock >= 0:
            return True
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, instance.encode(), 0)
        self._lock = descriptor
        for left in (self.path / "temp").iterdir():
            left.unlink()
        return True

    @property
    def is_ours(self) -> bool:
        """Whether this process writes it."""
        return self._lock >= 0

    def writer(self) -> str | None:
        """The instance that writes it, or that did last."""
        try:
            return (self.path / "lock").read_text() or None
        except FileNotFoundError:
            return None

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # ---- what is damaged --------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        return not self.segments.files() and not self.checkpoints.all()

    def set_aside(self, but: Iterable[Checkpoint] = ()) -> Path:
        """Move what it holds into a folder of its own, `but` for these checkpoints, and begin anew; returns
        that folder."""
        if not self.is_ours:
            raise Conflict("another process writes this archive", path=str(self.path))
        aside = self.path / f"damaged-{int(time.time() * 1000)}"
        aside.mkdir(mode=0o700)
        staying = {f"{checkpoint.id}.{kind}" for checkpoint in but for kind in ("car", "json")}
        for name in ("journals", "checkpoints"):
            (aside / name).mkdir(mode=0o700)
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
            for path in list((self.path / name).iterdir()):
                if name == "journals" or path.name not in staying:
                    path.rename(aside / name / path.name)
        return aside
