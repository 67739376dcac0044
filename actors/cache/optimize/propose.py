"""From what was observed and measured to a layout: the rules in their order, each seeing what those before it
chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from ..index.layout import Layout
from .access import index_columns, row_group_rows
from .observed import Observed
from .proposal import Change, Policy, Proposal
from .rules import NO_PROFILE, Case, Ruled, cold_columns, dictionary_columns, resident_columns
from .statistics import ColumnStatistics
from .usage import Detected, Usage, detect
from .workload import PROFILES, WorkloadType, layout_for

__all__ = ["propose"]

MAX_PASSES = 3


def propose(
    layout: Layout,
    observed: Observed | Usage,
    statistics: ColumnStatistics,
    workload: WorkloadType | None = None,
    *,
    now_s: float,
    policy: Policy | None = None,
) -> Proposal:
    """What to change about a layout, and why.

    A workload that is given sets where to begin, and its row groups, codec and indexes stand; without one it
    is detected, and where no use stands out the present layout is the beginning. Use then decides about
    columns, if enough of it was observed; dictionaries are decided by what the values are like. In another
    thread than the one that notes, give it a `Usage`.
    """
    policy = policy or Policy()
    usage = observed.usage(now_s) if isinstance(observed, Observed) else observed
    names = statistics.columns
    found = Detected(workload, "as told", clear=True) if workload else detect(usage)
    profile = layout_for(found.workload, NO_PROFILE, columns=names) if found.clear else NO_PROFILE
    case = Case(layout, layout, usage, statistics, policy, profile, named=workload is not None)
    cold, told = cold_columns(case) if usage.reads >= policy.min_reads else (layout.cold, ())
    start = replace(layout, cold=cold)
    start = layout_for(found.workload, start, columns=names) if found.clear else start
    case, changes = _settled(replace(case, layout=start))
    changes = (*told, *changes)
    changes += _of_the_workload(layout, case.layout, found, {change.field for change in changes})
    after = _in_the_order_of(layout, case.layout)
    return Proposal(found.workload, found.reason, layout, after, changes)


def _settled(case: Case) -> tuple[Case, tuple[Change, ...]]:
    """The rules go round until they agree: what one chose may change what an earlier one would."""
    changes: tuple[Change, ...] = ()
    for _ in range(MAX_PASSES):
        before, changes = case.layout, ()
        for field, rule in _rules(case):
            value, why = rule(case)
            case = replace(case, layout=replace(case.layout, **{field: value}))
            changes += why
        if case.layout == before:
            break
    return case, changes


def _rules(case: Case) -> Iterator[tuple[str, Callable[[Case], Ruled]]]:
    known = case.usage.reads >= case.policy.min_reads
    yield "dictionary", dictionary_columns
    if known or case.named:
        yield "indexes", index_columns
        yield "resident", resident_columns
    if known and not case.named:
        yield "row_group_rows", row_group_rows


def _of_the_workload(
    before: Layout, after: Layout, found: Detected, explained: set[str]
) -> tuple[Change, ...]:
    """The changes that the profile brought and no rule has spoken of."""
    changes = []
    for choice in PROFILES[found.workload].choices:
        old, new = getattr(before, choice.field), getattr(after, choice.field)
        if choice.field not in explained and set(_items(old)) != set(_items(new)):
            reason = f"{found.workload}: {choice.reason}"
            changes.append(Change(choice.field, None, old, new, reason, choice.effect))
    return tuple(changes)


def _in_the_order_of(before: Layout, after: Layout) -> Layout:
    """The same layout with the columns of each field in the order they had, so that equal choices are
    equal."""
    values: dict[str, Any] = {}
    for each in fields(Layout):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if isinstance(new, tuple):
            kept = [name for name in old if name in new]
            values[each.name] = (*kept, *(name for name in new if name not in kept))
    return replace(after, **values)


def _items(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)
