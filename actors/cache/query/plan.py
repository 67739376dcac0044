"""How one segment answers a filter: where it starts, and in which order it tests what is left.

It starts from the rows that the key index or a secondary index names, else from the zones that zone maps
cannot exclude, else from all rows. Conditions follow by cost and by how much they are expected to remove.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..index.segment import Rows
from .binding import bind, sampled
from .condition import Blocks, Condition
from .filter import And, Compare, Node, Or
from .reading import Reader
from .text_conditions import FoundCondition
from .values import Op

__all__ = ["Plan", "Start", "planned"]

# A secondary index pays while it names at most this share of the rows; by zones, rows are picked below that
# share.
INDEX_SHARE, ZONE_SHARE = 1 / 16, 0.4
# Fewer rows are scanned as quickly as they are planned.
FEW_ROWS = 32_768

# What a row that passes costs in nanoseconds before the next condition sees it.
PICK_NS = 5.0


@dataclass(slots=True)
class Start:
    """The rows to begin with: `rows`, or None for all of them; and how they were found."""

    means: str
    rows: Rows | None = None
    blocks: Blocks | None = None
    column: str | None = None
    index_names: int | None = None  # rows that the index named


@dataclass(slots=True)
class Plan:
    """What is done in one segment; `never` if nothing can pass."""

    reader: Reader
    start: Start
    conditions: list[Condition] = field(default_factory=list)
    never: bool = False

    @property
    def is_everything(self) -> bool:
        """Whether every row that is alive passes."""
        return self.start.rows is None and not self.conditions and not self.never


def planned(node: Node, reader: Reader) -> Plan:
    """The plan for one segment."""
    if node == Or(()):
        return Plan(reader, Start("nothing can pass"), never=True)
    parts = node.parts if isinstance(node, And) else (node,)
    conditions = [bind(part, reader) for part in parts]
    if any(condition.means == "constant" and condition.chance == 0 for condition in conditions):
        return Plan(reader, Start("nothing can pass"), never=True)
    conditions = [c for c in conditions if not (c.means == "constant" and c.chance == 1)]
    start, left = _started(parts, conditions, reader)
    return Plan(reader, start, _in_order(left, reader.rows))


def _in_order(conditions: list[Condition], rows: int) -> list[Condition]:
    if len(conditions) > 1 and rows > FEW_ROWS:
        for condition in conditions:
            if condition.is_at_hand:
                condition.chance = sampled(condition)
    return sorted(conditions, key=lambda c: (c.cost_ns + PICK_NS * c.chance) / max(1e-3, 1.0 - c.chance))


def _started(
    parts: Sequence[Node], conditions: list[Condition], reader: Reader
) -> tuple[Start, list[Condition]]:
    found = [condition for condition in conditions if isinstance(condition, FoundCondition)]
    if found:
        first = min(found, key=lambda condition: len(condition.rows))
        return Start("key index", first.rows, column="cid"), [c for c in conditions if c is not first]
    indexed = _by_index(parts, reader)
    if indexed is not None:
        start, answered = indexed
        return start, [condition for condition in conditions if condition.node not in answered]
    return _by_zones(conditions, reader), conditions


def _by_index(parts: Sequence[Node], reader: Reader) -> tuple[Start, list[Node]] | None:
    """The narrowest range of a secondary index, and the conditions that it answers."""
    best: tuple[Start, list[Node]] | None = None
    ranged = [part for part in parts if isinstance(part, Compare) and part.column in reader.columns]
    for name in dict.fromkeys(part.column for part in ranged):
        if reader.columns[name].kind != "static" or (not reader.is_at_hand(name) and reader.rows < FEW_ROWS):
            continue
        order = reader.segment.ordered(name)
        if order is None:
            continue
        answered = [part for part in ranged if part.column == name]
        low, high = _range(order, name, answered, reader)
        count = max(0, high - low)
        if count <= reader.rows * INDEX_SHARE and (best is None or count < (best[0].index_names or 0)):
            rows = np.sort(order[low:high]).astype(np.int64)
            best = Start("secondary index", rows, column=name, index_names=count), list(answered)
    return best


def _range(
    order: npt.NDArray[np.uint32], name: str, answered: Sequence[Compare], reader: Reader
) -> tuple[int, int]:
    """The part of an order in which all comparisons hold, by bisection."""

    def key(row: np.uint32) -> tuple[int, Any]:
        value = reader.value(name, int(row))
        return (1, 0) if value is None else (0, value)

    low, high = 0, bisect.bisect_left(order, (1, 0), key=key)
    for part in answered:
        sides: dict[Op, tuple[bool, bool]] = {"eq": (True, True), "gt": (True, False), "gte": (True, False)}
        from_below, from_above = sides.get(part.op, (False, True))
        at = (0, part.value)
        if from_below:
            find = bisect.bisect_right if part.op == "gt" else bisect.bisect_left
            low = max(low, find(order, at, key=key))
        if from_above:
            find = bisect.bisect_left if part.op == "lt" else bisect.bisect_right
            high = min(high, find(order, at, key=key))
    return low, high


def _by_zones(conditions: list[Condition], reader: Reader) -> Start:
    """The rows of zones that no condition excludes; conditions with zones of another size are left out."""
    best: Blocks | None = None
    for condition in conditions:
        blocks = condition.blocks()
        if blocks is None:
            continue
        if best is None or blocks.zone_rows == best.zone_rows:
            best = blocks if best is None else Blocks(best.zone_rows, best.keep & blocks.keep)
        elif blocks.keep.mean() < best.keep.mean():
            best = blocks
    if best is None:
        return Start("all rows")
    if np.count_nonzero(best.keep) > len(best.keep) * ZONE_SHARE:
        return Start("all rows", blocks=Blocks(best.zone_rows, np.ones_like(best.keep)))
    return Start("zone map", _rows_of(best, reader.rows), blocks=best)


def _rows_of(blocks: Blocks, rows: int) -> Rows:
    firsts = np.flatnonzero(blocks.keep) * blocks.zone_rows
    picked = (firsts[:, None] + np.arange(blocks.zone_rows)).reshape(-1)
    return picked[: np.searchsorted(picked, rows)].astype(np.int64, copy=False)
