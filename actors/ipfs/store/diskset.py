"""A set of keys that may outgrow memory: past a number of them it goes on in a temporary LMDB file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lmdb

MEMORY_KEYS = 100_000
_MAP_BYTES = 1 << 30


class DiskSet:
    """Keys of 1–500 bytes: add and look up, nothing else. Used as a context manager, by one thread at a time.

    `folder` is where the temporary file is made, once there are more than `memory_keys` keys.
    """

    def __init__(self, folder: Path, *, memory_keys: int = MEMORY_KEYS) -> None:
        self._folder = folder
        self._memory_keys = memory_keys
        self._fresh: set[bytes] = set()
        self._spilled = 0
        self._path: Path | None = None
        self._env: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything and remove the file."""
        if self._env is not None:
            self._env.close()
            self._env = None
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None
        self._fresh.clear()
        self._spilled = 0

    def __len__(self) -> int:
        return self._spilled + len(self._fresh)

    def __contains__(self, key: bytes) -> bool:
        return key in self._fresh or self._is_spilled(key)

    def add(self, key: bytes) -> bool:
        """Add a key; False if it was there already."""
        if key in self:
            return False
        self._fresh.add(key)
        if len(self._fresh) >= self._memory_keys:
            self._spill()
        return True

    def _is_spilled(self, key: bytes) -> bool:
        if self._env is None:
            return False
        with self._env.begin() as txn:
            return txn.get(key) is not None

    def _spill(self) -> None:
        if self._env is None:
            self._path = Path(tempfile.mkdtemp(prefix="seen-", dir=self._folder))
            self._env = lmdb.open(str(self._path), map_size=_MAP_BYTES, sync=False, lock=False, mode=0o600)
        keys = sorted(self._fresh)
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    for key in keys:
                        txn.put(key, b"")
                break
            except lmdb.MapFullError:
                self._env.set_mapsize(self._env.info()["map_size"] * 2)
        self._spilled += len(keys)
        self._fresh.clear()
