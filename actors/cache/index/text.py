"""CIDs by the column: between the canonical text of CIDs and their bytes, without a Python step per row.

Text is what runs hold and people read, bytes are what the index sorts and hashes. The text of a version 1 CID
is `b` and base32, and `b` itself stands for 1 there, so the text is the base32 of the five bits 00001 and the
CID's bits. Whole columns pass through tables of two symbols; single CIDs through one big integer. What is
not in that form (version 0, other multibases) goes through `CID`, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ....schemas.cid import CID
from ....schemas.errors import BadRequest

__all__ = ["Cids", "decode_cid", "decode_cids", "encode_cids", "encode_each", "group_cids", "join_cids"]

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Pairs = npt.NDArray[np.uint16]

# Rows that are converted at a time: what lies between the two forms stays in the processor's cache.
BLOCK_ROWS = 4096
# From so many on, the tables are faster than one CID at a time, even if half of these were met before.
MANY = 128
# Kinds of CID (codec, hash and size) of one column that are told apart by their first bytes.
MAX_HEADS = 64
MAX_SHOWN_CHARS = 80
ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"
V0_HEAD = b"\x12\x20"
V0_BYTES = 34
USUAL_CHARS = 59


class Cids(NamedTuple):
    """The CIDs of one width in a column: their places in it, ascending, and their bytes, (rows, width)."""

    rows: Rows
    raw: Bytes


def encode_cids(raw: Bytes) -> pa.Array:
    """The canonical text of CIDs of one width, (rows, width), as a string array.

    It is a large_string array only if the text is longer than 2 GiB. The bytes must be CIDs.
    """
    count, width = raw.shape
    if width == V0_BYTES and count and (raw[:, 0] == V0_HEAD[0]).any():
        return pa.array([str(CID.from_bytes(row.tobytes())) for row in raw], pa.string())
    return _strings(_encoded(raw))


def encode_each(raw: Sequence[bytes]) -> list[str]:
    """The canonical text of some CIDs, of any widths; the fast way for few."""
    width = len(raw[0]) if raw else 0
    if len(raw) < MANY or width == V0_BYTES or any(len(one) != width for one in raw):
        return [_encode_one(one) for one in raw]
    text = _encoded(np.frombuffer(b"".join(raw), np.uint8).reshape(len(raw), width))
    whole, chars = text.tobytes().decode("ascii"), text.shape[1]
    return [whole[start : start + chars] for start in range(0, len(whole), chars)]


def decode_cid(text: str) -> bytes:
    """The bytes of one CID in any text form; raises BadRequest(field="cid")."""
    return _decode_usual(text) or bytes(_parse(text))


def decode_cids(text: pa.Array) -> list[Cids]:
    """The CIDs of a text column, one group per width, narrow ones first.

    Raises BadRequest(field="cid") that names the first row found without a CID or with an invalid one.
    """
    text, data, starts = _flat(text, pa.large_string(), pa.string())
    found: dict[int, list[Cids]] = {}
    for rows, chars in _by_length(starts):
        width = (chars - 1) * 5 // 8
        fits = width > 0 and chars == 1 + (width * 8 + 4) // 5
        plain = data[starts[rows]] == ord("b") if fits else np.zeros(len(rows), bool)
        if plain.any():
            some = rows if plain.all() else rows[plain]
            found.setdefault(width, []).append(Cids(some, _decoded(text, data, starts, some, chars, width)))
        for row in rows[~plain].tolist():
            raw = _row_of(text, row)
            one = Cids(np.array([row], np.int64), np.frombuffer(raw, np.uint8).reshape(1, -1))
            found.setdefault(len(raw), []).append(one)
    return [_joined(found[width]) for width in sorted(found)]


def group_cids(raw: pa.Array) -> list[Cids]:
    """The same for a column of binary CIDs, which are checked alike."""
    raw, data, starts = _flat(raw, pa.large_binary(), pa.binary())
    found = []
    for rows, width in _by_length(starts):
        heads = _Heads(lambda row: BadRequest("cid", f"row {row}: {_problem(raw[row].as_py())}"))
        group = np.empty((len(rows), width), np.uint8)
        for block in _blocks(len(rows)):
            group[block] = _gather(data, starts, rows[block], width)
            heads.check(np.ascontiguousarray(group[block].T), rows[block])
        found.append(Cids(rows, group))
    return sorted(found, key=lambda cids: cids.raw.shape[1])


def join_cids(groups: Sequence[Cids]) -> pa.Array:
    """The text of groups that together are all rows of a column, as that column."""
    if len(groups) == 1:
        return encode_cids(groups[0].raw)
    if not groups:
        return pa.array([], pa.string())
    order = np.concatenate([cids.rows for cids in groups])
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays([encode_cids(cids.raw) for cids in groups]).take(pa.array(back))


# -- one at a time ------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def _encode_one(raw: bytes) -> str:
    if raw[:2] == V0_HEAD:
        return str(CID.from_bytes(raw))
    bits = len(raw) * 8
    symbols = (bits + 4) // 5
    number = 1 << symbols * 5 | int.from_bytes(raw, "big") << symbols * 5 - bits
    for low, high, shift in _spreads(symbols + 1):
        number = number & low | (number & high) << shift
    return number.to_bytes(symbols + 1, "big").translate(_SYMBOLS).decode("ascii")


@lru_cache(maxsize=256)
def _spreads(symbols: int) -> tuple[tuple[int, int, int], ...]:
    """The steps that move each five bits of an integer into a byte of its own: halves apart, then quarters
    and so on, each step as the masks of what stays and of what moves, and how far."""
    half, whole, steps = 1, 2, []
    while whole < symbols * 2:
        low = sum((1 << 5 * half) - 1 << 8 * whole * lane for lane in range(-(-symbols // whole)))
        steps.append((low, low << 5 * half, 3 * half))
        half, whole = whole, whole * 2
    return tuple(reversed(steps))


def _decode_usual(text: str) -> bytes | None:
    """The 36 bytes of what nearly every CID is: version 1, one-byte codec, SHA2-256, canonical base32."""
    if len(text) != USUAL_CHARS or not text.isascii():
        return None
    try:
        number = int(text.encode().translate(_DIGITS), 32)
    except ValueError:
        return None
    if number & _USUAL_MASK != _USUAL:
        return None
    return (number >> 2).to_bytes(37, "big")[1:]


def _parse(text: str) -> CID:
    if not text.isascii():  # some letters become ASCII when their case changes
        raise BadRequest("cid", "not valid in its multibase")
    return CID.parse(text)


def _row_of(text: pa.Array, row: int) -> bytes:
    shown: str = text[row].as_py()
    try:
        return bytes(_parse(shown))
    except BadRequest as error:
        raise _bad_row(row, shown, error.problem) from None


def _bad_row(row: int, shown: str, problem: str) -> BadRequest:
    if len(shown) > MAX_SHOWN_CHARS:
        shown = shown[:MAX_SHOWN_CHARS] + "…"
    return BadRequest("cid", f"row {row}, {shown!r}: {problem}")


def _problem(raw: bytes) -> str:
    try:
        CID.from_bytes(raw)
    except BadRequest as error:
        return str(error.problem)
    return "not a CID"


# -- whole columns ------------------------------------------------------------------------------------


def _encoded(raw: Bytes) -> Bytes:
    """The symbols of version 1 CIDs of one width."""
    count, width = raw.shape
    chars = 1 + (width * 8 + 4) // 5
    text = np.empty((count, chars), np.uint8)
    groups, block_rows = (chars + 7) // 8, min(count, BLOCK_ROWS)
    # Bytes as columns, the prefix as the byte before the first: 5 bytes are 8 symbols, which begin in the
    # byte before.
    columns = np.zeros((1 + 5 * groups, block_rows), np.uint16)
    columns[0] = 1
    values = np.empty((4 * groups, block_rows), np.uint16)
    for block in _blocks(count):
        rows = raw[block]
        columns[1 : 1 + width, : len(rows)] = rows.T
        before, b0, b1, b2, b3, b4 = (columns[byte::5][:groups] for byte in range(6))
        values[0::4] = (before & 0x1F) << 5 | b0 >> 3
        values[1::4] = (b0 & 0x07) << 7 | b1 >> 1
        values[2::4] = (b1 & 0x01) << 9 | b2 << 1 | b3 >> 7
        values[3::4] = (b3 & 0x7F) << 3 | b4 >> 5
        pairs = np.ascontiguousarray(_looked_up(_PAIRS, values[:, : len(rows)]).T)
        text[block] = pairs.view(np.uint8)[:, :chars]
    return text


def _decoded(text: pa.Array, data: Bytes, starts: Rows, rows: Rows, chars: int, width: int) -> Bytes:
    """The bytes of rows that are all `chars` long and begin with `b`."""

    def refused(row: int) -> BadRequest:
        _row_of(text, row)
        return _bad_row(row, text[row].as_py(), "not canonical in its multibase")

    heads = _Heads(refused, versions=(1,))
    raw = np.empty((len(rows), width), np.uint8)
    groups, block_rows = (chars + 7) // 8, min(len(rows), BLOCK_ROWS)
    padded = np.full((block_rows, 8 * groups), ALPHABET[0], np.uint8)
    columns = np.empty((5 * groups, block_rows), np.uint8)
    for block in _blocks(len(rows)):
        these = rows[block]
        count = len(these)
        padded[:count, :chars] = _gather(data, starts, these, chars)
        values = _looked_up(_VALUES, np.ascontiguousarray(padded[:count].view(np.uint16).T))
        _check_pairs(values, these, refused)
        some = columns[:, :count]
        _bytes_of(values, some)
        if some[width:].any():  # bits after the last byte
            raise refused(int(these[np.flatnonzero(some[width:].any(axis=0))[0]]))
        heads.check(some[:width], these)
        raw[block] = some[:width].T
    return raw


def _check_pairs(values: Pairs, rows: Rows, refused: Callable[[int], BadRequest]) -> None:
    bad = np.bitwise_or.reduce(values, axis=0) >= _NO_PAIR
    if bad.any():
        raise refused(int(rows[np.flatnonzero(bad)[0]]))


def _bytes_of(values: Pairs, out: Bytes) -> None:
    """Columns of pairs of symbols, four to a group, into columns of bytes, five to a group."""
    v0, v1, v2, v3 = (values[pair::4] for pair in range(4))
    after = np.vstack([v0[1:], np.zeros_like(v0[:1])])
    out[0::5] = (v0 & 0x1F) << 3 | v1 >> 7
    out[1::5] = (v1 & 0x7F) << 1 | v2 >> 9
    out[2::5] = v2 >> 1 & 0xFF
    out[3::5] = (v2 & 0x01) << 7 | v3 >> 3
    out[4::5] = (v3 & 0x07) << 5 | after >> 5


def _looked_up(table: Pairs, places: Pairs) -> Pairs:
    # No place lies outside of its table, and "clip" is what numpy checks in the least time.
    return np.take(table, places, mode="clip")


class _Heads:
    """Checks that bytes are CIDs: what comes before the digest is parsed once for all rows that share it.

    Of one width, the head (version, codec, hash and digest size) decides alone whether the bytes are a CID.
    """

    def __init__(self, refused: Callable[[int], BadRequest], versions: tuple[int, ...] = (0, 1)) -> None:
        self._refused, self._versions = refused, versions
        self._heads: list[bytes] = []

    def check(self, columns: Bytes, rows: Rows) -> None:
        """Raises for the first row, of CIDs as columns of bytes, that is none."""
        valid = np.zeros(columns.shape[1], bool)
        for head in self._heads:
            valid |= _begins(columns, head)
        while not valid.all():
            at = int(np.argmin(valid))
            head = self._learn(columns[:, at].tobytes(), int(rows[at]))
            valid[at] = True
            if len(self._heads) < MAX_HEADS:
                self._heads.append(head)
                valid |= _begins(columns, head)

    def _learn(self, raw: bytes, row: int) -> bytes:
        try:
            cid = CID.from_bytes(raw)
        except BadRequest:
            raise self._refused(row) from None
        if cid.version not in self._versions:
            raise self._refused(row)
        return raw[: len(raw) - len(cid.digest)]


def _begins(columns: Bytes, head: bytes) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = columns[0] == head[0]
    for column, byte in zip(columns[1:], head[1:], strict=False):
        same &= column == byte
    return same


# -- Arrow's buffers ----------------------------------------------------------------------------------


def _flat(column: pa.Array, *wanted: Any) -> tuple[pa.Array, Bytes, Rows]:
    """A column as an array of one of the types wanted, its bytes, and where each row starts."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.type not in wanted:
        column = column.cast(wanted[0])
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise BadRequest("cid", f"row {row} has no CID")
    _, offsets, data = column.buffers()
    size = np.int64 if column.type == wanted[0] else np.int32
    starts = np.zeros(1, np.int64)
    if len(column):
        starts = np.frombuffer(offsets, size)[column.offset : column.offset + len(column) + 1].astype(
            np.int64
        )
    return column, np.frombuffer(data or b"", np.uint8), starts


