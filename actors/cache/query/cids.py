"""The order of CIDs: that of their bytes, in which runs hold them, computed from their text.

Base32 counts its letters before its digits, ASCII does not; version 0 begins with a greater byte than
version 1.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from .reading import Reader, text_offsets

__all__ = ["cid_key", "cid_keys", "first_after"]

V0 = ord("Q")
AFTER_ALL = 0xFF
_TABLE = bytes(byte + 0x50 if ord("2") <= byte <= ord("7") else byte for byte in range(256))
_ARRAY = np.frombuffer(_TABLE, np.uint8)


def cid_key(text: str) -> bytes:
    """Bytes that compare as CIDs do, from the canonical text of one."""
    raw = text.encode()
    return bytes([AFTER_ALL]) + raw[1:] if raw[:1] == b"Q" else raw.translate(_TABLE)


def cid_keys(texts: pa.Array) -> pa.Array:
    """The same for an array of CIDs."""
    if not len(texts):
        return pa.array([], pa.binary())
    data = np.frombuffer(texts.buffers()[2], np.uint8)
    wide = pa.types.is_large_string(texts.type)
    offsets = text_offsets(texts)
    keys, firsts = _ARRAY[data], offsets[:-1]
    old = np.flatnonzero(data[firsts] == V0)
    for start, stop in zip(offsets[old].tolist(), offsets[old + 1].tolist(), strict=True):
        keys[start:stop] = data[start:stop]
    keys[firsts[old]] = AFTER_ALL
    buffers = [None, texts.buffers()[1], pa.py_buffer(keys)]
    return pa.Array.from_buffers(
        pa.large_binary() if wide else pa.binary(), len(texts), buffers, offset=texts.offset
    )


def first_after(reader: Reader, cid: str, *, or_at: bool) -> int:
    """The first row behind this CID (or at it) in a segment whose rows are in the order of CIDs."""
    wanted, low, high = cid_key(cid), 0, reader.rows
    while low < high:
        middle = (low + high) // 2
        found = cid_key(reader.cids(np.array([middle], np.int64))[0])
        if found < wanted or (found == wanted and not or_at):
            low = middle + 1
        else:
            high = middle
    return low
