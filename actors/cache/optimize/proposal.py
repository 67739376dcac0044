"""What the optimizer proposes: a layout, and for each change its reason and what should be seen of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..index.layout import Layout
from .workload import WorkloadType

__all__ = ["Change", "Policy", "Proposal"]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a field of the layout; `column` is None where it is about all of them.

    `effect` says what a measurement should show; `estimate` has its numbers, such as `rows_read_before` and
    `rows_read_after`, or `bytes_saved`.
    """

    field: str
    column: str | None
    before: Any
    after: Any
    reason: str
    effect: str
    estimate: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """From one layout to another. It is false if it changes nothing."""

    workload: WorkloadType
    workload_reason: str
    before: Layout
    layout: Layout
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return self.layout != self.before

    def to_json(self) -> dict[str, Any]:
        """JSON values of all of it."""
        return {
            "workload": str(self.workload),
            "workload_reason": self.workload_reason,
            "before": asdict(self.before),
            "layout": asdict(self.layout),
            "changes": [asdict(change) for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """What it takes to change something.

    Attributes:
        min_reads: observed reads before use decides anything, and `min_questions`: questions before it asks
            for an index; weights, as older ones count for less.
        cold_after_s: how long a column must have gone unread, while the index was watched, to become cold.
        whole_row_share: reads of whole rows, as a share of all reads, above which every column counts as
            read.
        index_score: score at which a column gets an index; one that has it loses it below a quarter of that.
        max_indexes: columns with one at most.
        max_selectivity: the share of rows that a filter may let through for an index to be worth it; the same
            at which queries begin to use one.
        resident_bytes: of all resident columns together.
        row_group_gain: the share of the reading time that another row group size must save.
    """

    min_reads: float = 50.0
    min_questions: float = 20.0
    cold_after_s: float = 86_400.0
    whole_row_share: float = 0.05
    index_score: float = 0.2
    max_indexes: int = 4
    max_selectivity: float = 1 / 16
    resident_bytes: int = 64 * 2**20
    row_group_gain: float = 0.2
