"""The key file of a run: the binary CIDs of all rows, sorted, so that a CID is found without touching
Parquet.

    magic | for each group: numbers (8 bytes a row), tails | checksums of blocks | directory | trailer

A block is `BLOCK_ROWS` rows of one group. It is checked before the first use of what lies in it, so opening
costs nothing and a damaged byte is never believed.
"""

from __future__ import annotations

import mmap
import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import orjson
import xxhash

from .damage import Damages
from .files import checksum, view_of, write_all
from .keys import Bytes, Group, Numbers

__all__ = ["BLOCK_ROWS", "BlockSums", "KeyFile", "KeyFileWriter"]

Rows = npt.NDArray[np.int64]

BLOCK_ROWS = 4096
MAGIC = b"CIDKEYS1"
TRAILER_BYTES = 24
# From so many rows with one number on, they are searched instead of walked.
MANY_TIES = 16
# Many numbers are searched for by interpolation in groups of so many rows, and then so near to the guess.
SEARCHED_ROWS, SEARCH_NEAR = 1024, 16


class BlockSums:
    """The checksums of consecutive blocks of a stream of bytes."""

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = max(block_bytes, 1)
        self._hash, self._filled = xxhash.xxh3_64(), 0
        self.sums: list[int] = []

    def update(self, data: memoryview) -> None:
        while len(data):
            piece = data[: self._block_bytes - self._filled]
            self._hash.update(piece)
            self._filled += len(piece)
            data = data[len(piece) :]
            if self._filled == self._block_bytes:
                self._close()

    def finish(self) -> npt.NDArray[np.uint64]:
        if self._filled:
            self._close()
        return np.array(self.sums, np.uint64)

    def _close(self) -> None:
        self.sums.append(self._hash.intdigest())
        self._hash.reset()
        self._filled = 0


