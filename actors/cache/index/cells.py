"""Columns of one row group, from which single values are read in a fraction of the time of Arrow's
scalars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

__all__ = ["Cells"]

# What memory views call the Arrow types of numbers, by id.
FORMATS = {
    pa.int8().id: "b", pa.int16().id: "h", pa.int32().id: "i", pa.int64().id: "q",
    pa.uint8().id: "B", pa.uint16().id: "H", pa.uint32().id: "I", pa.uint64().id: "Q",
    pa.float32().id: "f", pa.float64().id: "d", pa.timestamp("ms", "UTC").id: "q",
}  # fmt: skip


class Cells:
    """One column, which may be a dictionary."""

    __slots__ = ("_is_met", "_read", "array")

    def __init__(self, array: pa.Array) -> None:
        self.array = array
        self._is_met = False
        self._read: Callable[[int], Any] | None = None

    def value(self, row: int) -> Any:
        """A row's value as rows keep it: times as integers."""
        read = self._read
        if read is None:
            if not self._is_met:  # most row groups are read for one row only: that is no time to prepare
                self._is_met = True
                scalar = self.array[row]
                return scalar.value if pa.types.is_timestamp(self.array.type) else scalar.as_py()
            read = self._read = _reader(self.array)
        return read(row)


def _reader(array: pa.Array) -> Callable[[int], Any]:
    if pa.types.is_dictionary(array.type):
        codes, values = _reader(array.indices), array.dictionary.to_pylist()
        if array.null_count == 0:
            return lambda row: values[codes(row)]
        return lambda row: None if (code := codes(row)) is None else values[code]
    if array.null_count == 0 and array.type.id in FORMATS:
        raw: Any = memoryview(array.buffers()[1]).cast("B")
        view: Sequence[Any] = raw.cast(FORMATS[array.type.id])[array.offset : array.offset + len(array)]
        return view.__getitem__
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    return lambda row: array[row].as_py()
