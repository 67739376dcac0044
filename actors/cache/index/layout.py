"""How runs are laid out: what a workload changes about the files, and never about the rows in them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The layout of runs written from now on; older runs keep theirs until they are compacted.

    Attributes:
        row_group_rows: rows per Parquet row group: what one cold row costs to read.
        partition_rows: rows per Parquet file at most.
        compression: codec of the columns that this index reads single rows of. `cid_compression` is that of
            `cid`, whose text holds five bits in each byte, which only an entropy coder takes out again; of
            the hot columns, which this index keeps elsewhere; and of the `dense` ones.
        dense: columns that shrink much more under an entropy coder than they cost in time.
        dictionary: columns with few distinct values, written as dictionaries.
        resident: columns that are decoded once and stay in memory.
        cold: columns that nobody reads, kept in a Parquet file of their own beside each partition.
        indexes: columns with a secondary index: the row numbers in the column's order.
    """

    row_group_rows: int = 1024
    partition_rows: int = 100_000
    compression: str = "lz4"
    cid_compression: str = "zstd"
    dense: tuple[str, ...] = ("filename",)
    dictionary: tuple[str, ...] = ("mimetype", "extension", "source", "codec", "multihash_type", "node")
    resident: tuple[str, ...] = ("size_bytes", "mimetype")
    cold: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
