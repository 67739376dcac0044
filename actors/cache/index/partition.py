"""One Parquet file of a run: written for every Parquet reader, and read here with each byte checked.

The checksum of every column chunk of every row group is kept beside the file, so that what is read is known
to be what was written, whatever Parquet's own optional checksums cover.
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import HOT
from .damage import Damages
from .files import checksum, step, sync_file
from .layout import Layout
from .manifest import FileEntry

__all__ = ["CHUNK", "Chunks", "Opened", "Partition", "chunks_of", "write_partition"]

CHUNK = np.dtype([("at", "<u8"), ("size", "<u4"), ("sum", "<u8")])
# Row groups by leaf columns.
Chunks = npt.NDArray[np.void]
# What this many bits a key cost: with row groups of 1024 rows the filter is 1 KiB.
BLOOM_FALSE_POSITIVES = 0.03
# Row groups that are read before their pages are let go of.
MOST_READS = 32
# Files that are open at a time; the footer of 100 row groups takes 6 MB then.
MOST_OPENED, FEW_OPENED = 12, 3


def write_partition(path: Path, table: pa.Table, layout: Layout) -> tuple[FileEntry, Chunks]:
    """Write rows, sorted by binary CID, and give the file's entry and its column chunks."""
    step("parquet")
    found: list[pq.FileMetaData] = []
    bloom = {"cid": {"ndv": layout.row_group_rows, "fpp": BLOOM_FALSE_POSITIVES}}
    with pq.ParquetWriter(
        str(path),
        table.schema,
        compression=_compression(table.schema, layout),
        use_dictionary=[name for name in table.schema.names if _is_dictionary(name, table.schema, layout)],
        column_encoding=_encodings(table.schema, layout),
        write_page_checksum=True,
        bloom_filter_options=bloom if "cid" in table.schema.names else None,
        metadata_collector=found,
    ) as writer:
        writer.write_table(table, row_group_size=layout.row_group_rows)
    sync_file(path)
    with pa.memory_map(str(path)) as file:
        data = memoryview(file.read_buffer())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    entry = FileEntry(path.name, len(data), checksum(data), checksum(data[-footer:]), footer, len(table))
    return entry, _chunks(found[0], data)


def _is_dictionary(name: str, schema: pa.Schema, layout: Layout) -> bool:
    plain = not pa.types.is_nested(schema.field(name).type)
    return plain and (name in layout.dictionary or name == "storage_tier")


def _compression(schema: pa.Schema, layout: Layout) -> dict[str, str]:
    codecs = {}
    dense = {"cid", *HOT, *layout.dense}
    for leaf in _leaves(schema):
        is_dense = leaf.split(".", 1)[0] in dense
        codecs[leaf] = layout.cid_compression if is_dense else layout.compression
    return codecs


def _leaves(schema: pa.Schema) -> list[str]:
    """Leaf columns by Parquet path."""
    found = []
    for field in schema:
        if pa.types.is_list(field.type):
            found.append(f"{field.name}.list.element")
        elif pa.types.is_map(field.type):
            found += [f"{field.name}.key_value.key", f"{field.name}.key_value.value"]
        else:
            found.append(field.name)
    return found


