"""Conditions on numbers, times, truth values and flags: compared in numpy, in place."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..index.segment import INVALID, PINNED
from .condition import FILE_NS, NUMBER_NS, Blocks, Condition
from .filter import Compare, In, IsNull, Leaf
from .reading import At, Bools, Reader, milliseconds

__all__ = ["CountCondition", "FlagCondition", "HeatCondition", "LastAccessCondition", "NumberCondition"]

_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_CHANCES = {"eq": 0.05, "gt": 0.4, "gte": 0.4, "lt": 0.4, "lte": 0.4}


class NumberCondition(Condition):
    """A comparison of a static column of numbers, times or truth values."""

    means = "numbers of a resident column"
    cost_ns = NUMBER_NS

    def __init__(self, node: Leaf, reader: Reader) -> None:
        super().__init__(node, reader)
        self.op: str
        if isinstance(node, Compare):
            self.op, self.value, self.chance = node.op, cast(Any, node.value), _CHANCES[node.op]
        else:
            self.op, self.value, self.chance = "in", np.sort(np.array(cast(In, node).values)), 0.2
        if not self._at_hand():
            self.cost_ns, self.means = FILE_NS, "read from the run"

    def _at_hand(self) -> bool:
        return self.reader.is_at_hand(cast(Leaf, self.node).column)

    def mask(self, at: At) -> Bools:
        values, valid = self.reader.numbers(cast(Leaf, self.node).column, at)
        passed = self._passes(values)
        return passed if valid is None else passed & valid

    def _passes(self, values: npt.NDArray[Any]) -> Bools:
        if self.op == "in":
            return np.isin(values, self.value)
        return cast(Bools, _ORDERS[self.op](values, self.value))

    def blocks(self) -> Blocks | None:
        return self._blocks_of(cast(Leaf, self.node).column)

    def _blocks_of(self, name: str) -> Blocks | None:
        zones = self.reader.segment.zones(name)
        if zones is None:
            return None
        least, greatest = _plain(zones.least), cast("npt.NDArray[Any]", _plain(zones.greatest))
        keep = _may_hold(self.op, self.value, least, greatest)
        return None if keep is None else Blocks(zones.zone_rows, keep)


def _plain(values: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return values if values is None or values.dtype.kind != "M" else values.view(np.int64)


def _may_hold(
    op: str, value: Any, least: npt.NDArray[Any] | None, greatest: npt.NDArray[Any]
) -> Bools | None:
    """The zones where a value may pass; a bound that is NaN excludes nothing."""
    if op == "gt":
        return cast(Bools, ~(greatest <= value))
    if op == "gte":
        return cast(Bools, ~(greatest < value))
    if least is None:
        return None
    if op == "lt":
        return cast(Bools, ~(least >= value))
    if op == "lte":
        return cast(Bools, ~(least > value))
    if op == "eq":
        return cast(Bools, ~(greatest < value) & ~(least > value))
    return np.searchsorted(value, least, "left") < np.searchsorted(value, greatest, "right")


class HeatCondition(NumberCondition):
    means = "heat in memory"

    def __init__(self, node: Leaf, reader: Reader, op: str, log: np.float32) -> None:
        super().__init__(node, reader)
        self.op, self.value = op, log

    def mask(self, at: At) -> Bools:
        return self._passes(self.reader.hot.heat[at])

    def blocks(self) -> Blocks | None:
        return self._blocks_of("heat")


class CountCondition(NumberCondition):
    means = "access counts in memory"

    def mask(self, at: At) -> Bools:
        return self._passes(self.reader.hot.count[at])

    def blocks(self) -> None:
        return None


class LastAccessCondition(Condition):
    """Times are kept in seconds, and compared as the milliseconds that are shown of them; 0 is null."""

    means = "last accesses in memory"
    cost_ns = NUMBER_NS
    chance = 0.3

    def mask(self, at: At) -> Bools:
        last_s, node = self.reader.hot.last_s[at], self.node
        if isinstance(node, IsNull):
            return cast(Bools, last_s == 0)
        some = cast(Bools, last_s != 0)
        if isinstance(node, In):
            return some & np.isin(milliseconds(last_s), np.array(node.values))
        compare = cast(Compare, node)
        at_ms = cast(int, compare.value)
        match compare.op:
            case "gt":
                return some & (last_s >= _first_at(at_ms + 1))
            case "gte":
                return some & (last_s >= _first_at(at_ms))
            case "lt":
                return some & (last_s < _first_at(at_ms))
            case "lte":
                return some & (last_s < _first_at(at_ms + 1))
        return some & (last_s >= _first_at(at_ms)) & (last_s < _first_at(at_ms + 1))


def _first_at(at_ms: int) -> float:
    """The least time in seconds that is shown as this millisecond or a later one."""
    first = np.float64((at_ms - 0.5) / 1000.0)
    while np.rint(first * 1000.0) >= at_ms:
        first = np.nextafter(first, -np.inf)
    while np.rint(first * 1000.0) < at_ms:
        first = np.nextafter(first, np.inf)
    return float(first)


class FlagCondition(Condition):
    means = "flags in memory"
    cost_ns = NUMBER_NS
    chance = 0.5

    def mask(self, at: At) -> Bools:
        bit, value_if_set = (
            (PINNED, True) if cast(Compare, self.node).column == "is_pinned" else (INVALID, False)
        )
        is_set = (self.reader.hot.flags[at] & bit) != 0
        return cast(Bools, is_set if cast(Compare, self.node).value == value_if_set else ~is_set)
