"""Small tables that must outlive everything, even the index: names and keys, as raw bytes."""

from __future__ import annotations

from collections.abc import Iterator

from ....schemas.errors import BadRequest, TooLarge
from .committer import Committer
from .index import Change, Index

# LMDB's bound, and what fits in a line of the ledger; an IPNS record has at most 10 KiB.
MAX_KEY_BYTES = 500
MAX_VALUE_BYTES = 24 * 1024


class Kept:
    """One table of bytes to bytes, durable when a change returns, and repeated in the ledger."""

    def __init__(self, table: str, index: Index, committer: Committer) -> None:
        self._table = table
        self._index = index
        self._committer = committer

    def get(self, key: bytes) -> bytes | None:
        return self._index.get(self._table, key)

    def items(self, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Every entry that follows a key, in the order of keys, read in pages."""
        return self._index.entries(self._table, after)

    def count(self) -> int:
        return self._index.count(self._table)

    async def put(self, key: bytes, value: bytes) -> None:
        """Set an entry; raises TooLarge, and BadRequest for an empty key."""
        _check(key, value)
        await self._committer.change(lambda change: change.keep(self._table, key, value))

    async def add(self, key: bytes, value: bytes) -> bool:
        """Put an entry unless there is one under this key; whether it was put. Raises TooLarge."""
        _check(key, value)
        return await self._committer.change(lambda change: self._set_if(change, key, value, present=False))

    async def swap(self, key: bytes, expected: bytes | None, value: bytes | None) -> bool:
        """Put an entry in place of the one expected (None: no entry); False if another stands there by now.
        Raises TooLarge."""
        _check(key, value or b"")
        return await self._committer.change(lambda change: self._swap(change, key, expected, value))

    async def delete(self, key: bytes) -> bool:
        """Remove an entry; False if it was not there."""
        return await self._committer.change(lambda change: self._set_if(change, key, None, present=True))

    def _swap(self, change: Change, key: bytes, expected: bytes | None, value: bytes | None) -> bool:
        if change.get(self._table, key) != expected:
            return False
        change.keep(self._table, key, value)
        return True

    def _set_if(self, change: Change, key: bytes, value: bytes | None, *, present: bool) -> bool:
        if (change.get(self._table, key) is not None) != present:
            return False
        change.keep(self._table, key, value)
        return True


def _check(key: bytes, value: bytes) -> None:
    if not key:
        raise BadRequest("key", "must not be empty")
    for field, given, limit in (("key", key, MAX_KEY_BYTES), ("value", value, MAX_VALUE_BYTES)):
        if len(given) > limit:
            raise TooLarge(field, limit=limit)
