"""Filters as MongoDB writes them, read into a small immutable tree.

    {"heat_score": {"$gt": 0.7}, "mimetype": "image/png"}
    {"$or": [{"tags": {"$contains": "cat"}}, {"properties.author": {"$regex": "^A"}}]}

A condition on a null is false, and its negation ($ne, $nin, $not) true, as in MongoDB; `{"column": null}`
asks for nulls. Every node is either true or false for a row, so negations need no third value. `$not` is
pushed down to the leaves while reading, so that `Not` holds only leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ....schemas.errors import BadRequest
from ..columns import Columns
from .patterns import MAX_REGEXES, PatternRefused, check_pattern
from .values import Field, Op, Value, field_named, shortened, value_for

__all__ = [
    "EVERYTHING", "NOTHING", "MAX_CONDITIONS", "MAX_IN_VALUES", "MAX_NESTING",
    "And", "Compare", "Contains", "Has", "HeatLog", "In", "IsNull", "Leaf", "Matches", "Node", "Not", "Or",
    "columns_of", "negated", "parse_filter",
]  # fmt: skip

MAX_NESTING = 32
MAX_CONDITIONS = 1000
MAX_IN_VALUES = 10_000
# Scores are shown with six decimals; equal to a score is what would be shown alike.
HALF_A_SHOWN_STEP = 5e-7


@dataclass(frozen=True, slots=True)
class HeatLog:
    """A heat that is independent of the moment: L plus λ times its epoch (see `heat.py`); for cursors."""

    log: float


@dataclass(frozen=True, slots=True)
class Compare:
    """`value` is of the column's own kind: times in the column's unit."""

    column: str
    op: Op
    value: Value | HeatLog


@dataclass(frozen=True, slots=True)
class In:
    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    column: str


@dataclass(frozen=True, slots=True)
class Contains:
    """A text column holds this text somewhere."""

    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Matches:
    """An RE2 pattern matches somewhere in a text column."""

    column: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Has:
    """A list of texts has this one."""

    column: str
    text: str


Leaf = Compare | In | IsNull | Contains | Matches | Has


@dataclass(frozen=True, slots=True)
class Not:
    part: Leaf


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]


Node = And | Or | Not | Leaf
EVERYTHING, NOTHING = And(()), Or(())


def parse_filter(given: object, columns: Columns) -> Node:
    """The tree of a filter; None and {} are `EVERYTHING`.

    Raises BadRequest(field="filter") with the limit that is broken: objects nested deeper than 32, more than
    1000 conditions or 32 patterns; and BadRequest(field="filter.<column>") for unknown columns and operators,
    values of a wrong type, NaN and infinity, more than 10,000 values after $in, and patterns beyond
    `check_pattern`.
    """
    if given is None:
        return EVERYTHING
    _check_shape(given)
    return _object(given, columns)


def negated(node: Node) -> Node:
    """The node that is true where this one is false."""
    match node:
        case Not(part):
            return part
        case And(parts):
            return Or(tuple(negated(part) for part in parts))
        case Or(parts):
            return And(tuple(negated(part) for part in parts))
    return Not(node)


def columns_of(node: Node) -> Iterator[str]:
    """The columns (and keys of maps) that a filter looks at, some more than once."""
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from columns_of(part)
        case Not(part):
            yield part.column
        case _:
            yield node.column


def _check_shape(given: object) -> None:
    """Bounds depth and size with a stack of its own, before anything here recurses."""
    left, conditions, patterns = [(given, 1)], 0, 0
    while left:
        value, depth = left.pop()
        if isinstance(value, Mapping):
            if depth > MAX_NESTING:
                raise BadRequest("filter", f"is nested deeper than {MAX_NESTING} objects", limit=MAX_NESTING)
            conditions += max(1, len(value))
            patterns += "$regex" in value
            if conditions > MAX_CONDITIONS:
                raise BadRequest("filter", f"has more than {MAX_CONDITIONS} conditions", limit=MAX_CONDITIONS)
            if patterns > MAX_REGEXES:
                raise BadRequest("filter", f"has more than {MAX_REGEXES} patterns", limit=MAX_REGEXES)
            left += [
                (inner, depth + 1) for inner in value.values() if isinstance(inner, Mapping | list | tuple)
            ]
        elif isinstance(value, list | tuple):
            # Lists are only ever read one level deep; what is in lists of lists is refused unseen.
            left += [(inner, depth) for inner in value if isinstance(inner, Mapping)][: MAX_CONDITIONS + 1]


def _object(given: object, columns: Columns) -> Node:
    if not isinstance(given, Mapping):
        raise BadRequest("filter", 'is an object, such as {"size_bytes": {"$gt": 1000}}')
    return _all(_entry(key, value, columns) for key, value in given.items())


def _entry(key: object, value: object, columns: Columns) -> Node:
    if not isinstance(key, str):
        raise BadRequest("filter", "has a key that is not text")
    if key in {"$and", "$or"}:
        parts = [_object(part, columns) for part in _objects(key, value)]
        return _all(parts) if key == "$and" else _any(parts)
    if key == "$not":
        return negated(_object(value, columns))
    if key.startswith("$"):
        raise BadRequest("filter", f"unknown operator {shortened(key)}; here $and, $or and $not are known")
    try:
        field = field_named(columns, key)
    except KeyError:
        known = ", ".join(columns.names)
        raise BadRequest(f"filter.{shortened(key)}", f"no such column; there are {known}") from None
    _check_numbers(field, value)
    return _conditions(field, value)


def _check_numbers(field: Field, value: object) -> None:
    """NaN and infinity are no value of any column, wherever in a condition they stand."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, Mapping):
            left += part.values()
        elif isinstance(part, list | tuple):
            # As above: lists are read one level deep.
            left += [inner for inner in part if not isinstance(inner, list | tuple)]
        elif isinstance(part, float) and not math.isfinite(part):
            raise field.wrong("a number here is a finite number, neither NaN nor infinity")


