"""Bytes of each column on disk, from the footers of Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import Columns

__all__ = ["StoredBytes", "rows_in", "stored_bytes"]

# Files and row groups that are looked at; spread evenly, they speak for the others.
MAX_FILES = 8
MAX_GROUPS = 32

StoredBytes = Mapping[str, float]
T = TypeVar("T")


def stored_bytes(files: Iterable[Path], columns: Columns | None = None) -> StoredBytes:
    """Compressed bytes a row of each column, from at most 8 files and 32 row groups of each.

    Given `columns`, a file's columns are found by number, since they may have had other names when it was
    written. Files that are gone by now, or not readable, are left out.
    """
    spent: dict[str, int] = {}
    rows: dict[str, int] = {}
    # Beside each partition may be a file of cold columns, so both kinds are sampled on their own.
    for path in _spread(sorted(files), 2 * MAX_FILES):
        try:
            footer = pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid):
            continue
        names = _names(footer.schema.to_arrow_schema(), columns)
        groups = [footer.row_group(number) for number in _spread(range(footer.num_row_groups), MAX_GROUPS)]
        counted = sum(group.num_rows for group in groups)
        for name in set(names.values()):
            rows[name] = rows.get(name, 0) + counted
        for group in groups:
            for position in range(group.num_columns):
                chunk = group.column(position)
                name = _owner(chunk.path_in_schema, names)
                spent[name] = spent.get(name, 0) + chunk.total_compressed_size
    return {name: spent.get(name, 0) / count for name, count in rows.items() if count}


def rows_in(files: Iterable[Path]) -> int:
    """The rows of all files together; raises OSError for one that cannot be read."""
    return sum(int(pq.read_metadata(path).num_rows) for path in files)


def _names(schema: pa.Schema, columns: Columns | None) -> dict[str, str]:
    """The present name of each column of a file, by the name that it has there."""
    by_number = {str(column.number): column.name for column in columns or ()}
    found = {}
    for each in schema:
        number = (each.metadata or {}).get(b"PARQUET:field_id", b"").decode()
        found[each.name] = by_number.get(number, each.name)
    return found


def _owner(path: str, names: Mapping[str, str]) -> str:
    """The column of a leaf such as `properties.key_value.key`; names may have dots of their own."""
    if path in names:
        return names[path]
    return next((name for old, name in names.items() if path.startswith(f"{old}.")), path)


def _spread(items: Sequence[T], count: int) -> list[T]:
    if len(items) <= count:
        return list(items)
    return [items[int((place + 0.5) * len(items) / count)] for place in range(count)]
