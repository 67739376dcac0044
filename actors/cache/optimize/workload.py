"""Workloads: the uses that an index can be laid out for, and what each of them changes about the files.

A profile is a list of choices, each with its reason and with the effect that a measurement should show. It is
where a layout begins; what is observed afterwards corrects it (see `propose.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from ..index.layout import Layout

__all__ = ["WorkloadType", "Choice", "Profile", "PROFILES", "layout_for"]


class WorkloadType(StrEnum):
    """What an index is mostly used for."""

    READ_HEAVY = "read_heavy"  # whole rows, and questions that few rows answer
    WRITE_HEAVY = "write_heavy"  # rows come in faster than they are asked for
    ANALYTICAL = "analytical"  # scans, groups and sums over everything
    MIXED = "mixed"  # no use stands out
    TIME_SERIES = "time_series"  # what was added or used when
    METADATA = "metadata"  # by type, name, extension or tag
    CID_FOCUSED = "cid_focused"  # one row, by its CID


@dataclass(frozen=True, slots=True)
class Choice:
    """A field of `Layout` and its value, why, and what a measurement should show for it."""

    field: str
    value: Any
    reason: str
    effect: str


@dataclass(frozen=True, slots=True)
class Profile:
    """The choices of one workload. `flush_rows` is how many rows wait in memory before they become a run: it
    belongs to the options of an index, not to its layout."""

    choices: tuple[Choice, ...]
    flush_rows: int = 100_000


def layout_for(
    workload: WorkloadType, base: Layout | None = None, *, columns: Collection[str] | None = None
) -> Layout:
    """The layout of a workload: `base` with the profile's choices.

    `columns` are the names that exist; choices about others are left out. What `base` keeps in the cold
    family gets no index and no memory.
    """
    base = Layout() if base is None else base
    values = {choice.field: choice.value for choice in PROFILES[workload].choices}
    known = {
        field: tuple(name for name in value if _may_be(field, name, base, columns))
        for field, value in values.items()
        if isinstance(value, tuple)
    }
    return replace(base, **(values | known))


def _may_be(field: str, name: str, base: Layout, columns: Collection[str] | None) -> bool:
    is_cold = name in base.cold and field != "dictionary"
    return not is_cold and (columns is None or name in columns)


_FEW_VALUES = ("mimetype", "extension", "source", "codec", "multihash_type", "node")

_SMALL_GROUPS = "bytes decoded for one cold row"
_RESIDENT = "file bytes read by a repeated filter"
_INDEXED = "rows read by a selective filter"

_PROFILES = {
    WorkloadType.READ_HEAVY: Profile((
        Choice("row_group_rows", 1024, "a cold row costs one row group; footers stay small", _SMALL_GROUPS),
        Choice("compression", "lz4", "a group is decoded at twice the speed of zstd", "time of a cold row"),
        Choice("dictionary", _FEW_VALUES, "few values: codes are compared instead of texts", "bytes a row"),
        Choice("resident", ("size_bytes", "mimetype", "added_timestamp"), "the usual filters", _RESIDENT),
    )),
    WorkloadType.WRITE_HEAVY: Profile((
        Choice("row_group_rows", 4096, "a flush writes a quarter of the groups and their statistics",
               "row groups written by a flush"),
        Choice("compression", "lz4", "the cheapest codec to write", "time of a flush"),
        Choice("indexes", (), "an index is sorted again by every flush and compaction", "time of a flush"),
        Choice("resident", (), "memory belongs to the rows that wait for their run", "resident bytes"),
    ), flush_rows=400_000),
    WorkloadType.ANALYTICAL: Profile((
        Choice("row_group_rows", 65_536, "a scan pays for each row group of each column", "row groups read"),
        Choice("compression", "zstd", "scans read everything, so bytes count for more than decoding one row",
               "bytes a row"),
        Choice("dictionary", _FEW_VALUES, "groups are counted by code", "bytes a row"),
        Choice("resident", ("size_bytes", "mimetype", "extension", "source", "codec", "node",
               "added_timestamp"), "what is grouped and summed is decoded once", _RESIDENT),
    )),
    WorkloadType.MIXED: Profile((
        Choice("row_group_rows", 1024, "the dearest thing is one cold row", _SMALL_GROUPS),
        Choice("compression", "lz4", "decoding costs more than the few bytes that zstd saves",
               "time of a cold row"),
        Choice("dictionary", _FEW_VALUES, "few values", "bytes a row"),
        Choice("resident", ("size_bytes", "mimetype"), "the usual filters", _RESIDENT),
    )),
    WorkloadType.TIME_SERIES: Profile((
        Choice("row_group_rows", 8192, "spans of time are read as many rows at once", "row groups read"),
        Choice("compression", "lz4", "spans are decoded as they are asked for", "time of a span"),
        # `last_accessed` needs none: it changes in place and is always in memory.
        Choice("indexes", ("added_timestamp",), "rows lie in CID order, so a span is everywhere without one",
               _INDEXED),
        Choice("resident", ("added_timestamp", "size_bytes"), "spans are searched and their sizes summed",
               _RESIDENT),
    )),
    WorkloadType.METADATA: Profile((
        Choice("row_group_rows", 2048, "lists of matches take several rows of a group", "row groups read"),
        Choice("compression", "lz4", "names are decoded as they are listed", "time of a list"),
        Choice("dictionary", _FEW_VALUES, "types and extensions are few", "bytes a row"),
        Choice("indexes", ("filename",), "a name picks few rows", _INDEXED),
        Choice("resident", ("mimetype", "extension", "filename", "size_bytes"), "what is searched and listed",
               _RESIDENT),
    )),
    WorkloadType.CID_FOCUSED: Profile((
        Choice("row_group_rows", 512, "a read wants one row, so its group should be small", _SMALL_GROUPS),
        Choice("compression", "lz4", "one small group is decoded for each read", "time of a cold row"),
        Choice("indexes", (), "the key index answers; others only cost", "bytes on disk"),
        Choice("resident", ("size_bytes",), "memory belongs to the key index", "resident bytes"),
    )),
}  # fmt: skip
PROFILES: Mapping[WorkloadType, Profile] = MappingProxyType(_PROFILES)
