"""Rows as JSON-able Python values, a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .reading import number_values, validity
from .values import kind_of, units_per_second

__all__ = ["SCORE_DECIMALS", "json_rows"]

# Half a second of decay at a half-life of a day is some 1e-6 of a score: more decimals would be noise.
SCORE_DECIMALS = 6


def json_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch as dicts: times as Unix seconds, maps as dicts, 32-bit numbers with six decimals;
    nulls (and NaN, which JSON has not) are left out."""
    names = batch.schema.names
    if not names:
        return [{} for _ in range(batch.num_rows)]
    columns = [_values(array) for array in batch.columns]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _values(array: pa.Array) -> list[Any]:
    kind = kind_of(array.type)
    if kind == "map":
        return [None if pairs is None else dict(pairs) for pairs in array.to_pylist()]
    if kind == "time":
        return _masked(number_values(array) / units_per_second(array.type), array)
    if kind == "real":
        return _reals(array)
    if kind in {"integer", "bool"}:
        return _masked(number_values(array), array)
    if kind == "other":
        return [None if value is None else str(value) for value in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    return values


def _reals(array: pa.Array) -> list[Any]:
    values = number_values(array).astype(np.float64)
    if array.type.bit_width < 64:
        values = np.round(values, SCORE_DECIMALS)
    if np.isfinite(values).all():
        return _masked(values, array)
    return _masked(values, pc.if_else(pa.array(np.isfinite(values)), array, pa.scalar(None, array.type)))


def _masked(values: np.ndarray[Any, Any], array: pa.Array) -> list[Any]:
    valid, listed = validity(array), values.tolist()
    if valid is None:
        return list(listed)
    return [value if there else None for value, there in zip(listed, valid.tolist(), strict=True)]