def _by_length(starts: Rows) -> Iterator[tuple[Rows, int]]:
    """The rows of each length."""
    lengths = np.diff(starts)
    if not len(lengths):
        return
    if (lengths == lengths[0]).all():
        yield np.arange(len(lengths), dtype=np.int64), int(lengths[0])
        return
    for length in np.unique(lengths).tolist():
        yield np.flatnonzero(lengths == length).astype(np.int64), length


def _gather(data: Bytes, starts: Rows, rows: Rows, length: int) -> Bytes:
    """These rows, all of one length, (rows, length)."""
    first, last = int(starts[rows[0]]), int(starts[rows[-1]])
    if last - first == length * (len(rows) - 1) and rows[-1] - rows[0] == len(rows) - 1:
        return data[first : last + length].reshape(len(rows), length)
    found: Bytes = data[starts[rows][:, None] + np.arange(length)]
    return found


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK_ROWS, count)) for start in range(0, count, BLOCK_ROWS))


def _strings(text: Bytes) -> pa.Array:
    """Rows of ASCII characters as a string array over the same memory."""
    count, chars = text.shape
    large = text.size >= 2**31
    offsets = np.arange(count + 1, dtype=np.int64 if large else np.int32) * chars
    kind = pa.large_string() if large else pa.string()
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _joined(parts: list[Cids]) -> Cids:
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    return Cids(rows[order], np.concatenate([part.raw for part in parts])[order])


# -- tables -------------------------------------------------------------------------------------------

_NO_PAIR = 0x8000


def _pairs() -> tuple[Pairs, Pairs]:
    """From ten bits to two symbols, as they lie in memory, and back; `_NO_PAIR` for what is none."""
    symbols = np.frombuffer(ALPHABET, np.uint8)
    both = np.stack([np.repeat(symbols, 32), np.tile(symbols, 32)], axis=1)
    pairs = np.ascontiguousarray(both).view(np.uint16).ravel()
    values = np.full(1 << 16, _NO_PAIR, np.uint16)
    values[pairs] = np.arange(1 << 10)
    return pairs, values


_PAIRS, _VALUES = _pairs()
_SYMBOLS = ALPHABET + bytes(256 - len(ALPHABET))
_DIGITS = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[ALPHABET.index(byte)] if byte in ALPHABET else ord("!")
    for byte in range(256)
)
# 59 digits are the prefix, 288 bits and two of padding. Given are all but the seven bits of the codec and the
# 256 of the digest.
_USUAL = (0x01_01_00_12_20 << 256) << 2
_USUAL_MASK = ((0xFF_FF_80_FF_FF << 256) << 2) | 0b11