def _encodings(schema: pa.Schema, layout: Layout) -> dict[str, str]:
    """Encodings that take out what block compressors do not see: differences, and bytes of like weight."""
    encodings = {}
    for field in schema:
        if _is_dictionary(field.name, schema, layout):
            continue
        if pa.types.is_timestamp(field.type) or field.type in (pa.int32(), pa.int64()):
            encodings[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_floating(field.type):
            encodings[field.name] = "BYTE_STREAM_SPLIT"
    return encodings


def chunks_of(path: Path) -> Chunks:
    """The column chunks of a file that is whole."""
    with pa.memory_map(str(path)) as file:
        data = memoryview(file.read_buffer())
    return _chunks(pq.read_metadata(path), data)


def _chunks(metadata: pq.FileMetaData, data: memoryview) -> Chunks:
    chunks = np.zeros((metadata.num_row_groups, metadata.num_columns), CHUNK)
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for leaf in range(metadata.num_columns):
            column = columns.column(leaf)
            at = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset:
                at = min(at, column.dictionary_page_offset)
            size = column.total_compressed_size
            chunks[group, leaf] = at, size, checksum(data[at : at + size])
    return chunks


class Opened:
    """The Parquet files that are open, the least recently opened ones closed beyond a number."""

    def __init__(self) -> None:
        self._files: deque[Partition] = deque()
        self._met: WeakSet[Partition] = WeakSet()

    def add(self, partition: Partition) -> None:
        self._files.append(partition)
        self._met.add(partition)
        # Where not nearly all can stay open, few of those that do are asked for again in time.
        limit = MOST_OPENED if len(self._met) <= MOST_OPENED else FEW_OPENED
        while len(self._files) > limit:
            self._files.popleft().close()


class _Content(NamedTuple):
    """What an open file is read through; `leaves` has the leaf columns of each column."""

    file: pq.ParquetFile
    map: mmap.mmap
    data: memoryview
    leaves: dict[str, list[int]]


class Partition:
    """An open Parquet file. Raises DamagedIndex where what is to be read is damaged."""

    def __init__(
        self,
        folder: Path,
        entry: FileEntry,
        chunks: Chunks,
        dictionary: Sequence[str],
        damages: Damages,
        opened: Opened,
    ) -> None:
        self.path, self.entry, self.name = folder / entry.name, entry, f"{folder.name}/{entry.name}"
        self._chunks, self._dictionary, self._damages = chunks, list(dictionary), damages
        self._opened, self._reads = opened, 0
        self._lock = threading.Lock()
        self._content: _Content | None = None

    def read(self, names: Sequence[str], groups: Sequence[int], *, threads: bool = False) -> pa.Table:
        """These columns of these row groups."""
        with self._lock:
            content = self._content or self._open()
            file, leaves = content.file, [leaf for name in names for leaf in content.leaves[name]]
            for group in groups:
                self._check(content.data, group, leaves)
            try:
                if len(groups) == 1:
                    return file.reader.read_row_group(groups[0], column_indices=leaves, use_threads=threads)
                return file.reader.read_row_groups(list(groups), column_indices=leaves, use_threads=threads)
            except (OSError, pa.ArrowException) as error:
                part = f"row groups {groups[0]} to {groups[-1]}: {error}"
                raise self._damages.found(self.name, part) from error
            finally:
                self._release(content, len(groups))

    def _release(self, content: _Content, groups: int) -> None:
        """What was read is decoded now: its pages need not stay in this process's memory."""
        self._reads += groups
        if self._reads >= MOST_READS:
            self._reads = 0
            content.map.madvise(mmap.MADV_DONTNEED)
        if groups >= MOST_READS:
            self.close()  # the whole of it has been read

    def damaged_groups(self) -> list[int]:
        """The row groups of which a byte is damaged; all of them where the footer is."""
        with self._lock:
            try:
                size = self.path.stat().st_size
            except FileNotFoundError:
                size = -1
            if size != self.entry.size:
                return list(range(len(self._chunks)))
            with pa.memory_map(str(self.path)) as file:
                data = memoryview(file.read_buffer())
            if checksum(data[-self.entry.footer_size :]) != self.entry.footer:
                return list(range(len(self._chunks)))
            return [
                group for group, leaves in enumerate(self._chunks)
                if any(checksum(data[at : at + size]) != total for at, size, total in leaves.tolist())
            ]  # fmt: skip

    def bounds(self, name: str) -> list[tuple[int | float, int | float] | None]:
        """The least and greatest value of a numeric column in each row group, times in milliseconds."""
        with self._lock:
            content = self._content or self._open()
            metadata, leaf = content.file.metadata, content.leaves[name][0]
            found: list[tuple[int | float, int | float] | None] = []
            for group in range(metadata.num_row_groups):
                statistics = metadata.row_group(group).column(leaf).statistics
                known = statistics is not None and statistics.has_min_max
                found.append((statistics.min_raw, statistics.max_raw) if known else None)
            self.close()
            return found

    def close(self) -> None:
        """Forget the open file and its pages: they take a thousand times the memory of this object."""
        self._content = None

    def _open(self) -> _Content:
        entry = self.entry
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            raise self._damages.found(self.name, "missing") from None
        if size != entry.size:
            raise self._damages.found(self.name, "size")
        with self.path.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
        data = memoryview(mapped)
        if checksum(data[-entry.footer_size :]) != entry.footer:
            raise self._damages.found(self.name, "footer")
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(mapped)), read_dictionary=self._dictionary)
        leaves: dict[str, list[int]] = {}
        # Not from the metadata's schema: the two would hold each other, and the footer, after this is closed.
        for leaf, path in enumerate(file.reader.column_paths):
            leaves.setdefault(path[0], []).append(leaf)
        self._content = content = _Content(file, mapped, data, leaves)
        self._opened.add(self)
        return content

    def _check(self, data: memoryview, group: int, leaves: Sequence[int]) -> None:
        chunks = self._chunks[group]
        for leaf in leaves:
            at, size, total = chunks[leaf].item()
            if checksum(data[at : at + size]) != total:
                raise self._damages.found(self.name, f"row group {group}, column {leaf}")
