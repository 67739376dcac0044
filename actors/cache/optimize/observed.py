"""What an index was used for: counts that age, in bounded memory, with a state that JSON can keep.

Every count halves in each half-life. Kept are sums in the units of a fixed epoch, to which an amount at time
t adds amount·2^((t-epoch)/half-life), so nothing has to be touched as time goes by (forward decay: Cormode et
al., ICDE 2009). Shapes of questions are counted by the Space-Saving sketch (Metwally et al., ICDT 2005): any
shape with more than 1/`MAX_SHAPES` of the questions is in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ....schemas.errors import BadRequest
from .question import Filtered, Question
from .usage import ColumnUse, Frequent, Usage

__all__ = ["Observed"]

MAX_SHAPES = 128
MAX_COLUMNS = 512
MAX_REPLAY_BYTES = 4096
# Exponent of two at which sums are moved to a new epoch, far from where a float ends.
MAX_EXPONENT = 64.0
STATE_VERSION = 1

Sums = dict[str, float]


class Observed:
    """The observed use of one index; `half_life_s` is 7 days. It is not safe to call from several threads."""

    def __init__(self, half_life_s: float = 7 * 86_400.0) -> None:
        self._half_life_s = half_life_s
        self._epoch_s: float | None = None
        self._since_s: float | None = None
        self._totals: Sums = {}
        self._columns: dict[str, Sums] = {}
        self._last_used_s: dict[str, float] = {}
        self._shapes: dict[str, Sums] = {}
        self._replays: dict[str, Mapping[str, Any]] = {}

    # ---- noting -----------------------------------------------------------------------------------------

    def note(
        self,
        question: Question,
        *,
        at_s: float,
        seconds: float = 0.0,
        rows_read: int = 0,
        rows_returned: int = 0,
        matched_share: float | None = None,
    ) -> None:
        """A question that was answered: in which time, from how many rows, with how many.

        `matched_share` is the share of all rows that the whole filter matches, if no limit cut the search
        short; of a filter on one column it is the selectivity.
        """
        one = self._unit(at_s)
        _add(self._totals, "questions", one)
        _add(self._totals, "rows_read", one * rows_read)
        _add(self._totals, "rows_returned", one * rows_returned)
        if question.is_analysis:
            _add(self._totals, "analyses", one)
        elif question.selected is None:
            _add(self._totals, "whole_rows", one)
        self._note_filter(question.filtered, one, at_s, matched_share)
        self._note_columns("sorted", question.sorted_by, one, at_s)
        self._note_columns("grouped", question.grouped_by, one, at_s)
        self._note_columns("aggregated", question.aggregated or (), one, at_s)
        self._note_columns("selected", question.selected or (), one, at_s)
        self._note_shape(question, one, seconds, rows_read)

    def note_points(self, count: int = 1, *, at_s: float, columns: Iterable[str] | None = None) -> None:
        """Reads of single rows by their CID; `columns` is None for whole rows, empty for hot columns
        alone."""
        amount = self._unit(at_s) * count
        named = () if columns is None else tuple(columns)
        _add(self._totals, "points" if named or columns is None else "lookups", amount)
        if columns is None:
            _add(self._totals, "whole_rows", amount)
        self._note_columns("selected", named, amount, at_s)

    def note_write(self, rows: int, *, at_s: float) -> None:
        """One write, of so many rows."""
        one = self._unit(at_s)
        _add(self._totals, "writes", one)
        _add(self._totals, "rows_written", one * rows)

    def note_touches(self, count: int, *, at_s: float) -> None:
        """Accesses that only changed hot columns."""
        _add(self._totals, "touches", self._unit(at_s) * count)

    def rename(self, old: str, new: str) -> None:
        """A column has another name now; what was noted of it goes on under that."""
        if old in self._columns:
            self._columns[new] = self._columns.pop(old)
        if old in self._last_used_s:
            self._last_used_s[new] = self._last_used_s.pop(old)
        self._shapes.clear()  # their questions name the old one, so they could not be asked again
        self._replays.clear()

    # ---- reading ----------------------------------------------------------------------------------------

    def usage(self, now_s: float) -> Usage:
        """What is known at a time, as numbers that do not change any more."""
        one = 1.0 / self._grown(now_s) if self._epoch_s is not None else 0.0
        totals = {name: amount * one for name, amount in self._totals.items()}
        columns = {
            name: ColumnUse.of(
                {what: amount * one for what, amount in sums.items()}, self._last_used_s.get(name)
            )
            for name, sums in self._columns.items()
        }
        window_s = 0.0 if self._since_s is None else max(now_s - self._since_s, 0.0)
        return Usage.of(totals, columns, window_s=window_s, now_s=now_s, frequent=self._frequent(one))

    def _frequent(self, one: float) -> tuple[Frequent, ...]:
        found = sorted(self._shapes.items(), key=lambda item: (-item[1]["weight"], item[0]))
        return tuple(
            Frequent(
                shape,
                weight=sums["weight"] * one,
                seconds=sums["seconds"] / sums["noted"],
                rows_read=sums["rows_read"] / sums["noted"],
                replay=self._replays.get(shape),
            )
            for shape, sums in found
        )

    # ---- keeping ----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values; `from_state` reads it."""
        return {
            "version": STATE_VERSION,
            "half_life_s": self._half_life_s,
            "epoch_s": self._epoch_s,
            "since_s": self._since_s,
            "totals": dict(self._totals),
            "columns": {name: dict(sums) for name, sums in self._columns.items()},
            "last_used_s": dict(self._last_used_s),
            "shapes": {shape: dict(sums) for shape, sums in self._shapes.items()},
            "replays": dict(self._replays),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What `state` gave; raises BadRequest if it is something else."""
        if state.get("version") != STATE_VERSION:
            raise BadRequest("version", f"the state of observed queries is not of version {STATE_VERSION}")
        try:
            kept = cls(float(state["half_life_s"]))
            kept._epoch_s, kept._since_s = _maybe(state["epoch_s"]), _maybe(state["since_s"])
            kept._totals = _sums(state["totals"])
            kept._columns = {str(name): _sums(sums) for name, sums in state["columns"].items()}
            kept._last_used_s = _sums(state["last_used_s"])
            kept._shapes = {
                str(shape): {name: float(sums[name]) for name in ("weight", "noted", "seconds", "rows_read")}
                for shape, sums in state["shapes"].items()
            }
            kept._replays = {str(shape): dict(each) for shape, each in state["replays"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRequest("state", "the state of observed queries is damaged") from error
        return kept

    # ---- sums that age ----------------------------------------------------------------------------------

    def _unit(self, at_s: float) -> float:
        """What one is worth at a time, in the units of the epoch."""
        if self._epoch_s is None or self._since_s is None:
            self._epoch_s = self._since_s = at_s
        if (at_s - self._epoch_s) / self._half_life_s > MAX_EXPONENT:
            self._move_epoch(at_s)
        return self._grown(at_s)

    def _grown(self, at_s: float) -> float:
        assert self._epoch_s is not None
        exponent = (at_s - self._epoch_s) / self._half_life_s
        return math.exp2(min(max(exponent, -1000.0), 1000.0))

    def _move_epoch(self, at_s: float) -> None:
        factor = 1.0 / self._grown(at_s)
        for sums in (self._totals, *self._columns.values(), *self._shapes.values()):
            for name in sums:
                sums[name] *= factor
        self._epoch_s = at_s
        for shape in [shape for shape, sums in self._shapes.items() if sums["noted"] <= 0]:
            self._forget_shape(shape)  # aged to nothing

    def _column(self, name: str, at_s: float) -> Sums | None:
        if name not in self._columns and len(self._columns) >= MAX_COLUMNS:
            return None
        self._last_used_s[name] = max(at_s, self._last_used_s.get(name, at_s))
        return self._columns.setdefault(name, {})

    def _note_filter(
        self, parts: Iterable[Filtered], one: float, at_s: float, matched_share: float | None
    ) -> None:
        names = {part.column for part in parts}
        self._note_columns("filtered", names, one, at_s)
        alone = matched_share if len(names) == 1 else None
        told: dict[str, float] = {}
        for part in parts:
            use = self._column(part.column, at_s)
            if use is not None:
                _add(use, f"filtered.{part.kind}", one)
            share = part.selectivity if part.selectivity is not None else alone
            if share is not None:
                told[part.column] = min(max(share, 0.0), 1.0)
        for name, share in told.items():
            self._note_columns("known", (name,), one, at_s)
            self._note_columns("passed", (name,), one * share, at_s)

    def _note_columns(self, what: str, names: Iterable[str], amount: float, at_s: float) -> None:
        for name in names:
            use = self._column(name, at_s)
            if use is not None:
                _add(use, what, amount)

    def _note_shape(self, question: Question, one: float, seconds: float, rows_read: int) -> None:
        shape = question.shape()
        sums = self._shapes.get(shape)
        if sums is None:
            sums = self._shapes[shape] = self._room_for_shape()
        _add(sums, "weight", one)
        _add(sums, "noted", one)
        _add(sums, "seconds", one * seconds)
        _add(sums, "rows_read", one * rows_read)
        if question.replay is not None and shape not in self._replays and _is_small(question.replay):
            self._replays[shape] = question.replay

    def _room_for_shape(self) -> Sums:
        """The sums of a shape that is new here: where there is no room, it takes the lightest one's
        weight."""
        inherited = 0.0
        if len(self._shapes) >= MAX_SHAPES:
            lightest = min(self._shapes, key=lambda shape: self._shapes[shape]["weight"])
            inherited = self._shapes[lightest]["weight"]
            self._forget_shape(lightest)
        return {"weight": inherited, "noted": 0.0, "seconds": 0.0, "rows_read": 0.0}

    def _forget_shape(self, shape: str) -> None:
        del self._shapes[shape]
        self._replays.pop(shape, None)


def _add(sums: Sums, name: str, amount: float) -> None:
    sums[name] = sums.get(name, 0.0) + amount


def _is_small(replay: Mapping[str, Any]) -> bool:
    try:
        return len(json.dumps(replay)) <= MAX_REPLAY_BYTES
    except (TypeError, ValueError, RecursionError):  # not JSON, or too deep to be worth keeping
        return False


def _sums(value: Mapping[str, Any]) -> Sums:
    return {str(name): float(amount) for name, amount in value.items()}


def _maybe(value: Any) -> float | None:
    return None if value is None else float(value)
