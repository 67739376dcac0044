"""Binary CIDs as sort keys: a prefix (version, codec, hash, digest length) and a digest.

Prefixes are prefix-free, so the rows of one prefix are contiguous in the order of binary CIDs, and all of
them have digests of one length. A digest is kept as its first eight bytes, a number, and the rest, its tail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....schemas.varint import VarintError, read_varint
from .text import Cids, decode_cid, encode_each

__all__ = [
    "Group", "by_width", "concatenated", "group", "key_of", "same_as_next", "sort_order", "split", "text_of",
]  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

key_of = decode_cid


def text_of(key: bytes) -> str:
    """The canonical text of a binary CID."""
    return encode_each([key])[0]


def split(key: bytes) -> tuple[bytes, int, bytes]:
    """Prefix, number and tail of a binary CID; a key that is no CID is a prefix of its own."""
    if len(key) == 36 and key[2:4] == b"\x12\x20":
        return key[:4], int.from_bytes(key[4:12], "big"), key[12:]
    at = _prefix_bytes(key)
    head = key[at : at + 8]
    return key[:at], int.from_bytes(head.ljust(8, b"\0"), "big"), key[at + 8 :]


def _prefix_bytes(key: bytes) -> int:
    if key[:2] == b"\x12\x20":
        return 2
    try:
        at = 0
        for _ in range(4):
            size, at = read_varint(key, at)
    except VarintError:
        return len(key)
    return at if len(key) - at == size else len(key)


@dataclass(slots=True)
class Group:
    """Sorted rows of one prefix: `tails` has one row of bytes for each number."""

    prefix: bytes
    digest_bytes: int
    numbers: Numbers
    tails: Bytes

    def __len__(self) -> int:
        return len(self.numbers)

    def slice(self, start: int, stop: int) -> Group:
        return Group(self.prefix, self.digest_bytes, self.numbers[start:stop], self.tails[start:stop])

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Group:
        return Group(self.prefix, self.digest_bytes, self.numbers[rows], self.tails[rows])

    def matrix(self) -> Bytes:
        """The binary CIDs, one row each."""
        start, head = len(self.prefix), min(8, self.digest_bytes)
        out = np.empty((len(self), start + self.digest_bytes), np.uint8)
        out[:, :start] = np.frombuffer(self.prefix, np.uint8)
        out[:, start : start + head] = _big_endian(self.numbers)[:, :head]
        out[:, start + head :] = self.tails
        return out

    def as_bytes(self) -> list[bytes]:
        """The binary CIDs."""
        width, raw = len(self.prefix) + self.digest_bytes, self.matrix().tobytes()
        return [raw[at : at + width] for at in range(0, len(raw), width)]


def _big_endian(numbers: Numbers) -> Bytes:
    return numbers.astype(">u8").view(np.uint8).reshape(len(numbers), 8)


def concatenated(groups: Sequence[Group]) -> Group:
    """One group of several with the same prefix, in their order."""
    first = groups[0]
    if len(groups) == 1:
        return first
    return Group(
        first.prefix,
        first.digest_bytes,
        np.concatenate([part.numbers for part in groups]),
        np.concatenate([part.tails for part in groups]),
    )


def sort_order(unsorted: Group) -> Rows:
    """The order that sorts a group, equal ones in the order they came."""
    order = np.argsort(unsorted.numbers, kind="stable")
    numbers = unsorted.numbers[order]
    equal = np.flatnonzero(numbers[1:] == numbers[:-1])
    if len(equal):
        _order_ties(order, equal, unsorted.tails)
    return order


def _order_ties(order: Rows, equal: Rows, tails: Bytes) -> None:
    breaks = np.flatnonzero(np.diff(equal) > 1)
    starts = equal[np.concatenate([[0], breaks + 1])]
    stops = equal[np.concatenate([breaks, [len(equal) - 1]])] + 2
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        tied = order[start:stop].tolist()
        order[start:stop] = sorted(tied, key=lambda row: tails[row].tobytes())


def same_as_next(ordered: Group) -> npt.NDArray[np.bool_]:
    """Which rows of a sorted group have the same CID as the row after them."""
    same = np.zeros(len(ordered), np.bool_)
    same[:-1] = ordered.numbers[1:] == ordered.numbers[:-1]
    at = np.flatnonzero(same)
    if len(at):
        same[at] = (ordered.tails[at] == ordered.tails[at + 1]).all(axis=1)
    return same


def by_width(keys: Sequence[bytes]) -> list[Cids]:
    """Keys, which need not be CIDs, as one matrix for each width."""
    if len(set(map(len, keys))) == 1:
        matrix = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), len(keys[0]))
        return [Cids(np.arange(len(keys)), matrix)]
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    found = []
    for width in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == width)
        joined = b"".join([keys[row] for row in rows.tolist()])
        found.append(Cids(rows, np.frombuffer(joined, np.uint8).reshape(len(rows), width)))
    return found


def group(cids: Sequence[Cids]) -> list[tuple[Group, Rows]]:
    """Keys by prefix: each group in the order given, and the places its keys had; in order of prefix."""
    found: dict[bytes, tuple[list[Rows], list[Bytes]]] = {}
    for places, matrix in cids:
        for prefix, chosen in _by_prefix(matrix):
            rows, digests = found.setdefault(prefix, ([], []))
            rows.append(places if chosen is None else places[chosen])
            digests.append(matrix[:, len(prefix) :] if chosen is None else matrix[chosen, len(prefix) :])
    return [
        (_group_of(prefix, np.concatenate(digests)), np.concatenate(rows))
        for prefix, (rows, digests) in sorted(found.items())
    ]


def _by_prefix(matrix: Bytes) -> Iterator[tuple[bytes, Rows | None]]:
    """Prefixes of rows of one length, with the rows that have each (None: all)."""
    count, length = matrix.shape
    others = np.arange(count)
    if 4 <= length < 0x84 and count:
        heads = np.ascontiguousarray(matrix[:, :4]).view(np.uint32).ravel()
        if (heads == heads[0]).all() and _is_usual(matrix[0].tolist(), length):
            yield matrix[0, :4].tobytes(), None
            return
        usual = (matrix[:, 0] == 1) & (matrix[:, 1] < 0x80) & (matrix[:, 2] < 0x80)
        usual &= matrix[:, 3] == length - 4
        for head in np.unique(heads[usual]).tolist():
            yield int(head).to_bytes(4, "little"), np.flatnonzero(usual & (heads == head))
        others = np.flatnonzero(~usual)
    slow: dict[bytes, list[int]] = {}
    for row in others.tolist():
        key = matrix[row].tobytes()
        slow.setdefault(key[: _prefix_bytes(key)], []).append(row)
    for prefix, rows in slow.items():
        yield prefix, np.array(rows, np.int64)


def _is_usual(key: list[int], length: int) -> bool:
    """Whether the prefix has four bytes."""
    return key[0] == 1 and key[1] < 0x80 and key[2] < 0x80 and key[3] == length - 4


def _group_of(prefix: bytes, digests: Bytes) -> Group:
    count, width = digests.shape
    heads = np.zeros((count, 8), np.uint8)
    heads[:, : min(8, width)] = digests[:, :8]
    numbers = heads.view(">u8").ravel().astype(np.uint64)
    return Group(prefix, width, numbers, np.ascontiguousarray(digests[:, 8:]))
