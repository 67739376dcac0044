"""How the disk tier keeps values in `diskcache`: raw bytes in files named by their CID, and never a pickle.

diskcache's own Disk unpickles what a row tells it to and joins any file name to its folder (CVE-2025-69872).
This one takes only text keys and sealed bytes, believes only rows that it could have written itself, and
raises UnsafeRow for every other.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from pathlib import Path
from typing import Final, TypeGuard

import diskcache
import xxhash
from blake3 import blake3

from .spool import OpenFile, Spool

__all__ = ["MODE_FILE", "MODE_INLINE", "RawDisk", "UnsafeRow", "is_file_of"]

# diskcache's names for them are MODE_RAW and MODE_BINARY.
MODE_INLINE: Final = 1
MODE_FILE: Final = 2

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9]{1,128}")
_FILE_NAME: Final = re.compile(r"[0-9a-f]{2}/[A-Za-z0-9-]{1,128}\.[0-9a-f]{8}")


class UnsafeRow(Exception):
    """A row that this program has not written: `problem` says what is wrong with it."""


class RawDisk(diskcache.Disk):  # type: ignore[misc]
    """diskcache's serialization, reduced to bytes.

    Values are sealed bytes, kept in the row, or a sealed Spool, which is moved to `<xx>/<key>.<random>`. The
    random part keeps a value apart from the one before it under the same key, which diskcache removes later.
    """

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"keys are text, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or type(key) is not str:
            raise UnsafeRow("its key is not text")
        return key

    def store(
        self, value: object, read: bool, key: object = diskcache.UNKNOWN
    ) -> tuple[int, int, str | None, sqlite3.Binary | None]:
        if isinstance(value, Spool):
            name, path = self.filename(key)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            value.move(path)
            return path.stat().st_size, MODE_FILE, name, None
        if type(value) is not bytes:
            raise TypeError(f"values are bytes or spools, not {type(value).__name__}")
        return len(value), MODE_INLINE, None, sqlite3.Binary(value)

    def fetch(self, mode: object, filename: object, value: object, read: object) -> bytes | OpenFile:
        """The bytes of a value kept in the row, or its open file; raises UnsafeRow."""
        if mode == MODE_INLINE and filename is None and type(value) is bytes:
            return value
        if mode == MODE_FILE and value is None and _is_file_name(filename):
            return OpenFile(Path(self._directory, filename), os.O_RDONLY)
        if mode in (MODE_INLINE, MODE_FILE):
            raise UnsafeRow(f"its file name is {str(filename)[:64]!r}")
        raise UnsafeRow(f"its mode is {mode!r}")

    def filename(self, key: object = diskcache.UNKNOWN, value: object = None) -> tuple[str, Path]:
        text, _ = self.put(key)
        name = f"{_stem(text)}.{secrets.token_hex(4)}"
        return name, Path(self._directory, name)

    def remove(self, file_path: object) -> None:
        """Remove the file of a value; a name that is not one of ours is left alone."""
        if _is_file_name(file_path):
            with contextlib.suppress(OSError):
                Path(self._directory, file_path).unlink()


def is_file_of(key: str, filename: object) -> bool:
    """Whether a row's file name is one that a value of this key gets."""
    return _is_file_name(filename) and filename.rpartition(".")[0] == _stem(key)


def _is_file_name(name: object) -> TypeGuard[str]:
    return type(name) is str and _FILE_NAME.fullmatch(name) is not None


def _stem(key: str) -> str:
    name = key if _PLAIN_KEY.fullmatch(key) else f"hashed-{blake3(key.encode()).hexdigest()}"
    return f"{xxhash.xxh3_64_intdigest(key.encode()) & 0xFF:02x}/{name}"
