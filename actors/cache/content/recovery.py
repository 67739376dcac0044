"""What a disk tier finds in its folder when it starts: entries to use again, and leftovers to remove."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import diskcache

from .raw_disk import MODE_FILE, MODE_INLINE, is_file_of
from .sealed import content_bytes

__all__ = ["DATABASE", "SPOOLS", "Found", "recover"]

DATABASE: Final = "cache.db"
SPOOLS: Final = "spools"
_VALUES: Final = re.compile(r"[0-9a-f]{2}")
_SETTINGS: Final = {*diskcache.DEFAULT_SETTINGS, "count", "size", "hits", "misses"}

_log = logging.getLogger(__name__)


@dataclass
class Found:
    """`sizes`: the stored bytes of every entry, the oldest first. `bad`: rows that were refused."""

    sizes: dict[str, int] = field(default_factory=dict)
    bad: int = 0


def recover(folder: Path) -> Found:
    """Read the database of a folder that nobody else uses, before diskcache opens it.

    Rows that this program could not have written, or whose file is not what they say, are deleted; so is a
    database that cannot be read. Files that belong to no row go too.
    """
    found, files = Found(), set[str]()
    path = folder / DATABASE
    if path.exists():
        try:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
                _check_settings(database)
                _read_rows(database, folder, found, files)
        except sqlite3.DatabaseError as error:
            _log.error("the cache's database %s cannot be used and is made anew: %s", path, error)
            found, files = Found(bad=found.bad + 1), set()
            for part in (path, *(folder / f"{DATABASE}{end}" for end in ("-wal", "-shm", "-journal"))):
                part.unlink(missing_ok=True)
    _sweep(folder, files)
    return found


def _check_settings(database: sqlite3.Connection) -> None:
    """diskcache hands settings on to SQLite and to the Disk, so those that it does not have are refused."""
    for key, value in database.execute("SELECT key, value FROM Settings"):
        if key not in _SETTINGS or not isinstance(value, int | float | str) or ";" in str(value):
            raise sqlite3.DatabaseError(f"it has a setting {str(key)[:64]!r}")


def _read_rows(database: sqlite3.Connection, folder: Path, found: Found, files: set[str]) -> None:
    unsafe: list[tuple[int]] = []
    rows = database.execute(
        "SELECT rowid, key, raw, size, mode, filename, typeof(value), length(value) FROM Cache ORDER BY rowid"
    )
    for number, key, *facts in rows:
        if _is_sound(folder, key, *facts):
            found.sizes[key] = facts[1]
            files.add(facts[3])
        else:
            unsafe.append((number,))
            _log.error("a row of the cache is not one of ours and is dropped: key %.80r", key)
    found.bad += len(unsafe)
    database.executemany("DELETE FROM Cache WHERE rowid = ?", unsafe)


def _is_sound(
    folder: Path, key: Any, raw: Any, size: Any, mode: Any, filename: Any, kind: Any, length: Any
) -> bool:
    if type(key) is not str or raw != 1 or type(size) is not int or content_bytes(size) is None:
        return False
    if mode == MODE_INLINE:
        return filename is None and kind == "blob" and bool(length == size)
    return (
        mode == MODE_FILE and kind == "null" and is_file_of(key, filename) and _size(folder, filename) == size
    )


def _size(folder: Path, filename: str) -> int | None:
    with contextlib.suppress(OSError):
        facts = os.lstat(folder / filename)
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None
    return None


def _sweep(folder: Path, files: set[str]) -> None:
    """Remove what an earlier process left half done, and whatever else lies among the values."""
    for path in _swept(folder):
        if path.parent.name == SPOOLS or f"{path.parent.name}/{path.name}" not in files:
            with contextlib.suppress(OSError):
                path.unlink()


def _swept(folder: Path) -> Iterator[Path]:
    for part in folder.iterdir():
        if part.name != SPOOLS and not _VALUES.fullmatch(part.name):
            continue
        if part.is_symlink():
            part.unlink()
        elif part.is_dir():
            yield from part.iterdir()
