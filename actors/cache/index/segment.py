"""What queries see of the index: a snapshot, which is a list of segments.

A segment is a run on disk, or rows that are not in a run yet. Rows of a segment are numbered from 0; a row
that a newer version elsewhere has replaced, or that was deleted, is dead. A CID is alive in at most one
segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..columns import Columns
from ..heat import Heat

__all__ = ["DEAD", "PINNED", "TIER_SHIFT", "INVALID", "HotColumns", "Segment", "Snapshot", "Zones"]

# The bits of `flags`. The two bits from TIER_SHIFT on are the place of `storage_tier` in `columns.TIERS`.
DEAD, PINNED, INVALID, TIER_SHIFT = 1, 2, 4, 4

Rows = npt.NDArray[np.int64]


@dataclass(slots=True)
class HotColumns:
    """The columns that change in place, one array each, all of the segment's length.

    `last_s` is the Unix time of the last access, 0 for none; `heat` is L (see `heat.py`), `-inf` for none.
    """

    last_s: npt.NDArray[np.float64]
    heat: npt.NDArray[np.float32]
    count: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Zones:
    """The least and greatest value of a column in each zone of `zone_rows` consecutive rows; for heat, upper
    bounds that may be too high but never too low."""

    zone_rows: int
    least: npt.NDArray[np.generic] | None
    greatest: npt.NDArray[np.generic]


class Segment(Protocol):
    """Some rows. What it returns is checked against its checksums first.

    Raises DamagedIndex where a part of it does not match them.
    """

    name: str  # for `explain`: such as "run 12" or "memory 3"
    in_cid_order: bool  # whether rows are in the order of binary CIDs

    @property
    def rows(self) -> int:
        """How many there are, dead ones included."""

    @property
    def dead(self) -> int:
        """How many of them are dead."""

    @property
    def hot(self) -> HotColumns:
        """The whole hot columns; others write to them meanwhile."""

    def column(self, name: str) -> pa.Array:
        """A whole static column (`dead` rows included) as one array; text of few values as a dictionary
        array. It is kept in memory if the layout or its use says so."""

    def take(self, name: str, rows: Rows) -> pa.Array:
        """A static column at these rows, ascending; reads no more row groups than needed."""

    def is_resident(self, name: str) -> bool:
        """Whether `column` is at hand without reading a file."""

    def zones(self, name: str) -> Zones | None:
        """The zones of a column, where they are known: `heat` (of L) and static numbers and times."""

    def ordered(self, name: str) -> npt.NDArray[np.uint32] | None:
        """The rows in ascending order of a column's values, nulls last, where it has a secondary index."""

    def cids(self, rows: Rows) -> Sequence[str]:
        """The CIDs of these rows, in any order, as text."""

    def find(self, cid: str) -> int | None:
        """The row of a CID, None if it is not here or dead."""


@dataclass(frozen=True)
class Snapshot:
    """The index at one moment: no rows come, and hot columns go on changing.

    A row that is replaced or deleted after that moment is dead in it too: it vanishes, and its new version is
    not in it.

    `now_s` is the moment at which scores are taken. `hottest(k)` gives the `k` hottest live rows, or all if
    there are fewer, as (segment number, row, L) from hot to cold; None if the index does not know them
    without a scan.
    """

    columns: Columns
    heat: Heat
    segments: Sequence[Segment]
    now_s: float
    version: int  # grows with every change of rows; part of cursors

    def hottest(self, k: int) -> Sequence[tuple[int, int, float]] | None:
        return None
