"""Filters bound to one segment: for each leaf the cheapest test there, and for $and, $or and $not their
parts'.

A condition gives a mask of true and false for a range of rows (by a scan) or for some rows (by looking only
at them), never null.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from .condition import CHEAP_NS, Blocks, Condition
from .expression import heat_bound
from .filter import And, Compare, Has, In, IsNull, Leaf, Node, Not, Or
from .number_conditions import (
    CountCondition,
    FlagCondition,
    HeatCondition,
    LastAccessCondition,
    NumberCondition,
)
from .reading import At, Bools, Reader, rows_at, size_of
from .text_conditions import (
    BeyondCondition,
    CodesCondition,
    FoundCondition,
    ListCondition,
    NullCondition,
    TextCondition,
    TierCondition,
)

__all__ = ["bind", "sampled"]

SAMPLE_ROWS = 512


def bind(node: Node, reader: Reader) -> Condition:
    """The cheapest way to test a node in a segment."""
    match node:
        case And(parts):
            return _All(node, reader, [bind(part, reader) for part in parts])
        case Or(parts):
            return _Any(node, reader, [bind(part, reader) for part in parts])
        case Not(part):
            return _Not(node, reader, _bind_leaf(part, reader))
    return _bind_leaf(node, reader)


def sampled(condition: Condition) -> float:
    """The share of rows that passes, from some hundred rows spread over the segment."""
    rows = condition.reader.rows
    if not rows:
        return 0.0
    at = np.arange(0, rows, max(1, rows // SAMPLE_ROWS), dtype=np.int64)
    return float(np.count_nonzero(condition.mask(at))) / len(at)


def _bind_leaf(leaf: Leaf, reader: Reader) -> Condition:
    name = leaf.column
    if name == "cid":
        if isinstance(leaf, IsNull):
            return _Constant(leaf, reader, False)
        if isinstance(leaf, Compare) and leaf.op != "eq":
            return BeyondCondition(leaf, reader)
        exact = isinstance(leaf, In | Compare)
        return FoundCondition(leaf, reader) if exact else TextCondition(leaf, reader)
    if reader.is_hot(name):
        return _bind_hot(leaf, reader)
    if isinstance(leaf, IsNull):
        return NullCondition(leaf, reader)
    if isinstance(leaf, Has):
        return ListCondition(leaf, reader)
    if "." in name and name not in reader.columns:
        return TextCondition(leaf, reader)
    if reader.kind(name) == "text":
        return CodesCondition.of(leaf, reader) or TextCondition(leaf, reader)
    return NumberCondition(leaf, reader)


def _bind_hot(leaf: Leaf, reader: Reader) -> Condition:
    name = leaf.column
    if name == "last_accessed":
        return LastAccessCondition(leaf, reader)
    if isinstance(leaf, IsNull):
        return _Constant(leaf, reader, False)
    if name == "storage_tier":
        return TierCondition(leaf, reader)
    if name in {"is_pinned", "valid"}:
        return FlagCondition(leaf, reader)
    if name == "heat_score":
        bound = heat_bound(cast(Compare, leaf), reader.heat, reader.now_s)
        if isinstance(bound, bool):
            return _Constant(leaf, reader, bound)
        return HeatCondition(leaf, reader, *bound)
    return CountCondition(leaf, reader)


class _Constant(Condition):
    def __init__(self, node: Node, reader: Reader, value: bool) -> None:
        super().__init__(node, reader)
        self.chance = float(value)

    def mask(self, at: At) -> Bools:
        return np.full(size_of(at), self.chance == 1.0)


class _Not(Condition):
    def __init__(self, node: Not, reader: Reader, part: Condition) -> None:
        super().__init__(node, reader)
        self._part = part
        self.cost_ns, self.chance, self.means = part.cost_ns, 1.0 - part.chance, part.means

    @property
    def is_at_hand(self) -> bool:
        return self._part.is_at_hand

    def mask(self, at: At) -> Bools:
        return ~self._part.mask(at)


class _Several(Condition):
    def __init__(self, node: Node, reader: Reader, parts: list[Condition]) -> None:
        super().__init__(node, reader)
        self.parts = sorted(parts, key=lambda part: part.cost_ns)
        self.cost_ns = sum(part.cost_ns for part in parts)
        self.means = " or ".join(dict.fromkeys(part.means for part in self.parts)) or "constant"

    @property
    def is_at_hand(self) -> bool:
        return all(part.is_at_hand for part in self.parts)

    def _narrowed(self, at: At, *, until: bool) -> Bools:
        """Tests parts in turn on the rows that are still `not until`."""
        passed = np.full(size_of(at), not until)
        for part in self.parts:
            self.reader.deadline.check()
            if isinstance(at, slice) and part.cost_ns < CHEAP_NS:
                passed = passed | part.mask(at) if until else passed & part.mask(at)
                continue
            open_ = np.flatnonzero(passed != until)
            if len(open_) == 0:
                break
            whole = len(open_) == len(passed)
            passed[open_] = part.mask(at if whole else rows_at(at)[open_])
        return passed


class _Any(_Several):
    def __init__(self, node: Or, reader: Reader, parts: list[Condition]) -> None:
        super().__init__(node, reader, parts)
        self.chance = min(1.0, sum(part.chance for part in parts))

    def mask(self, at: At) -> Bools:
        return self._narrowed(at, until=True)

    def blocks(self) -> Blocks | None:
        each = [part.blocks() for part in self.parts]
        known = [blocks for blocks in each if blocks is not None]
        if not known or len(known) < len(each) or len({blocks.zone_rows for blocks in known}) > 1:
            return None
        return Blocks(known[0].zone_rows, np.logical_or.reduce([blocks.keep for blocks in known]))


class _All(_Several):
    def __init__(self, node: And, reader: Reader, parts: list[Condition]) -> None:
        super().__init__(node, reader, parts)
        self.chance = float(np.prod([part.chance for part in parts]))

    def mask(self, at: At) -> Bools:
        return self._narrowed(at, until=False)

    def blocks(self) -> Blocks | None:
        known = [blocks for part in self.parts if (blocks := part.blocks()) is not None]
        return min(known, key=lambda blocks: float(blocks.keep.mean()), default=None)
