"""What a query does, told after it was done: for each segment the start, the conditions in their order, and
how many rows each left."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..index.segment import Snapshot
from .deadline import WITHIN_S, Deadline
from .execute import pieces
from .expression import expression
from .filter import Node
from .plan import Plan, planned
from .query import Query
from .reading import readers
from .run import hottest

__all__ = ["explain"]

MAX_TEXT_CHARS = 2000


def explain(query: Query, snapshot: Snapshot, *, within_s: float | None = WITHIN_S) -> dict[str, Any]:
    """Runs the filter of a query on every segment, without its limit, and tells what happened.

    `expression` is the filter for Arrow; `answered_by` is "top-heat" where the hottest rows alone give the
    answer. Of each segment: `start` (with zones `skipped` of `of`), the `steps` with their means, the
    estimated and the actual number of rows they left, and `selected`. Raises DeadlineExceeded after
    `within_s` seconds.
    """
    deadline = Deadline(within_s)
    by_heat = query.by_heat and hottest(query, snapshot) is not None
    told: dict[str, Any] = {
        "expression": _text(query.whole_filter, query, snapshot),
        "answered_by": "top-heat" if by_heat else "segments",
        "order": [("-" if key.descending else "") + key.column for key in query.order],
        "ordered_by": _ordering(query, by_heat=by_heat),
        "limit": query.limit,
        "materialised": list(query.select),
    }
    if by_heat:
        return told | {"segments": []}
    plans = [planned(query.whole_filter, reader) for reader in readers(snapshot, deadline)]
    return told | {"segments": [_segment(plan, query, snapshot) for plan in plans]}


def _ordering(query: Query, *, by_heat: bool) -> str:
    if not query.order:
        return "none"
    if by_heat:
        return "top-heat"
    return "full sort" if query.limit is None else "partial selection"


def _segment(plan: Plan, query: Query, snapshot: Snapshot) -> dict[str, Any]:
    # What is at hand is asked before the query itself reads columns.
    materialised = {
        name: "memory" if plan.reader.is_at_hand(name) or name == "cid" else "read from the run"
        for name in query.select
    }
    counts = [0] * (len(plan.conditions) + 1)
    selected = sum(piece.count for piece in pieces(plan, counts=counts))
    steps, expected = [], float(counts[0])
    for number, condition in enumerate(plan.conditions, 1):
        expected *= condition.chance
        steps.append({
            "predicate": _text(condition.node, query, snapshot),
            "means": condition.means,
            "estimated_rows": round(expected),
            "rows": counts[number],
        })  # fmt: skip
    return {
        "segment": plan.reader.segment.name,
        "rows": plan.reader.rows,
        "dead": plan.reader.segment.dead,
        "start": _start(plan, counts[0]),
        "steps": steps,
        "selected": selected,
        "materialised": materialised,
    }


def _start(plan: Plan, tested: int) -> dict[str, Any]:
    start = plan.start
    told: dict[str, Any] = {"means": start.means, "rows": tested}
    if start.column is not None:
        told["column"] = start.column
    if start.blocks is not None:
        of = len(start.blocks.keep)
        told["zones"] = {"skipped": of - int(np.count_nonzero(start.blocks.keep)), "of": of}
    return told


def _text(node: Node, query: Query, snapshot: Snapshot) -> str:
    text = str(expression(node, query.columns, heat=snapshot.heat, now_s=snapshot.now_s))
    return text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "…"
