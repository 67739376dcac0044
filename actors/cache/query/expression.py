"""A whole filter as one Arrow expression, for tables and Parquet readers that are not this index.

It is also what the index's own way of answering is tested against. Regular expressions run in RE2, whose
time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..columns import Columns
from ..heat import Heat
from .filter import And, Compare, Contains, Has, HeatLog, In, IsNull, Leaf, Matches, Node, Not, Or
from .values import Op, field_named

__all__ = ["COMPARISONS", "HeatBound", "expression", "heat_bound", "holds_text"]

COMPARISONS: dict[Op, Callable[..., Any]] = {
    "eq": pc.equal,
    "gt": pc.greater,
    "gte": pc.greater_equal,
    "lt": pc.less,
    "lte": pc.less_equal,
}
# A comparison of L, or a constant where no L can change the answer.
HeatBound = tuple[Op, np.float32] | bool


def expression(
    node: Node, columns: Columns, *, heat: Heat | None = None, now_s: float = 0.0
) -> pc.Expression:
    """The filter over a table of the logical columns; a row passes where it is true.

    With `heat`, conditions on `heat_score` compare the column `heat` (L, float32) with a constant of the
    moment `now_s`, so that statistics prune; else they compare the score itself. Lists of texts that hold
    nulls or NUL characters are beyond it: Arrow has no test for the elements of a list.
    """
    return _Builder(columns, heat, now_s).build(node)


def heat_bound(leaf: Compare, heat: Heat, now_s: float) -> HeatBound:
    """The comparison of L that says the same as one of the score.

    L has 32 bits: the constant is moved to the neighbouring one that keeps the comparison exact.
    """
    op, value = leaf.op, leaf.value
    if isinstance(value, HeatLog):
        return op, np.float32(value.log - heat.decay * heat.epoch_s)
    score = float(value)
    if score < 0 or score >= 1:
        return (op in {"gt", "gte"}) == (score < 0)
    exact = heat.log_of_score(score, now_s)
    near = np.float32(exact)
    if op in {"gt", "lte"} and float(near) > exact:
        near = np.nextafter(near, np.float32(-np.inf))
    if op in {"gte", "lt"} and float(near) < exact:
        near = np.nextafter(near, np.float32(np.inf))
    return op, near


def holds_text(leaf: Leaf, texts: Any, literal: Callable[[Any], Any] = pa.scalar) -> Any:
    """A leaf on text, evaluated on an Arrow array, or built on an expression; null where the text is."""
    match leaf:
        case Compare(_, op, value):
            return COMPARISONS[op](texts, literal(value))
        case In(_, values):
            return pc.is_in(texts, value_set=pa.array(values, pa.string()), skip_nulls=True)
        case Contains(_, text):
            return pc.match_substring(texts, text)
        case Matches(_, pattern):
            return pc.match_substring_regex(texts, pattern)
    raise TypeError(f"{type(leaf).__name__} is no condition on text")


class _Builder:
    def __init__(self, columns: Columns, heat: Heat | None, now_s: float) -> None:
        self._columns = columns
        self._heat = heat
        self._now_s = now_s

    def build(self, node: Node) -> pc.Expression:
        match node:
            case And(parts):
                return _balanced(pc.and_kleene, [self.build(part) for part in parts], empty=True)
            case Or(parts):
                return _balanced(pc.or_kleene, [self.build(part) for part in parts], empty=False)
            case Not(IsNull(column)):
                return pc.is_valid(self._value(column))
            case Not(part):
                return pc.invert(pc.coalesce(self._leaf(part), pc.scalar(False)))
        return self._leaf(node)

    def _value(self, name: str) -> pc.Expression:
        if name in self._columns:
            return pc.field(name)
        outer, _, key = name.partition(".")
        return pc.map_lookup(pc.field(outer), query_key=pa.scalar(key), occurrence="last")

    def _leaf(self, leaf: Leaf) -> pc.Expression:
        value = self._value(leaf.column)
        if isinstance(leaf, IsNull):
            return pc.is_null(value)
        if isinstance(leaf, Has):
            return _has(value, leaf.text)
        if isinstance(leaf, Compare) and leaf.column == "heat_score" and self._heat is not None:
            return self._of_heat(leaf, self._heat)
        column_type = field_named(self._columns, leaf.column).type
        if isinstance(leaf, In) and not pa.types.is_string(column_type):
            return pc.is_in(value, value_set=pa.array(leaf.values, column_type), skip_nulls=True)
        return holds_text(leaf, value, partial(_typed, column_type))

    def _of_heat(self, leaf: Compare, heat: Heat) -> pc.Expression:
        bound = heat_bound(leaf, heat, self._now_s)
        if isinstance(bound, bool):
            return pc.scalar(bound)
        op, log = bound
        return COMPARISONS[op](pc.field("heat"), pc.scalar(pa.scalar(log, pa.float32())))


def _typed(data_type: pa.DataType, value: Any) -> pc.Expression:
    # A score is compared as it was asked for, not rounded to the column's 32 bits.
    wide = pa.float64() if pa.types.is_floating(data_type) else data_type
    return pc.scalar(pa.scalar(value, wide))


def _has(lists: pc.Expression, text: str) -> pc.Expression:
    joined = pc.binary_join(lists, pc.scalar("\0"))
    fenced = pc.binary_join_element_wise(pc.scalar(""), joined, pc.scalar(""), pc.scalar("\0"))
    return pc.match_substring(fenced, f"\0{text}\0") & (pc.list_value_length(lists) > pc.scalar(0))


def _balanced(
    join: Callable[[Any, Any], pc.Expression], parts: Sequence[pc.Expression], *, empty: bool
) -> pc.Expression:
    """Many parts as a tree of little depth."""
    if not parts:
        return pc.scalar(empty)
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return join(_balanced(join, parts[:half], empty=empty), _balanced(join, parts[half:], empty=empty))
