"""The Parquet files of a run: opened when they are first needed, and read by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..columns import TIERS
from .files import checksum
from .manifest import FileEntry, RunEntry
from .partition import CHUNK, Partition
from .segment import INVALID, PINNED, TIER_SHIFT
from .store import Shared

__all__ = ["RunFiles", "one_array", "plain", "run_folder"]


def run_folder(folder: Path, number: int) -> Path:
    return folder / f"run-{number:08d}"


class RunFiles:
    """The Parquet files of one run."""

    def __init__(self, folder: Path, entry: RunEntry, shared: Shared) -> None:
        self.folder, self.entry, self.shared = run_folder(folder, entry.number), entry, shared
        self._parts: list[Partition] | None = None
        self._cold: list[Partition] = []
        # Row groups that nothing can be read of any more, until the run is written anew.
        self.lost_groups: set[int] = set()

    @property
    def parts(self) -> list[Partition]:
        if self._parts is None:
            self._open_parts()
        return self._parts  # type: ignore[return-value]

    @property
    def cold_parts(self) -> list[Partition]:
        if self._parts is None:
            self._open_parts()
        return self._cold

    def forget_parts(self) -> None:
        """Open the Parquet files anew, after a repair."""
        self._parts = None

    def _open_parts(self) -> None:
        entry = self.entry
        path = self.folder / entry.chunks.name
        raw = path.read_bytes() if path.exists() else b""
        if len(raw) != entry.chunks.size or checksum(raw) != entry.chunks.checksum:
            raise self.shared.damages.found(f"{self.folder.name}/{entry.chunks.name}", "content")
        chunks, at, opened = np.frombuffer(raw, CHUNK), 0, []
        dictionary = {entry.names[number] for number in entry.dictionary}
        for file, names, shape in self.shapes():
            size = shape[0] * shape[1]
            piece, at = chunks[at : at + size].reshape(shape), at + size
            texts = [name for name in names if name in dictionary]
            opened.append(Partition(self.folder, file, piece, texts, self.shared.damages, self.shared.opened))
        self._cold = opened[len(entry.parts) :]
        self._parts = opened[: len(entry.parts)]

    def shapes(self) -> Iterator[tuple[FileEntry, list[str], tuple[int, int]]]:
        """Each Parquet file with its columns and its numbers of row groups and of leaf columns."""
        entry = self.entry
        main = [name for number, name in entry.names.items() if number not in entry.cold_columns]
        cold = [entry.names[number] for number in entry.cold_columns]
        for files, names in ((entry.parts, main), (entry.cold, cold)):
            for file in files:
                yield file, names, (-(-file.rows // entry.row_group_rows), self._leaf_counts(names))

    def _leaf_counts(self, names: Sequence[str]) -> int:
        numbers = {name: number for number, name in self.entry.names.items()}
        types = {column.number: column.type for column in self.shared.columns}
        return sum(2 if pa.types.is_map(types[numbers[name]]) else 1 for name in names)

    def of(self, number: int) -> list[Partition]:
        """The files that have a column."""
        return self.cold_parts if number in self.entry.cold_columns else self.parts

    def read_group(self, group: int, numbers: Sequence[int]) -> dict[int, pa.ChunkedArray]:
        """Columns of one row group."""
        part, inside = divmod(group, self.entry.part_rows // self.entry.row_group_rows)
        return self._read(part, numbers, [inside])

    def read_rows(self, numbers: Sequence[int], start: int, stop: int) -> dict[int, pa.Array]:
        """Stored columns at consecutive rows. Rows of lost row groups are null."""
        types = {column.number: column.type for column in self.shared.columns}
        found: dict[int, list[pa.Array]] = {number: [] for number in numbers}
        for part, groups, low, high in self._spans(start, stop):
            first = groups.start + part * (self.entry.part_rows // self.entry.row_group_rows)
            lost = first in self.lost_groups
            read = {} if lost else self._read(part, numbers, groups)
            for number in numbers:
                if lost:
                    found[number].append(pa.nulls(high - low, types[number]))
                else:
                    array = plain(one_array(read[number].slice(low, high - low)))
                    found[number].append(array if array.type == types[number] else array.cast(types[number]))
        return {number: pa.concat_arrays(arrays) for number, arrays in found.items()}

    def read_hot(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """The hot columns as of when the run was written, as they are kept but for the score."""
        numbers = {column.name: column.number for column in self.shared.columns if column.kind == "hot"}
        pieces: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in numbers}
        for part, groups, low, high in self._spans(start, stop):
            read = self._read(part, list(numbers.values()), groups)
            for name, number in numbers.items():
                pieces[name].append(_numbers(plain(one_array(read[number].slice(low, high - low)))))
        shown = {name: np.concatenate(arrays) for name, arrays in pieces.items()}
        shown["last_accessed"] = shown["last_accessed"] / 1000
        flags = shown["is_pinned"] * PINNED | (1 - shown["valid"]) * INVALID
        shown["flags"] = (flags | shown["storage_tier"] << TIER_SHIFT).astype(np.uint8)
        return shown

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, range, int, int]]:
        """Consecutive rows as a partition's row groups, and the rows of these, all lost or none."""
        entry, group_rows = self.entry, self.entry.row_group_rows
        while start < stop:
            part, low = divmod(start, entry.part_rows)
            high = min(entry.part_rows, low + stop - start)
            if self.lost_groups:
                high = min(high, (low // group_rows + 1) * group_rows)
            first = low // group_rows
            groups = range(first, -(-high // group_rows))
            yield part, groups, low - first * group_rows, high - first * group_rows
            start += high - low

    def _read(self, part: int, numbers: Sequence[int], groups: Sequence[int]) -> dict[int, pa.ChunkedArray]:
        found: dict[int, pa.ChunkedArray] = {}
        names, cold = self.entry.names, set(self.entry.cold_columns)
        for parts, some in (
            (self.parts, [number for number in numbers if number not in cold]),
            (self.cold_parts, [number for number in numbers if number in cold]),
        ):
            if some:
                table = parts[part].read([names[number] for number in some], groups)
                found |= {number: table.column(names[number]) for number in some}
        return found


def plain(array: pa.Array) -> pa.Array:
    """Without a dictionary."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def one_array(chunked: pa.ChunkedArray) -> pa.Array:
    """The chunks as one."""
    if chunked.num_chunks == 1:
        return chunked.chunk(0)
    return pa.concat_arrays(chunked.chunks) if chunked.num_chunks else pa.array([], chunked.type)


def _numbers(array: pa.Array) -> npt.NDArray[Any]:
    """A hot column as numbers: times in milliseconds, tiers by place."""
    if array.type == pa.string():
        return np.array([TIERS.index(tier) for tier in array.to_pylist()], np.int64)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64()).fill_null(0)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int64())
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
