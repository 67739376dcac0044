"""What a sync knows of both sides: entries of a local directory and of the tree, in one SQLite file.

    here    local entries with their stat, and the CID of each file whose content was read at that stat
    there   entries of the tree, of this run alone

`here` stays from run to run and is nothing but memory: without it the next run reads every file once more.
A CID is believed as long as size, times and inode of its file are what they were when it was computed, and
only if that was not so soon after the last change that another one could have left the same times.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from cidbus.schemas.errors import Conflict

__all__ = ["Kind", "Local", "Memory", "Remote", "Stamp"]

Kind = Literal["file", "directory", "symlink"]

# The coarsest clock of a file system that is still met (FAT's).
TICK_NS = 2_000_000_000
PAGE_ROWS = 1_000
# Sorts behind every path.
LAST = "\U0010ffff" * 2
VERSION = 1

SCHEMA = """
CREATE TABLE here (
    path TEXT PRIMARY KEY, parent TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL,
    stamp TEXT NOT NULL, changed_ns INTEGER NOT NULL, target TEXT,
    cid TEXT, read_ns INTEGER, kept TEXT, run INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE self (id TEXT NOT NULL, run INTEGER NOT NULL);
"""
# Of this run alone, and on the disk only as far as it does not fit into SQLite's cache.
THERE = """
CREATE TEMP TABLE there (
    path TEXT PRIMARY KEY, parent TEXT NOT NULL, kind TEXT NOT NULL, cid TEXT NOT NULL,
    target TEXT, shields INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID
"""

REMEMBERED = """
SELECT cid, read_ns, kept FROM here
WHERE path = ? AND kind = 'file' AND stamp = ? AND read_ns > changed_ns + ?
"""
NOTE_HERE = """
INSERT OR REPLACE INTO here (path, parent, kind, size, stamp, changed_ns, target, cid, read_ns, kept, run)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
LEARN = """
UPDATE here SET cid = ?, read_ns = ?, stamp = ?, changed_ns = ?, size = ?, kept = ? WHERE path = ?
"""


class Stamp(NamedTuple):
    """What of a file's stat tells that it has changed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)

    @property
    def changed_ns(self) -> int:
        return max(self.mtime_ns, self.ctime_ns)

    def __str__(self) -> str:
        return "/".join(map(str, self))


class Local(NamedTuple):
    """One entry of the directory; `cid` where it is known without reading, as that of a link is."""

    path: str
    kind: Kind
    stamp: Stamp
    target: str | None = None
    cid: str | None = None


class Remote(NamedTuple):
    """One entry of the tree, its path as seen from the directory that is synced."""

    path: str
    kind: str
    cid: str


class Memory:
    """One SQLite file, for one local directory; open it once at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        with self._db:
            self._db.execute("UPDATE self SET run = run + 1")
        self.id, self._run = self._db.execute("SELECT id, run FROM self").fetchone()

    @classmethod
    def open(cls, folder: Path, top: Path) -> Memory:
        """What is remembered of the directory `top`, in a file of its own below `folder`.

        Raises Conflict while another sync of the same directory has it open.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(os.fsencode(top.resolve())).hexdigest()[:32]
        path = folder / f"{name}.sqlite"
        try:
            return cls(_opened(path))
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise Conflict(f"another sync of {top} is running") from None
            raise
        except sqlite3.DatabaseError:  # damaged: it was only memory
            for part in folder.glob(f"{name}.sqlite*"):
                part.unlink()
            return cls(_opened(path))

    def close(self) -> None:
        self._db.close()

    # ---- what is here -----------------------------------------------------------------------------------

    def note_here(self, entries: Iterable[Local]) -> None:
        """Take in everything that is in the directory now; what is not among it is forgotten."""
        with self._db:
            for entry in entries:
                self._note(entry)
            self._db.execute("DELETE FROM here WHERE run <> ?", (self._run,))

    def _note(self, entry: Local) -> None:
        stamp = entry.stamp
        size = stamp.size if entry.kind == "file" else 0
        known = self._db.execute(REMEMBERED, (entry.path, str(stamp), TICK_NS)).fetchone()
        row = (
            entry.path, parent_of(entry.path), entry.kind, size, str(stamp), stamp.changed_ns, entry.target,
            *(known or (entry.cid, None, None)), self._run,
        )  # fmt: skip
        self._db.execute(NOTE_HERE, row)

    def note_file(self, path: str, stamp: Stamp, cid: str, read_ns: int) -> None:
        """A file was written here with these bytes; the caller saves."""
        self._note(Local(path, "file", stamp))
        self.learn(path, stamp, cid, read_ns)

    def learn(self, path: str, stamp: Stamp, cid: str, read_ns: int, kept: str | None = None) -> None:
        """A file had this CID when it was read at `read_ns`, its stat the same before and after.

        `kept` is the name that its blocks are kept under until it is placed. The caller saves.
        """
        self._db.execute(LEARN, (cid, read_ns, str(stamp), stamp.changed_ns, stamp.size, kept, path))

    def save(self) -> None:
        self._db.commit()

    def forget_cids(self) -> None:
        """Read every file again."""
        with self._db:
            self._db.execute("UPDATE here SET cid = NULL, read_ns = NULL, kept = NULL WHERE kind = 'file'")

    def forget_kept(self, but: Sequence[str] = ()) -> None:
        """Blocks are no longer kept under any name but these."""
        marks = ",".join("?" * len(but))
        with self._db:
            self._db.execute(f"UPDATE here SET kept = NULL WHERE kept NOT IN ({marks})", but)  # noqa: S608

    # ---- what is there ----------------------------------------------------------------------------------

    def note_there(self, entries: Iterable[Remote]) -> None:
        rows = ((entry.path, parent_of(entry.path), entry.kind, entry.cid) for entry in entries)
        self._db.executemany("INSERT INTO there (path, parent, kind, cid) VALUES (?, ?, ?, ?)", rows)

    def note_target(self, path: str, target: str) -> None:
        """Where a link of the tree leads; the caller saves."""
        self._db.execute("UPDATE there SET target = ? WHERE path = ?", (target, path))

    def shield(self, path: str) -> None:
        """Nothing may remove the directories above this path; the caller has noted them before."""
        while path := parent_of(path):
            self._db.execute("UPDATE there SET shields = 1 WHERE path = ?", (path,))

    # ---- both -------------------------------------------------------------------------------------------

    def one(self, query: str, *values: object) -> Any:
        """The only row of a query that always has one."""
        return self._db.execute(query, values).fetchone()

    def pages(
        self, query: str, order: str = "here.path", *, descending: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a query whose first column is `order`, sorted by it and in pages, so that what is read
        may be changed meanwhile. Children stand behind their directory, or before it when descending."""
        beyond, direction = ("<", "DESC") if descending else (">", "ASC")
        paged = f"{query} AND {order} {beyond} ? ORDER BY {order} {direction} LIMIT {PAGE_ROWS}"
        last = LAST if descending else ""
        while rows := self._db.execute(paged, (last,)).fetchall():
            yield from rows
            last = rows[-1][0]


def parent_of(path: str) -> str:
    """The directory of a relative path; "" is the top."""
    return path.rpartition("/")[0]


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, timeout=0.2)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _make(db)
        db.execute(THERE)
    except sqlite3.Error:
        db.close()
        raise
    path.chmod(0o600)
    return db


def _make(db: sqlite3.Connection) -> None:
    for table in ("here", "self"):
        db.execute(f"DROP TABLE IF EXISTS {table}")
    with contextlib.closing(db.cursor()) as cursor:
        cursor.executescript(SCHEMA)
    with db:
        db.execute("INSERT INTO self VALUES (?, 0)", (secrets.token_hex(8),))
    db.execute(f"PRAGMA user_version = {VERSION}")
