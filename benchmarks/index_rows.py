"""The rows that the index and its peers are measured on, made from a seed: the same each time.

Thirteen columns. CIDs are binary, raw leaves over SHA2-256 in random order. Two in five have never been asked
for; the heat of the others is Pareto-distributed, as it is where popularity is Zipf-like. Of a million rows
some 3,200 have a heat score over 0.7, some 50,000 one over 0.3, and some 9,280 are pictures of `LARGE_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["COLUMNS", "LARGE_BYTES", "NOW_S", "PICTURE", "keys_of", "slices"]

SLICE_ROWS = 250_000
# The moment of the whole comparison: heat scores are those of then.
NOW_S = 1_800_000_000.0
PICTURE, LARGE_BYTES = "image/png", 925_000
COLUMNS = (
    "cid", "size_bytes", "mimetype", "filename", "extension", "storage_tier", "is_pinned", "added_timestamp",
    "last_accessed", "access_count", "heat_score", "source", "codec",
)  # fmt: skip

HEAD = b"\x01\x55\x12\x20"
YEAR_S = 365 * 86_400
# What a row may be, how often, and the extension that goes with it.
KINDS = {
    "application/octet-stream": (0.30, "bin"),
    "image/jpeg": (0.18, "jpg"),
    PICTURE: (0.10, "png"),
    "text/html": (0.10, "html"),
    "application/json": (0.08, "json"),
    "text/plain": (0.06, "txt"),
    "video/mp4": (0.06, "mp4"),
    "application/pdf": (0.05, "pdf"),
    "audio/mpeg": (0.04, "mp3"),
    "application/zip": (0.03, "zip"),
}
# The part of rows that are never used, and the least heat and the exponent of the others.
UNUSED, LEAST_HEAT, EXPONENT = 0.4, 0.0926, 1.62


def slices(count: int, *, seed: int = 1) -> Iterator[pa.Table]:
    """`count` rows in tables of at most SLICE_ROWS, a multiple of which `count` must be or be less than."""
    for number in range(-(-count // SLICE_ROWS)):
        random = np.random.default_rng([seed, number])
        yield _table(random, min(SLICE_ROWS, count), number * SLICE_ROWS)


def keys_of(table: pa.Table) -> list[bytes]:
    """The binary CIDs of a table."""
    keys: list[bytes] = table["cid"].to_pylist()
    return keys


def _table(random: np.random.Generator, count: int, start: int) -> pa.Table:
    kinds = random.choice(len(KINDS), count, p=[share for share, _ in KINDS.values()])
    used = random.random(count) >= UNUSED
    heat = np.where(used, LEAST_HEAT * (1 - random.random(count)) ** (-1 / EXPONENT), 0)
    added_s = NOW_S - random.random(count) * YEAR_S
    last_s = added_s + random.random(count) * (NOW_S - added_s)
    extensions = _picked([extension for _, extension in KINDS.values()], kinds)
    values = (
        _cids(random, count),
        pa.array(np.exp(np.log(65_536) + 2 * random.standard_normal(count)).astype(np.int64)),
        _picked(list(KINDS), kinds),
        _names(extensions, start),
        extensions,
        _picked(["ipfs", "disk", "memory"], random.choice(3, count, p=[0.7, 0.25, 0.05])),
        pa.array(random.random(count) < 0.05),
        _times(added_s),
        _times(last_s, ~used),
        pa.array(np.where(used, np.ceil(heat * 20), 0).astype(np.int32)),
        pa.array((heat / (1 + heat)).astype(np.float32)),
        _picked(["add", "car", "peer"], random.choice(3, count, p=[0.6, 0.3, 0.1])),
        _picked(["raw"], np.zeros(count, np.int64)),
    )
    return pa.table(dict(zip(COLUMNS, values, strict=True)))


def _cids(random: np.random.Generator, count: int) -> pa.Array:
    raw = random.integers(0, 256, (count, 36), dtype=np.uint8)
    raw[:, :4] = np.frombuffer(HEAD, np.uint8)
    offsets = np.arange(count + 1, dtype=np.int32) * 36
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(raw)])


def _picked(values: list[str], numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(values).take(pa.array(numbers))


def _names(extensions: pa.Array, start: int) -> pa.Array:
    numbers = pa.array(np.arange(start, start + len(extensions))).cast(pa.string())
    stems = pc.binary_join_element_wise(pa.scalar("file"), numbers, pa.scalar("-"))
    return pc.binary_join_element_wise(stems, extensions, pa.scalar("."))


def _times(unix_s: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array((unix_s * 1000).astype(np.int64), mask=missing).cast(pa.timestamp("ms", "UTC"))
