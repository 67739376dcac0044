"""The payloads of log records: rows, accesses, hot states, keys and scales of heat."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from ..columns import Columns
from ..heat import Heat
from .rows import HotState, Static, new_tuple
from .text import Cids

__all__ = [
    "accesses_of", "decode_keys", "decode_rows", "decode_scale", "decode_states", "decode_touches",
    "encode_keys", "encode_rows", "encode_scale", "encode_states",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

ROW = struct.Struct("<HIdfIB")
STATE = struct.Struct("<HdfIB")
KEYS = struct.Struct("<IH")
SCALE = struct.Struct("<ddd")


def encode_rows(rows: Iterable[tuple[bytes, Static, HotState]]) -> bytes:
    """Whole rows: key, hot state, and as JSON a list of column numbers and their values in turn."""
    parts = []
    for key, static, state in rows:
        values = orjson.dumps([*chain.from_iterable(static.items())])
        parts += [ROW.pack(len(key), len(values), *state), key, values]
    return b"".join(parts)


def decode_rows(payload: memoryview, columns: Columns) -> Iterator[tuple[bytes, Static, HotState]]:
    maps = [column.number for column in columns if pa.types.is_map(column.type)]
    data, at, loads, unpack, size = bytes(payload), 0, orjson.loads, ROW.unpack_from, ROW.size
    while at < len(data):
        key_bytes, value_bytes, *state = unpack(data, at)
        key_at = at + size
        values_at = key_at + key_bytes
        at = values_at + value_bytes
        values = loads(data[values_at:at])
        static = dict(zip(values[::2], values[1::2], strict=True))
        for number in maps:
            if number in static:
                static[number] = [tuple(pair) for pair in static[number]]
        yield data[key_at:values_at], static, new_tuple(HotState, state)


def encode_states(states: Iterable[tuple[bytes, HotState]]) -> bytes:
    """The whole hot state of some CIDs."""
    return b"".join([STATE.pack(len(key), *state) + key for key, state in states])


def decode_states(payload: memoryview) -> Iterator[tuple[bytes, HotState]]:
    at = 0
    while at < len(payload):
        key_bytes, last_s, heat, count, flags = STATE.unpack_from(payload, at)
        at += STATE.size + key_bytes
        yield bytes(payload[at - key_bytes : at]), HotState(last_s, heat, count, flags)


def encode_keys(keys: Sequence[bytes], matrices: Sequence[Cids] = ()) -> bytes:
    """Keys, compact where all have one length."""
    if len(matrices) == 1:
        return KEYS.pack(len(keys), matrices[0].raw.shape[1]) + matrices[0].raw.tobytes()
    joined = b"".join(keys)
    lengths = set(map(len, keys))
    if len(lengths) == 1:
        return KEYS.pack(len(keys), lengths.pop()) + joined
    return KEYS.pack(len(keys), 0) + np.fromiter(map(len, keys), np.uint16, len(keys)).tobytes() + joined


def decode_keys(payload: memoryview) -> tuple[list[bytes], memoryview]:
    """The keys, and what comes after them."""
    count, width = KEYS.unpack_from(payload)
    at = KEYS.size
    if not count:
        return [], payload[at:]
    if width:  # numpy cuts them in a sixth of the time of slices
        keys = np.frombuffer(payload, f"V{width}", count, at).tolist()
        return keys, payload[at + count * width :]
    lengths = np.frombuffer(payload, np.uint16, count, at).tolist()
    at += 2 * count
    keys = []
    for length in lengths:
        keys.append(bytes(payload[at : at + length]))
        at += length
    return keys, payload[at:]


def accesses_of(counts: Counts, lasts: Floats) -> bytes:
    """The second half of a record of accesses, after their keys."""
    return counts.astype(np.uint32).tobytes() + lasts.tobytes()


def decode_touches(payload: memoryview) -> tuple[list[bytes], Counts, Floats]:
    keys, rest = decode_keys(payload)
    counts = np.frombuffer(rest, np.uint32, len(keys)).astype(np.int64)
    return keys, counts, np.frombuffer(rest[4 * len(keys) :], np.float64, len(keys))


def encode_scale(heat: Heat, delta: float) -> bytes:
    """Another scale of heat, and what is added to every L."""
    return SCALE.pack(heat.half_life_s, heat.epoch_s, delta)


def decode_scale(payload: memoryview) -> tuple[Heat, float]:
    half_life_s, epoch_s, delta = SCALE.unpack(payload)
    return Heat(half_life_s, epoch_s), delta
