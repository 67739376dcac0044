"""Which columns a question uses, and how: what an optimizer of the schema counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .aggregate import Aggregation
from .filter import And, Compare, Contains, Has, In, IsNull, Leaf, Matches, Node, Not, Or
from .query import Query

__all__ = ["Observed", "observed"]


@dataclass(frozen=True, slots=True)
class Observed:
    """The columns of one question.

    `filtered` are (column, kind) with the kinds equal, in, range, text, exists and other; `selected` is None
    where whole rows are read, `aggregated` None where rows are listed.
    """

    filtered: tuple[tuple[str, str], ...]
    sorted_by: tuple[str, ...] = ()
    grouped_by: tuple[str, ...] = ()
    selected: tuple[str, ...] | None = None
    aggregated: tuple[str, ...] | None = None


def observed(question: Query | Aggregation) -> Observed:
    """What a query or an aggregation uses; keys of maps count as their map."""
    filtered = tuple(dict.fromkeys(_filtered(question.filter)))
    if isinstance(question, Aggregation):
        columns = (each.column for each in question.measures if each.column)
        return Observed(filtered, grouped_by=question.group_by, aggregated=tuple(dict.fromkeys(columns)))
    whole = question.select == question.columns.names
    asked = tuple(key.column for key in question.order)
    # The CID at the end settles ties; it is no column that was asked for.
    sorted_by = asked[:-1] if len(asked) > 1 and asked[-1] == "cid" else asked
    return Observed(filtered, sorted_by=sorted_by, selected=None if whole else question.select)


def _filtered(node: Node) -> Iterator[tuple[str, str]]:
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _filtered(part)
        case Not(part):
            yield part.column.partition(".")[0], _use_of_negated(part)
        case _:
            yield node.column.partition(".")[0], _use(node)


def _use_of_negated(leaf: Leaf) -> str:
    # What all but some values have helps nobody to find rows.
    return "other" if _use(leaf) in {"equal", "in"} else _use(leaf)


def _use(leaf: Leaf) -> str:
    match leaf:
        case Compare(_, op, _):
            return "equal" if op == "eq" else "range"
        case In():
            return "in"
        case IsNull():
            return "exists"
        case Contains() | Matches() | Has():
            return "text"
