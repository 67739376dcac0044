"""What an aggregation computes, read and checked: counts, sums, averages, extremes and histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

from ....schemas.errors import BadRequest
from ..columns import Columns
from .filter import Node, parse_filter
from .values import Field, field_named, kind_of, shortened, value_for

__all__ = ["MAX_BINS", "MAX_GROUPS", "MAX_GROUP_KEYS", "MAX_MEASURES", "Aggregation", "Measure"]

MAX_GROUP_KEYS = 4
MAX_GROUPS = 10_000
MAX_MEASURES = 32
MAX_BINS = 1000

What = Literal["count", "sum", "avg", "min", "max", "histogram"]
# The kinds of column that each can be taken of.
_OF: Mapping[str, tuple[str, ...]] = {
    "$sum": ("integer", "real"),
    "$avg": ("integer", "real", "time"),
    "$min": ("integer", "real", "time", "text"),
    "$max": ("integer", "real", "time", "text"),
    "$histogram": ("integer", "real", "time"),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One number (or text, or histogram) of each group; `edges` or `bins` is of a histogram."""

    name: str
    what: What
    column: str | None = None
    bins: int = 0
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Aggregation:
    """An aggregation that was understood; make it with `parse`."""

    columns: Columns
    filter: Node
    group_by: tuple[str, ...]
    measures: tuple[Measure, ...]

    @staticmethod
    def parse(
        columns: Columns,
        *,
        filter: object = None,  # noqa: A002
        group_by: object = None,
        aggregates: object = None,
    ) -> Aggregation:
        """Reads an aggregation; without `aggregates` it counts.

            group_by=["mimetype"], aggregates={"n": {"$count": {}}, "bytes": {"$sum": "size_bytes"}}
            aggregates={"sizes": {"$histogram": {"column": "size_bytes", "bins": 20}}}

        `bins` is a number of equal bins from the least to the greatest value, or their edges, ascending.
        Raises BadRequest(field="group_by"), "aggregates.<name>" or those of `parse_filter`: more than 4
        columns to group by, 32 aggregates, 1000 bins.
        """
        measures = {"count": {"$count": {}}} if aggregates is None else aggregates
        if not isinstance(measures, Mapping) or not measures:
            raise BadRequest("aggregates", 'is an object, such as {"bytes": {"$sum": "size_bytes"}}')
        if len(measures) > MAX_MEASURES:
            raise BadRequest("aggregates", f"are at most {MAX_MEASURES}", limit=MAX_MEASURES)
        grouped = _group_by(group_by, columns)
        read = tuple(_measure(name, of, columns) for name, of in measures.items())
        for measure in read:
            if measure.name in grouped:
                raise BadRequest("aggregates", f"{measure.name} is also a column to group by")
        return Aggregation(columns, parse_filter(filter, columns), grouped, read)


def _group_by(given: object, columns: Columns) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise BadRequest("group_by", "is a list of columns")
    if len(given) > MAX_GROUP_KEYS:
        raise BadRequest("group_by", f"takes at most {MAX_GROUP_KEYS} columns", limit=MAX_GROUP_KEYS)
    for name in given:
        if not isinstance(name, str) or name not in columns:
            shown = f'"{shortened(name)}"' if isinstance(name, str) else "what is not text"
            raise BadRequest("group_by", f"no such column: {shown}; there are {', '.join(columns.names)}")
        if kind_of(columns[name].type) in {"list", "map", "other"}:
            raise BadRequest("group_by", f"{name} cannot be grouped by")
    return tuple(dict.fromkeys(given))


def _measure(name: object, of: object, columns: Columns) -> Measure:
    if not isinstance(name, str):
        raise BadRequest("aggregates", "has a name that is not text")
    where = f"aggregates.{shortened(name)}"
    if not isinstance(of, Mapping) or len(of) != 1:
        raise BadRequest(where, f"is an object of one of $count, {', '.join(_OF)}")
    [(operator, operand)] = of.items()
    if operator == "$count":
        if operand is None or operand == {}:
            return Measure(name, "count")
        return Measure(name, "count", _field(where, operand, columns).name)
    if operator not in _OF:
        raise BadRequest(
            where, f"unknown operator {shortened(str(operator))}; allowed are $count, {', '.join(_OF)}"
        )
    if operator == "$histogram":
        return _histogram(name, where, operand, columns)
    field = _numeric(where, operator, operand, columns)
    return Measure(name, cast(What, operator[1:]), field.name)


def _field(where: str, name: object, columns: Columns) -> Field:
    if not isinstance(name, str) or name not in columns:
        shown = f'"{shortened(name)}"' if isinstance(name, str) else "what is not text"
        raise BadRequest(where, f"no such column: {shown}; there are {', '.join(columns.names)}")
    return field_named(columns, name)


def _numeric(where: str, operator: str, name: object, columns: Columns) -> Field:
    field = _field(where, name, columns)
    if field.kind not in _OF[operator]:
        raise BadRequest(where, f"{operator} cannot be taken of {field.name}, which is {field.kind}")
    return field


def _histogram(name: str, where: str, operand: object, columns: Columns) -> Measure:
    if not isinstance(operand, Mapping) or set(operand) != {"column", "bins"}:
        raise BadRequest(where, '$histogram takes {"column": …, "bins": a number or a list of edges}')
    field, bins = _numeric(where, "$histogram", operand["column"], columns), operand["bins"]
    if isinstance(bins, list | tuple):
        return Measure(name, "histogram", field.name, edges=_edges(where, bins, field))
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise BadRequest(where, "bins is a number of at least 1, or a list of edges")
    if bins > MAX_BINS:
        raise BadRequest(where, f"bins is at most {MAX_BINS}", limit=MAX_BINS)
    return Measure(name, "histogram", field.name, bins=bins)


def _edges(where: str, given: list[Any] | tuple[Any, ...], field: Field) -> tuple[float, ...]:
    if len(given) > MAX_BINS + 1:
        raise BadRequest(where, f"bins has at most {MAX_BINS + 1} edges", limit=MAX_BINS + 1)
    for edge in given:
        if isinstance(edge, bool) or not isinstance(edge, int | float) or not math.isfinite(edge):
            raise BadRequest(where, "edges are finite numbers, of times Unix seconds")
        if field.kind == "time":
            value_for(field, "gte", edge)
    edges = tuple(given)
    if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
        raise BadRequest(where, "bins has at least two edges, ascending")
    return edges
