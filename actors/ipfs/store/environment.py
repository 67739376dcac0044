"""An LMDB environment that several processes share: its map grows as needed and read transactions are short.

LMDB allows an environment to be opened once in a process, so the handles of one process share it here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import lmdb

from .disk import FILE_MODE

T = TypeVar("T")

MAX_READERS = 1024
# Reserved addresses, not bytes on disk: about a hundred million blocks before the first growth.
MAP_BYTES = 16 << 30
PAGE_ENTRIES = 512

# What opening or reading an environment raises when its files are not (or no longer) an environment.
DAMAGE = (
    lmdb.InvalidError,
    lmdb.CorruptedError,
    lmdb.VersionMismatchError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.IncompatibleError,
)


class Environment:
    """Named tables of bytes to bytes. Reads are inline (µs); `write` belongs in a worker thread.

    `open` and `close` count their callers. Every method may be called from any thread.
    """

    _opened: ClassVar[dict[str, Environment]] = {}
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: str, tables: tuple[str, ...], map_bytes: int) -> None:
        self.path = path
        self._names = tables
        self._users = 0
        # The map must not move under a transaction: `_guard` is held by each read and by each move.
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._start(map_bytes)

    @classmethod
    def open(cls, path: Path, tables: tuple[str, ...], *, map_bytes: int = MAP_BYTES) -> Environment:
        """The environment in a folder, made if it is missing; raises one of DAMAGE if it cannot be read."""
        name = os.path.realpath(path)
        with cls._opening:
            found = cls._opened.get(name) or cls(name, tables, map_bytes)
            cls._opened[name] = found
            found._users += 1
            return found

    def close(self) -> None:
        with self._opening:
            self._users -= 1
            if self._users == 0:
                del self._opened[self.path]
                with self._writing, self._guard:
                    self._env.close()

    def _start(self, map_bytes: int) -> None:
        self._env = lmdb.open(
            self.path, map_size=map_bytes, max_dbs=len(self._names), max_readers=MAX_READERS, mode=FILE_MODE
        )
        try:
            self._check_length()
            self._tables: dict[str, Any] = {name: self._env.open_db(name.encode()) for name in self._names}
            self._env.reader_check()
        except BaseException:
            self._env.close()
            raise

    def _check_length(self) -> None:
        # A file cut short would kill the process (SIGBUS) at the first read of a missing page.
        needed = self._env.info()["last_pgno"] * self._env.stat()["psize"]
        if Path(self.path, "data.mdb").stat().st_size < needed:
            raise lmdb.CorruptedError("the file is shorter than its contents")

    # Reading

    def get(self, table: str, key: bytes) -> bytes | None:
        """One value as of now, whichever process wrote it."""
        with self._guard:
            try:
                txn = self._env.begin(self._tables[table])
            except lmdb.MapResizedError:
                txn = None
            if txn is not None:
                value: bytes | None = txn.get(key)
                txn.abort()
                return value
        self._follow_growth()
        return self.get(table, key)

    def page(self, table: str, after: bytes = b"", limit: int = PAGE_ENTRIES) -> list[tuple[bytes, bytes]]:
        """Up to `limit` entries whose keys follow `after`, in the order of keys."""
        return self._read(table, lambda txn: _entries_after(txn.cursor(), after, limit))

    def pages(self, table: str, limit: int = PAGE_ENTRIES) -> Iterator[list[tuple[bytes, bytes]]]:
        """The whole table in pages, each of its own moment: no transaction is open between them."""
        after = b""
        while page := self.page(table, after, limit):
            yield page
            after = page[-1][0]

    def count(self, table: str) -> int:
        """How many entries a table has."""
        return self._read(table, lambda txn: int(txn.stat(self._tables[table])["entries"]))

    def check_readers(self) -> None:
        """Free what killed processes left in the table of readers."""
        with self._guard:
            self._env.reader_check()

    def _read(self, table: str, use: Callable[[Any], T]) -> T:
        while True:
            with (
                self._guard,
                contextlib.suppress(lmdb.MapResizedError),
                self._env.begin(self._tables[table]) as txn,
            ):
                return use(txn)
            self._follow_growth()

    # Writing

    def write(self, body: Callable[[Table], T]) -> T:
        """Run `body` in one durable transaction; what it raises undoes it. Other processes wait meanwhile.

        `body` runs again when the map had to grow, so it must not depend on having run before.
        """
        while True:
            with self._writing:
                try:
                    return self._write_once(body)
                except lmdb.MapFullError:
                    self._grow()
                except lmdb.MapResizedError:
                    self._resize(0)
                except lmdb.PanicError:
                    self._restart()
                    raise

    def _write_once(self, body: Callable[[Table], T]) -> T:
        with self._env.begin(write=True) as txn:
            return body(Table(txn, self._tables))

    def _follow_growth(self) -> None:
        # Another process has made the map larger. No transaction of this process may be open now.
        with self._writing:
            self._resize(0)

    def _grow(self) -> None:
        self._resize(self._env.info()["map_size"] * 2)

    def _resize(self, map_bytes: int) -> None:
        # Size 0 means: the size that another process has given it.
        with self._guard:
            self._env.set_mapsize(map_bytes)

    def _restart(self) -> None:
        # After a failed write of its meta page LMDB refuses everything until it is opened again.
        with self._guard:
            size = self._env.info()["map_size"]
            self._env.close()
            self._start(size)


class Table:
    """The tables inside one write transaction."""

    __slots__ = ("_tables", "_txn")

    def __init__(self, txn: Any, tables: dict[str, Any]) -> None:
        self._txn = txn
        self._tables = tables

    def get(self, table: str, key: bytes) -> bytes | None:
        value: bytes | None = self._txn.get(key, db=self._tables[table])
        return value

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self._txn.put(key, value, db=self._tables[table])

    def delete(self, table: str, key: bytes) -> bool:
        """Remove a key; False if it was not there."""
        return bool(self._txn.delete(key, db=self._tables[table]))

    def items(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """Every entry in the order of keys: only for tables that stay small."""
        return iter(list(self._txn.cursor(self._tables[table])))


def _entries_after(cursor: Any, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    more = cursor.set_range(after) if after else cursor.first()
    if more and cursor.key() == after:
        more = cursor.next()
    found: list[tuple[bytes, bytes]] = []
    while more and len(found) < limit:
        found.append(cursor.item())
        more = cursor.next()
    return found
