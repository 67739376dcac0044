"""The observed use of an index at one moment, and the workload that it amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .question import KINDS, ORDERED_KINDS, Kind
from .workload import WorkloadType

__all__ = ["ColumnUse", "Detected", "Frequent", "Usage", "detect"]

# Fewer reads and writes than these say nothing yet; weights, so older ones count for less.
MIN_EVIDENCE = 20.0
TOTALS = (
    "points", "lookups", "questions", "analyses", "whole_rows",
    "writes", "rows_written", "touches", "rows_read", "rows_returned",
)  # fmt: skip
TIME_COLUMNS = frozenset({"added_timestamp", "last_accessed", "validation_timestamp"})
METADATA_COLUMNS = frozenset({"mimetype", "extension", "filename", "tags", "properties", "source_details"})


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """How often a column was used, as weights of questions; `selectivity` is the mean share of rows that a
    filter on it lets through, None if no question told."""

    filtered: float = 0.0
    sorted: float = 0.0
    grouped: float = 0.0
    aggregated: float = 0.0
    selected: float = 0.0
    kinds: Mapping[Kind, float] | None = None
    selectivity: float | None = None
    last_used_s: float | None = None

    @classmethod
    def of(cls, sums: Mapping[str, float], last_used_s: float | None) -> Self:
        known = sums.get("known", 0.0)
        return cls(
            filtered=sums.get("filtered", 0.0),
            sorted=sums.get("sorted", 0.0),
            grouped=sums.get("grouped", 0.0),
            aggregated=sums.get("aggregated", 0.0),
            selected=sums.get("selected", 0.0),
            kinds={kind: sums[f"filtered.{kind}"] for kind in KINDS if f"filtered.{kind}" in sums},
            selectivity=sums.get("passed", 0.0) / known if known > 0 else None,
            last_used_s=last_used_s,
        )

    @property
    def scanned(self) -> float:
        """The uses that need the whole column, unless an index answers them."""
        return self.filtered + self.sorted + self.grouped + self.aggregated

    @property
    def total(self) -> float:
        return self.scanned + self.selected

    @property
    def ordered_share(self) -> float:
        """The share of its filters that the order of its values can answer."""
        kinds = self.kinds or {}
        total = sum(kinds.values())
        return sum(kinds[kind] for kind in kinds if kind in ORDERED_KINDS) / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Frequent:
    """A shape of question: its weight, what one of them costs on average, and one of them to ask again."""

    shape: str
    weight: float
    seconds: float
    rows_read: float
    replay: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Weights of what was done to an index.

    `points` are reads of single rows, `lookups` those that wanted hot columns alone; these read no file and
    are not among the reads. `whole_rows` are the points and questions that wanted every column.
    """

    points: float = 0.0
    lookups: float = 0.0
    questions: float = 0.0
    analyses: float = 0.0
    whole_rows: float = 0.0
    writes: float = 0.0
    rows_written: float = 0.0
    touches: float = 0.0
    rows_read: float = 0.0
    rows_returned: float = 0.0
    columns: Mapping[str, ColumnUse] | None = None
    frequent: tuple[Frequent, ...] = ()
    window_s: float = 0.0
    now_s: float = 0.0

    @classmethod
    def of(
        cls,
        totals: Mapping[str, float],
        columns: Mapping[str, ColumnUse],
        *,
        window_s: float,
        now_s: float,
        frequent: tuple[Frequent, ...],
    ) -> Self:
        amounts = {name: totals.get(name, 0.0) for name in TOTALS}
        return cls(**amounts, columns=columns, frequent=frequent, window_s=window_s, now_s=now_s)

    @property
    def reads(self) -> float:
        return self.points + self.questions

    def of_column(self, name: str) -> ColumnUse:
        return (self.columns or {}).get(name, ColumnUse())

    def share(self, weight: float) -> float:
        """A weight as a share of all reads."""
        return weight / self.reads if self.reads > 0 else 0.0

    def of_questions(self, weight: float) -> float:
        """A weight as a share of the questions, each of which costs as much as many points."""
        return weight / self.questions if self.questions > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Detected:
    """The workload of a usage; `clear` is whether one use stands out."""

    workload: WorkloadType
    reason: str
    clear: bool


def detect(usage: Usage) -> Detected:
    """What an index is mostly used for; `MIXED` where nothing stands out or too little is known.

    Writes count as calls, not as rows, so that one import does not outweigh a day of questions.
    """
    everything = usage.reads + usage.writes
    if everything < MIN_EVIDENCE:
        return Detected(WorkloadType.MIXED, f"only {everything:.0f} reads and writes are known", clear=False)
    shares = {
        WorkloadType.WRITE_HEAVY: (usage.writes / everything, 0.7, "of all calls write"),
        WorkloadType.CID_FOCUSED: (usage.share(usage.points), 0.8, "of all reads are for one CID"),
        WorkloadType.ANALYTICAL: (usage.of_questions(usage.analyses), 0.5, "of the questions group or sum"),
        WorkloadType.TIME_SERIES: (_about(usage, TIME_COLUMNS), 0.5, "of the questions are about times"),
        WorkloadType.METADATA: (
            _about(usage, METADATA_COLUMNS),
            0.5,
            "of the questions are about names and types",
        ),
        WorkloadType.READ_HEAVY: (usage.reads / everything, 0.8, "of all calls read"),
    }
    for workload, (share, needed, what) in shares.items():
        if share >= needed:
            return Detected(workload, f"{share:.0%} {what}", clear=True)
    return Detected(WorkloadType.MIXED, "no use stands out", clear=False)


def _about(usage: Usage, names: frozenset[str]) -> float:
    """The share of the questions that search or sort by one of these columns, by the most used of them."""
    uses = [usage.of_column(name) for name in names]
    return min(usage.of_questions(max(use.filtered + use.sorted for use in uses)), 1.0)
