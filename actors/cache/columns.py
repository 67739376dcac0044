"""The columns of the CID index: their names, types, and where each is kept.

`key` is the CID itself. `hot` columns change with every access or pin and live in mapped arrays. `static`
ones live in Parquet runs and change by a new version of the row. A column has a number besides its name, so
that it can be renamed, widened or added without a run being rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

__all__ = ["BUILT_IN", "HOT", "Column", "Columns", "Kind", "TIERS"]

Kind = Literal["key", "hot", "static"]

TIMESTAMP = pa.timestamp("ms", "UTC")
PROPERTIES = pa.map_(pa.string(), pa.string())
# Where the content of a CID is at hand, from far to near; `storage_tier` is one of these.
TIERS = ("ipfs", "disk", "memory")


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `number` is the Parquet field id in every run."""

    number: int
    name: str
    type: pa.DataType
    kind: Kind = "static"


BUILT_IN = (
    Column(1, "cid", pa.string(), "key"),
    Column(2, "size_bytes", pa.int64()),
    Column(3, "mimetype", pa.string()),
    Column(4, "filename", pa.string()),
    Column(5, "extension", pa.string()),
    Column(6, "storage_tier", pa.string(), "hot"),
    Column(7, "is_pinned", pa.bool_(), "hot"),
    Column(8, "local_path", pa.string()),
    Column(9, "added_timestamp", TIMESTAMP),
    Column(10, "last_accessed", TIMESTAMP, "hot"),
    Column(11, "access_count", pa.int32(), "hot"),
    Column(12, "heat_score", pa.float32(), "hot"),
    Column(13, "source", pa.string()),
    Column(14, "source_details", pa.string()),
    Column(15, "cid_version", pa.int8()),
    Column(16, "multihash_type", pa.string()),
    Column(17, "valid", pa.bool_(), "hot"),
    Column(18, "validation_timestamp", TIMESTAMP),
    Column(19, "properties", PROPERTIES),
    Column(20, "codec", pa.string()),
    Column(21, "tags", pa.list_(pa.string())),
    Column(22, "node", pa.string()),
)
HOT = tuple(column.name for column in BUILT_IN if column.kind == "hot")
# Numbers of columns that users add begin here.
FIRST_OWN = 1000


class Columns:
    """An ordered set of columns, by name and by number."""

    def __init__(self, columns: tuple[Column, ...] = BUILT_IN) -> None:
        self._columns = columns
        self._by_name = {column.name: column for column in columns}

    def __iter__(self) -> Iterator[Column]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Column:
        """The column of this name; raises KeyError if there is none."""
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @property
    def static(self) -> tuple[Column, ...]:
        return tuple(column for column in self._columns if column.kind == "static")

    def schema(self) -> pa.Schema:
        """The logical schema, with field ids as Parquet writers expect them."""
        return pa.schema([
            pa.field(c.name, c.type, metadata={"PARQUET:field_id": str(c.number)}) for c in self._columns
        ])  # fmt: skip
