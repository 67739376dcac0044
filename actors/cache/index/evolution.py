"""Columns and layouts that change: old runs are not rewritten, their columns are found by number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ....schemas.errors import BadRequest
from ..columns import Column, Columns
from .engine import Engine
from .layout import Layout
from .rows import check_name, check_type

__all__ = ["add_column", "rename_column", "set_layout", "widen_column"]

MAX_COLUMNS = 200
CODECS = ("none", "snappy", "gzip", "brotli", "zstd", "lz4")
MAX_ROWS = 10_000_000


def add_column(engine: Engine, name: str, type: pa.DataType) -> None:  # noqa: A002
    """See `CidIndex.add_column`."""
    check_name(name)
    check_type(name, type)

    def added(columns: Columns) -> Columns:
        if name in columns:
            raise BadRequest(name, "there is such a column")
        if len(columns) >= MAX_COLUMNS:
            raise BadRequest(name, "too many columns", limit=MAX_COLUMNS)
        number = engine.manifest.next_column
        engine.manifest.next_column = number + 1
        return Columns((*columns, Column(number, name, type)))

    _change(engine, added)


def rename_column(engine: Engine, old: str, new: str) -> None:
    """See `CidIndex.rename_column`."""
    check_name(new)

    def renamed(columns: Columns) -> Columns:
        column = _static(columns, old)
        if new in columns:
            raise BadRequest(new, "there is such a column")
        return Columns(tuple(replace(one, name=new) if one is column else one for one in columns))

    _change(engine, renamed)
    layout = engine.manifest.layout
    names: dict[str, Any] = {
        field: tuple(new if name == old else name for name in getattr(layout, field))
        for field in ("dense", "dictionary", "resident", "cold", "indexes")
    }
    set_layout(engine, replace(layout, **names))


def widen_column(engine: Engine, name: str, type: pa.DataType) -> None:  # noqa: A002
    """See `CidIndex.widen_column`."""

    def widened(columns: Columns) -> Columns:
        column = _static(columns, name)
        if column.type != type and not _is_wider(column.type, type):
            raise BadRequest(name, f"{type} does not hold every {column.type}")
        return Columns(tuple(replace(one, type=type) if one is column else one for one in columns))

    _change(engine, widened)


def set_layout(engine: Engine, layout: Layout) -> None:
    """See `CidIndex.set_layout`."""
    for field in ("compression", "cid_compression"):
        if getattr(layout, field) not in CODECS:
            raise BadRequest(field, f"must be one of {', '.join(CODECS)}")
    for field in ("row_group_rows", "partition_rows"):
        if not 1 <= getattr(layout, field) <= MAX_ROWS:
            raise BadRequest(field, f"must be between 1 and {MAX_ROWS}", limit=MAX_ROWS)
    with engine.upkeep:
        if layout != engine.manifest.layout:
            engine.manifest.layout = layout
            engine.commit()


def _change(engine: Engine, change: Callable[[Columns], Columns]) -> None:
    with engine.upkeep:
        with engine.lock:
            engine.shared.columns = change(engine.shared.columns)
            engine.core.version += 1
        engine.commit()


def _static(columns: Columns, name: str) -> Column:
    if name not in columns:
        raise BadRequest(name, "no such column")
    if columns[name].kind != "static":
        raise BadRequest(name, "this column is the index's own")
    return columns[name]


def _is_wider(old: pa.DataType, new: pa.DataType) -> bool:
    """Whether every value of a numeric type is one of another."""
    if pa.types.is_integer(old) and pa.types.is_integer(new):
        signed = pa.types.is_signed_integer(old), pa.types.is_signed_integer(new)
        if signed[0] == signed[1]:
            return bool(new.bit_width > old.bit_width)
        return signed[1] and bool(new.bit_width > old.bit_width)
    if pa.types.is_integer(old) and pa.types.is_float64(new):
        return bool(old.bit_width <= 32)
    return bool(pa.types.is_float32(old) and pa.types.is_float64(new))
