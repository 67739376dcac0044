"""Lists of what ends, as tables of the index: a key is a time and a name, so the first end comes first."""

from __future__ import annotations

import struct
from itertools import islice, takewhile

from .index import Index

__all__ = ["due_ends", "end_key", "name_of_end"]

BATCH = 500

_TIME = struct.Struct(">d")


def end_key(expires_at: float, name: bytes) -> bytes:
    return _TIME.pack(max(expires_at, 0.0)) + name


def name_of_end(key: bytes) -> bytes:
    return key[_TIME.size :]


def due_ends(index: Index, table: str, now: float) -> list[bytes]:
    """The first keys of a list whose time has come, up to 500."""
    ended = takewhile(lambda key: _TIME.unpack_from(key)[0] <= now, (key for key, _ in index.entries(table)))
    return list(islice(ended, BATCH))
