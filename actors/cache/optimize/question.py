"""A question put to the index, as the optimizer sees it: which columns it used, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from ..query.observed import Observed as Used

__all__ = [
    "Kind",
    "KINDS",
    "ORDERED_KINDS",
    "Filtered",
    "Question",
    "filtered_by",
    "names",
    "question_of",
    "question_of_query",
]

Kind = Literal["equal", "in", "range", "prefix", "text", "exists", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What the ascending order of a column can answer.
ORDERED_KINDS: frozenset[Kind] = frozenset({"equal", "in", "range", "prefix"})

# A filter that is larger than this was refused or is a machine's; its first parts say enough.
MAX_PARTS = 1000

_KIND_OF: Mapping[str, Kind] = {
    "eq": "equal", "==": "equal", "=": "equal",
    "in": "in",
    "gt": "range", "gte": "range", "lt": "range", "lte": "range",
    ">": "range", ">=": "range", "<": "range", "<=": "range",
    "prefix": "prefix",
    "regex": "text", "contains": "text",
    "exists": "exists",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filtered:
    """A column of a filter; `selectivity` is the share of the rows that this part lets through, if known."""

    column: str
    kind: Kind = "equal"
    selectivity: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        filtered: the parts of the filter.
        sorted_by, grouped_by: columns, in order.
        selected: the columns that were asked for besides these; None for whole rows.
        aggregated: the columns that are summed or counted; None where rows are listed.
        replay: the question itself as JSON, for measurements; None if it must not be kept.
    """

    filtered: tuple[Filtered, ...] = ()
    sorted_by: tuple[str, ...] = ()
    grouped_by: tuple[str, ...] = ()
    selected: tuple[str, ...] | None = None
    aggregated: tuple[str, ...] | None = None
    replay: Mapping[str, Any] | None = None

    @property
    def is_analysis(self) -> bool:
        """Whether it groups, sums or counts instead of listing rows."""
        return bool(self.grouped_by) or self.aggregated is not None

    def columns(self) -> frozenset[str]:
        """Every column that is named."""
        named = (*self.sorted_by, *self.grouped_by, *(self.aggregated or ()), *(self.selected or ()))
        return frozenset((*(part.column for part in self.filtered), *named))

    def shape(self) -> str:
        """The question without its values: alike questions have the same."""
        filters = sorted(f"{part.column}:{part.kind}" for part in self.filtered)
        listed = ["*"] if self.selected is None else sorted(self.selected)
        if self.is_analysis:
            listed = ["=", *sorted(self.aggregated or ())]
        return ";".join(",".join(part) for part in (filters, self.sorted_by, self.grouped_by, listed))


def question_of_query(
    used: Used, replay: Mapping[str, Any] | None = None, selectivity: Mapping[str, float] | None = None
) -> Question:
    """The question of a query that was parsed already, from what `query.observed` says of it."""
    known = selectivity or {}
    return Question(
        filtered=tuple(
            Filtered(column, kind if kind in KINDS else "other", known.get(column))
            for column, kind in used.filtered
        ),
        sorted_by=used.sorted_by,
        grouped_by=used.grouped_by,
        selected=used.selected,
        aggregated=used.aggregated,
        replay=replay,
    )


def question_of(request: Mapping[str, Any], selectivity: Mapping[str, float] | None = None) -> Question:
    """The question of a request: `filter`, `select`, `sort` (`-name` for descending), `group_by` and
    `aggregates` (`{"bytes": {"$sum": "size_bytes"}}`). Kept to be asked again is all of it but `cursor`."""
    aggregates = request.get("aggregates")
    return Question(
        filtered=filtered_by(request.get("filter"), selectivity),
        sorted_by=tuple(name.removeprefix("-") for name in names(request.get("sort"))),
        grouped_by=names(request.get("group_by")),
        selected=names(request["select"]) if request.get("select") is not None else None,
        aggregated=None if aggregates is None else _aggregated(aggregates),
        replay={name: value for name, value in request.items() if value is not None and name != "cursor"},
    )


def filtered_by(filters: object, selectivity: Mapping[str, float] | None = None) -> tuple[Filtered, ...]:
    """The parts of a filter such as `{"size_bytes": {"$gt": 5}, "$or": […]}` or `[("size_bytes", ">", 5)]`.

    It never raises: what it does not know counts as "other". At most 1000 parts are read; a part is named
    once for each kind. `selectivity` is by column.
    """
    known = selectivity or {}
    parts = dict.fromkeys(islice(_parts(filters), MAX_PARTS))
    return tuple(Filtered(column, kind, known.get(column)) for column, kind in parts)


def names(given: object) -> tuple[str, ...]:
    """Column names from a name, a list of them, or nothing; a map's key counts as the map."""
    listed = (given,) if isinstance(given, str) else given if isinstance(given, Iterable) else ()
    return tuple(dict.fromkeys(str(name).partition(".")[0] for name in islice(listed, MAX_PARTS)))


def _aggregated(aggregates: object) -> tuple[str, ...]:
    calls = aggregates.values() if isinstance(aggregates, Mapping) else ()
    named = [name for call in calls if isinstance(call, Mapping) for name in call.values()]
    return names([name for name in named if isinstance(name, str)])


def _parts(filters: object) -> Iterator[tuple[str, Kind]]:
    # Depth and width are the caller's, so this walks with a list of its own and stops.
    waiting: list[tuple[object, bool]] = [(filters, False)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part, negated = waiting.pop()
        if isinstance(part, Mapping):
            for name, condition in part.items():
                if str(name).startswith("$"):
                    waiting.append((condition, negated or name in ("$not", "$nor")))
                else:
                    column, _, key = str(name).partition(".")
                    yield from ((column, "other" if negated or key else kind) for kind in _kinds(condition))
        elif isinstance(part, tuple | list) and len(part) == 3 and isinstance(part[0], str):
            yield part[0], "other" if negated else _kind(str(part[1]))
        elif isinstance(part, Iterable) and not isinstance(part, str | bytes):
            waiting.extend((each, negated) for each in islice(part, MAX_PARTS))


def _kinds(condition: object) -> Iterator[Kind]:
    if isinstance(condition, Mapping) and all(str(operator).startswith("$") for operator in condition):
        yield from (_kind(str(operator)) for operator in condition)
    else:
        yield "exists" if condition is None else "equal"


def _kind(operator: str) -> Kind:
    return _KIND_OF.get(operator.removeprefix("$").lower(), "other")