def _objects(key: str, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple) or not value:
        raise BadRequest("filter", f"{key} takes a list of at least one object")
    return value


def _conditions(field: Field, value: object) -> Node:
    """What stands beside a column: a value, or operators with theirs."""
    if not isinstance(value, Mapping):
        return _eq(field, value)
    if not value:
        raise field.wrong("has no operator")
    return _all(_operator(field, name, operand) for name, operand in value.items())


def _operator(field: Field, name: object, operand: object) -> Node:
    known = _allowed(field)
    if not isinstance(name, str) or name not in known:
        raise field.wrong(f"unknown operator {shortened(str(name))} here; allowed are {', '.join(known)}")
    return _OPERATORS[name](field, operand)


def _allowed(field: Field) -> tuple[str, ...]:
    if field.kind in {"map", "other"}:
        return ("$eq", "$ne", "$not", "$exists")
    if field.kind == "list":
        return ("$eq", "$ne", "$not", "$exists", "$contains")
    if field.kind == "bool":
        return ("$eq", "$ne", "$in", "$nin", "$not", "$exists")
    if field.name == "cid":
        return ("$eq", "$ne", "$in", "$nin", "$not", "$exists", "$contains", "$regex")
    orders = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$not", "$exists")
    if field.name == "heat_score":
        return orders
    return (*orders, "$in", "$nin", *(("$contains", "$regex") if field.kind == "text" else ()))


def _eq(field: Field, value: object) -> Node:
    if value is None:
        return IsNull(field.name)
    wanted = value_for(field, "eq", value)
    if field.kind == "list":
        return Has(field.name, cast(str, wanted))
    if field.name == "heat_score":
        score = cast(float, wanted)
        low, high = score - HALF_A_SHOWN_STEP, score + HALF_A_SHOWN_STEP
        return And((Compare(field.name, "gte", low), Compare(field.name, "lte", high)))
    return Compare(field.name, "eq", wanted)


def _order(op: Op) -> Callable[[Field, object], Node]:
    return lambda field, value: Compare(field.name, op, value_for(field, op, value))


def _in(field: Field, values: object) -> Node:
    if not isinstance(values, list | tuple):
        raise field.wrong("$in and $nin take a list of values")
    if len(values) > MAX_IN_VALUES:
        raise field.wrong(f"$in and $nin take at most {MAX_IN_VALUES} values", limit=MAX_IN_VALUES)
    wanted = tuple(dict.fromkeys(value_for(field, "eq", value) for value in values if value is not None))
    parts: list[Node] = [IsNull(field.name)] if any(value is None for value in values) else []
    if len(wanted) == 1:
        parts.append(Compare(field.name, "eq", wanted[0]))
    elif wanted and field.kind == "bool":
        parts.append(Not(IsNull(field.name)))
    elif wanted:
        parts.append(In(field.name, wanted))
    return _any(parts)


def _not(field: Field, value: object) -> Node:
    if not isinstance(value, Mapping):
        raise field.wrong('$not takes an object of operators, such as {"$gt": 1}')
    return negated(_conditions(field, value))


def _exists(field: Field, value: object) -> Node:
    if not isinstance(value, bool):
        raise field.wrong("$exists takes true or false")
    return Not(IsNull(field.name)) if value else IsNull(field.name)


def _contains(field: Field, value: object) -> Node:
    text = cast(str, value_for(field, "gt", value))
    return Has(field.name, text) if field.kind == "list" else Contains(field.name, text)


def _regex(field: Field, value: object) -> Node:
    pattern = cast(str, value_for(field, "gt", value))
    try:
        check_pattern(pattern)
    except PatternRefused as refused:
        raise field.wrong(f"$regex {shortened(refused.problem)}", limit=refused.limit) from None
    return Matches(field.name, pattern)


_OPERATORS: dict[str, Callable[[Field, object], Node]] = {
    "$eq": _eq,
    "$ne": lambda field, value: negated(_eq(field, value)),
    "$gt": _order("gt"),
    "$gte": _order("gte"),
    "$lt": _order("lt"),
    "$lte": _order("lte"),
    "$in": _in,
    "$nin": lambda field, value: negated(_in(field, value)),
    "$not": _not,
    "$exists": _exists,
    "$contains": _contains,
    "$regex": _regex,
}


def _all(parts: Iterator[Node] | Sequence[Node]) -> Node:
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def _any(parts: Sequence[Node]) -> Node:
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)