class KeyFileWriter:
    """Writes groups piece by piece; how many rows each has must be known before."""

    def __init__(self, path: Path, groups: Sequence[tuple[bytes, int, int]]) -> None:
        """`groups`: prefix, digest bytes and rows of each, in order of prefix."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._places: dict[bytes, list[int]] = {}
        self._sums: dict[bytes, tuple[BlockSums, BlockSums]] = {}
        self._groups = groups
        at = len(MAGIC)
        for prefix, digest_bytes, rows in groups:
            width = max(0, digest_bytes - 8)
            self._places[prefix] = [at, at + 8 * rows]
            self._sums[prefix] = BlockSums(8 * BLOCK_ROWS), BlockSums(width * BLOCK_ROWS)
            at += _aligned(8 * rows + width * rows)
        self._end = at
        write_all(self._fd, MAGIC, 0)

    def append(self, group: Group) -> None:
        """The next rows of a group."""
        for part, data in enumerate([group.numbers.view(np.uint8), group.tails]):
            raw = view_of(np.ascontiguousarray(data)).cast("B") if data.size else memoryview(b"")
            write_all(self._fd, raw, self._places[group.prefix][part])
            self._sums[group.prefix][part].update(raw)
            self._places[group.prefix][part] += len(raw)

    def finish(self) -> None:
        """Write checksums and directory, and sync."""
        at, sums, groups, place = self._end, b"", [], len(MAGIC)
        for prefix, digest_bytes, rows in self._groups:
            groups.append([prefix.hex(), digest_bytes, rows, place])
            place += _aligned(max(8, digest_bytes) * rows)
            numbers, tails = self._sums[prefix]
            sums += numbers.finish().tobytes() + tails.finish().tobytes()
        directory = orjson.dumps({"groups": groups, "sums_at": at, "sums": checksum(sums)})
        trailer = len(directory).to_bytes(8, "little") + checksum(directory).to_bytes(8, "little") + MAGIC
        write_all(self._fd, sums + directory + trailer, at)
        os.fsync(self._fd)
        self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        # A writer that failed is not finished.
        self._close()


def _aligned(size: int) -> int:
    return -(-size // 8) * 8


class _GroupIndex:
    """The rows of one prefix in the mapped file."""

    def __init__(
        self, file: KeyFile, prefix: bytes, digest_bytes: int, rows: int, at: int, first_row: int,
        sums: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]],
    ) -> None:  # fmt: skip
        self.prefix, self.digest_bytes, self.rows, self.first_row = prefix, digest_bytes, rows, first_row
        self._file, self._map, self.width = file, file.map, max(0, digest_bytes - 8)
        self._at, self._tails_at = at, at + 8 * rows
        self.view = memoryview(file.map)[at : at + 8 * rows].cast("Q")
        self.numbers: Numbers = np.frombuffer(file.map, np.uint64, rows, at)
        tails = np.frombuffer(file.map, np.uint8, rows * self.width, self._tails_at)
        self.tails: Bytes = tails.reshape(rows, self.width)
        # Eight bytes at a time they are compared in less than half the time.
        self._words = self.tails.view(np.uint64) if self.width and self.width % 8 == 0 else None
        # Digests are uniform, so a number's place is known up to some standard deviations.
        self._window = 2 * int(rows**0.5) + 8
        self._near = 2 * int(rows**0.25) + 8
        blocks = -(-rows // BLOCK_ROWS)
        self._sums = sums
        self._checked = (bytearray(blocks), bytearray(blocks))
        self._numbers_checked = False

    def __len__(self) -> int:
        return self.rows

    def doubt(self) -> None:
        """Check every block again before its next use."""
        for checked in self._checked:
            checked[:] = bytes(len(checked))
        self._numbers_checked = False

    def find(self, number: int, tail: bytes) -> int:
        """The row of a key in the group, -1 if it is not there."""
        rows, view = self.rows, self.view
        if self._numbers_checked:
            guess = number * rows >> 64
            # What lies here says how far the guess is off; from so near the next one is better.
            guess += (number - view[guess]) * rows >> 64
            low = guess - self._near
            high = guess + self._near
            if low < 0 or high >= rows or view[low] >= number or view[high] < number:
                low, high = self._widened(number)
        else:
            low, high = self._widened(number)
        at = bisect_left(view, number, low, high)
        if at >= rows or view[at] != number:
            return -1
        if not self._checked[1][at >> 12]:
            self._check(1, at, at + 1)
        width, start = self.width, self._tails_at + at * self.width
        file = self._file
        here = os.pread(file.fd, width, start) if file.spares_memory else self._map[start : start + width]
        if here == tail:
            return at
        return self._find_tied(number, tail, at)

    def finder(self) -> Callable[[bytes], int]:
        """What finds the row of nearly every key of the group in half the time of `find`.

        It finds keys whose numbers lie where those around them say, and whose tails have been checked; for
        all others, here or not, it gives -1. Its variables are those of a closure because attributes would
        take a third of its time.
        """
        rows, view, raw, width, tails_at = self.rows, self.view, self._map, self.width, self._tails_at
        start, stop = len(self.prefix), len(self.prefix) + 8
        near, last = self._near, rows - self._near
        prefix, checked, from_bytes = self.prefix, self._checked[1], int.from_bytes
        first_row = self.first_row

        def find(key: bytes) -> int:
            number = from_bytes(key[start:stop], "big")
            guess = number * rows >> 64
            guess += (number - view[guess]) * rows >> 64
            if not near <= guess < last:
                return -1
            at = bisect_left(view, number, guess - near, guess + near)
            if view[at] != number or not checked[at >> 12]:
                return -1
            tail_at = tails_at + at * width
            found = prefix + key[start:stop] + raw[tail_at : tail_at + width]
            return at + first_row if found == key else -1

        return find

    def _widened(self, number: int) -> tuple[int, int]:
        """Where a number must be, if not as near as it should."""
        rows, view, window = self.rows, self.view, self._window
        guess = number * rows >> 64
        low, high = max(0, guess - window), min(rows, guess + window)
        self._check(0, low - 1, high + 1)
        if (low and view[low - 1] >= number) or (high < rows and view[high] < number):
            self._check(0, 0, rows)
            return 0, rows
        return low, high

    def _find_tied(self, number: int, tail: bytes, at: int) -> int:
        """Several rows may have the number: they are in the order of their tails."""
        if at + MANY_TIES < self.rows and self.view[at + MANY_TIES] == number:
            self._check(0, 0, self.rows)
            stop = bisect_right(self.view, number, at, self.rows)
            at = bisect_left(range(stop), tail, at, stop, key=self._tail)
            return at if at < stop and self._tail(at) == tail else -1
        while at < self.rows and self.view[at] == number:
            if self._tail(at) == tail:
                return at
            at += 1
            self._check(0, at, at + 1)
        return -1

    def _tail(self, row: int) -> bytes:
        self._check(1, row, row + 1)
        start = self._tails_at + row * self.width
        return self._map[start : start + self.width]

    def find_many(self, numbers: Numbers, tails: Bytes) -> Rows:
        """The rows of keys whose numbers ascend, -1 for those that are not there."""
        if not self._numbers_checked:
            self._check(0, 0, self.rows)
        at = self._search(numbers)
        rows = np.minimum(at, self.rows - 1)
        near = self.numbers.take(rows) == numbers
        self.check_tails(rows)
        if self._words is not None:
            words = self._words.take(rows, axis=0) == np.ascontiguousarray(tails).view(np.uint64)
            same = near
            for column in words.T:  # three columns take half the time of a reduction over rows of three
                same = same & column
        else:
            same = near & (self.tails[rows] == tails).all(axis=1)
        if same.all():
            return rows
        rows[~same] = -1
        for miss in np.flatnonzero(near & ~same).tolist():
            rows[miss] = self._find_tied(int(numbers[miss]), tails[miss].tobytes(), int(at[miss]))
        return rows

    def _search(self, wanted: Numbers) -> Rows:
        """`np.searchsorted` of numbers that are nearly all here, in a third of its time."""
        numbers, rows = self.numbers, self.rows
        if rows < SEARCHED_ROWS:
            return np.searchsorted(numbers, wanted)
        scale = rows / 2.0**64
        at = np.minimum((wanted * scale).astype(np.int64), rows - 1)
        for _ in range(3):  # what lies there says how far the guess is off
            at += np.rint((wanted - numbers.take(at)).view(np.int64) * scale).astype(np.int64)
            at = np.clip(at, 0, rows - 1)
        at = np.clip(at - SEARCH_NEAR, 0, rows - 2 * SEARCH_NEAR)
        step = SEARCH_NEAR
        while step:  # bisection of all at once
            at += step * (numbers.take(at + (step - 1)) < wanted)
            step //= 2
        beyond = (numbers.take(at) != wanted) | (numbers.take(at - 1) == wanted)
        if beyond.any():
            at[beyond] = np.searchsorted(numbers, wanted[beyond])
        return cast(Rows, at)

    def check_tails(self, rows: Rows) -> None:
        """Check the tails at these rows, which ascend or are -1."""
        if self._checked[1].find(0) < 0:
            return
        blocks = np.unique(rows[rows >= 0] >> 12)
        for block in blocks.tolist():
            if not self._checked[1][block]:
                self._check(1, block << 12, (block << 12) + 1)

    def piece(self, start: int, stop: int) -> Group:
        """Rows of the group, checked."""
        self._check(1, start, stop)
        return Group(self.prefix, self.digest_bytes, self.numbers[start:stop], self.tails[start:stop])

    def keys(self, rows: Sequence[int]) -> list[bytes]:
        """The binary CIDs of some rows of the group, in any order."""
        checked = self._checked[1]
        for row in rows:
            if not checked[row >> 12]:
                self._check(1, row, row + 1)
        prefix, view, raw, fd = self.prefix, self.view, self._map, self._file.fd
        width, tails_at = self.width, self._tails_at
        starts = [tails_at + row * width for row in rows]
        if self._file.spares_memory:
            heads = [os.pread(fd, 8, self._at + 8 * row)[::-1] for row in rows]
            tails = [os.pread(fd, width, at) for at in starts]
        else:
            heads = [view[row].to_bytes(8, "big") for row in rows]
            tails = [raw[at : at + width] for at in starts]
        if self.digest_bytes < 8:
            heads = [head[: self.digest_bytes] for head in heads]
        return [prefix + head + tail for head, tail in zip(heads, tails, strict=True)]

    def all_numbers(self) -> Numbers:
        self._check(0, 0, self.rows)
        return self.numbers

    def number_at(self, row: int) -> int:
        self._check(0, row, row + 1)
        return int(self.view[row])

    def take(self, rows: Rows) -> Group:
        """Some rows of the group, ascending, checked."""
        if len(rows):
            self._check(0, int(rows[0]), int(rows[-1]) + 1)
            self.check_tails(rows)
        words = self._words
        tails = self.tails[rows] if words is None else words.take(rows, axis=0).view(np.uint8)
        return Group(self.prefix, self.digest_bytes, self.numbers.take(rows), tails)

    def _check(self, part: int, start: int, stop: int) -> None:
        """Check the blocks of these rows: part 0 numbers, part 1 tails and numbers."""
        if part == 1:
            self._check(0, start, stop)
        checked, start, stop = self._checked[part], max(start, 0), min(stop, self.rows)
        width, base = ((8, self._at), (self.width, self._tails_at))[part]
        for block in range(start >> 12, (stop + BLOCK_ROWS - 1) >> 12):
            if not checked[block]:
                first, last = block << 12, min((block + 1) << 12, self.rows)
                # Read instead of mapped: checking must not make the file resident.
                data = os.pread(self._file.fd, (last - first) * width, base + first * width)
                if width and checksum(data) != int(self._sums[part][block]):
                    name = ("numbers", "tails")[part]
                    raise self._file.damages.found(self._file.name, f"{name} of block {block}")
                checked[block] = 1
        if part == 0 and not self._numbers_checked and checked.find(0) < 0:
            self._numbers_checked = True


def _nothing(key: bytes) -> int:
    return -1


class KeyFile:
    """An open key file. Raises DamagedIndex when its directory, or a block that is needed, is damaged."""

    def __init__(self, path: Path, name: str, damages: Damages) -> None:
        self.name, self.damages, self.path = name, damages, path
        # Whether single rows are read instead of mapped: the kernel maps hundreds of KiB around each.
        self.spares_memory = False
        try:
            self.fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise damages.found(name, "missing") from None
        self._closing = threading.Lock()
        try:
            self.map = mmap.mmap(self.fd, 0, prot=mmap.PROT_READ)
            # Lookups read one page here and one there; reading ahead would make the whole file resident.
            self.map.madvise(mmap.MADV_RANDOM)
            self._groups = self._read_directory()
        except (ValueError, OSError, KeyError, TypeError):
            os.close(self.fd)
            raise damages.found(name, "directory") from None
        except BaseException:
            os.close(self.fd)
            raise
        self._starts = [group.first_row for group in self._groups]
        self._by_prefix = {group.prefix: group for group in self._groups}

    def __del__(self) -> None:
        # Snapshots may outlive the run; the last of them lets the file go.
        if hasattr(self, "_by_prefix"):
            os.close(self.fd)

    def release(self) -> None:
        """Let go of the pages in memory that lookups have read; they are read again when needed."""
        self.map.madvise(mmap.MADV_DONTNEED)

    def doubt(self) -> None:
        """The file has changed under the map: what was checked before says nothing now."""
        for group in self._groups:
            group.doubt()

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self._groups)

    @property
    def shapes(self) -> list[tuple[bytes, int, int]]:
        """Prefix, digest bytes and rows of each group."""
        return [(group.prefix, group.digest_bytes, group.rows) for group in self._groups]

    def finder(self) -> Callable[[bytes], int]:
        """What finds the rows of most keys of the largest group, fast; -1 for all others."""
        largest = max((group for group in self._groups if group.digest_bytes >= 8), key=len, default=None)
        return _nothing if largest is None else largest.finder()

    @property
    def finders(self) -> list[tuple[bytes, int, Callable[[int, bytes], int]]]:
        """For each prefix its first row, and what finds a row among its rows."""
        return [(group.prefix, group.first_row, group.find) for group in self._groups]

    def find(self, prefix: bytes, number: int, tail: bytes) -> int:
        """The row of a key as `keys.split` gives it, -1 if it is not here."""
        group = self._by_prefix.get(prefix)
        if group is None:
            return -1
        row = group.find(number, tail)
        return row if row < 0 else group.first_row + row

    def find_many(self, keys: Group) -> Rows:
        """The rows of a sorted group of keys, -1 for those that are not here."""
        group = self._by_prefix.get(keys.prefix)
        if group is None:
            return np.full(len(keys), -1, np.int64)
        rows = group.find_many(keys.numbers, keys.tails)
        if group.first_row:
            rows[rows >= 0] += group.first_row
        return rows

    def pieces(self, start: int, stop: int) -> Iterator[Group]:
        """The keys of consecutive rows, by group."""
        for group in self._groups:
            low, high = max(start - group.first_row, 0), min(stop - group.first_row, group.rows)
            if low < high:
                yield group.piece(low, high)

    def take(self, rows: Rows) -> list[Group]:
        """The keys of these rows, ascending, by group."""
        found = []
        for group in self._groups:
            first, last = np.searchsorted(rows, [group.first_row, group.first_row + group.rows])
            if first < last:
                found.append(group.take(rows[first:last] - group.first_row))
        return found

    def keys(self, rows: Sequence[int]) -> list[bytes]:
        """The binary CIDs of a few rows, in any order: up to some hundred in less time than `take`."""
        if len(self._groups) == 1:
            return self._groups[0].keys(rows)
        found = []
        for row in rows:
            group = self._groups[bisect_right(self._starts, row) - 1]
            found += group.keys([row - group.first_row])
        return found

    def bounds(self, prefix: bytes, numbers: Numbers) -> Rows:
        """Where these numbers would begin among the rows of a prefix, as rows of the run."""
        group = self._by_prefix.get(prefix)
        if group is None:
            return np.zeros(len(numbers), np.int64)
        return np.searchsorted(group.all_numbers(), numbers) + group.first_row

    def span(self, prefix: bytes) -> tuple[int, int]:
        """The first row of a prefix and the one after its last."""
        group = self._by_prefix.get(prefix)
        return (0, 0) if group is None else (group.first_row, group.first_row + group.rows)

    def number_at(self, row: int) -> int:
        """The number of a row."""
        group = self._groups[bisect_right(self._starts, row) - 1]
        return group.number_at(row - group.first_row)

    def _read_directory(self) -> list[_GroupIndex]:
        size = len(self.map)
        trailer = self.map[size - TRAILER_BYTES :]
        length = int.from_bytes(trailer[:8], "little")
        raw = self.map[size - TRAILER_BYTES - length : size - TRAILER_BYTES]
        if trailer[16:] != MAGIC or checksum(raw) != int.from_bytes(trailer[8:16], "little"):
            raise ValueError
        directory = orjson.loads(raw)
        at = directory["sums_at"]
        if checksum(self.map[at : size - TRAILER_BYTES - length]) != directory["sums"]:
            raise ValueError
        groups, first_row = [], 0
        for prefix, digest_bytes, rows, place in directory["groups"]:
            blocks = -(-rows // BLOCK_ROWS)
            tail_blocks = blocks if digest_bytes > 8 else 0
            numbers = np.frombuffer(self.map, np.uint64, blocks, at)
            tails = np.frombuffer(self.map, np.uint64, tail_blocks, at + 8 * blocks)
            at += 8 * (blocks + tail_blocks)
            groups.append(
                _GroupIndex(
                    self, bytes.fromhex(prefix), digest_bytes, rows, place, first_row, (numbers, tails)
                )
            )
            first_row += rows
        return groups
