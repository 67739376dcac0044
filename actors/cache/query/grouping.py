"""The groups of some rows: a number for each row, and what each number stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.errors import BadRequest
from .measures import MAX_GROUPS
from .reading import At, Bools, Reader
from .values import kind_of, units_per_second

__all__ = ["Grouped", "grouped"]

Ids = npt.NDArray[np.int64]
# Below this many possible groups the present ones are found by counting instead of sorting.
FEW_GROUPS = 1 << 18


@dataclass(slots=True)
class Grouped:
    """`ids[i]` is the place in `keys` of the group of row i; None where all rows are one group."""

    keys: list[tuple[Any, ...]]
    ids: Ids | None = None

    def counted(self, valid: Bools | None, size: int) -> list[int]:
        """How many (valid) rows each group has."""
        if self.ids is None:
            return [size if valid is None else int(np.count_nonzero(valid))]
        ids = self.ids if valid is None else self.ids[valid]
        return cast("list[int]", np.bincount(ids, minlength=len(self.keys)).tolist())


def grouped(reader: Reader, names: tuple[str, ...], at: At) -> Grouped:
    """Raises BadRequest(field="group_by") for more groups in one piece than may be in all."""
    if not names:
        return Grouped([()])
    each = [_codes(reader, name, at) for name in names]
    ids, present = _compact(*each[0][:2])
    codes_of = [present]
    for codes, count, _ in each[1:]:
        ids, present = _compact(ids * count + codes, len(present) * count)
        codes_of = [part[present // count] for part in codes_of] + [present % count]
    columns = [_labels(labels, part) for (_, _, labels), part in zip(each, codes_of, strict=True)]
    return Grouped(list(zip(*columns, strict=True)), ids)


def _codes(reader: Reader, name: str, at: At) -> tuple[Ids, int, pa.Array]:
    """A code for each row, how many codes there are, and what they stand for; the last one for null."""
    array = reader.shown(name, at) if reader.columns[name].kind != "static" else reader.arrow(name, at)
    if not isinstance(array.type, pa.DictionaryType):
        array = pc.dictionary_encode(array)
    labels = array.dictionary
    codes = array.indices.fill_null(len(labels)) if array.null_count else array.indices
    return codes.cast(pa.int64()).to_numpy(), len(labels) + 1, labels


def _compact(codes: Ids, count: int) -> tuple[Ids, Ids]:
    """The codes renumbered without gaps, and which ones there are."""
    if count <= FEW_GROUPS:
        present = np.flatnonzero(np.bincount(codes, minlength=count))
        places = np.zeros(count, np.int64)
        places[present] = np.arange(len(present))
        ids = places[codes]
    else:
        present, ids = np.unique(codes, return_inverse=True)
    if len(present) > MAX_GROUPS:
        raise BadRequest("group_by", f"gives more than {MAX_GROUPS} groups", limit=MAX_GROUPS)
    return ids, present


def _labels(labels: pa.Array, codes: Ids) -> list[Any]:
    """What codes stand for, as JSON-able values; times as Unix seconds."""
    if kind_of(labels.type) == "time":
        seconds = [None if v is None else v / units_per_second(labels.type) for v in _integers(labels)]
        values = [*seconds, None]
    else:
        values = [*labels.to_pylist(), None]
    return [values[code] for code in codes.tolist()]


def _integers(times: pa.Array) -> list[int | None]:
    return cast("list[int | None]", times.cast(pa.int64()).to_pylist())
