"""Which rows of a segment pass: the conditions of a plan, one after the other, each on what the others left.

Rows come in pieces of some hundred thousand, so that memory is bounded and a limit ends the work early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..index.segment import DEAD, Rows
from .condition import CHEAP_NS, Condition
from .plan import Plan
from .reading import At, Bools, Reader, size_of

__all__ = ["Piece", "matching", "pieces"]

PIECE_ROWS = 262_144
FIRST_PIECE_ROWS = 8192
# While more than this share is left, a cheap test of the whole range beats picking rows.
DENSE_SHARE = 1 / 100


@dataclass(slots=True)
class Piece:
    """Rows that pass: all of a range, those of a range where `mask` is true, or `rows`."""

    start: int
    stop: int
    mask: Bools | None = None
    rows: Rows | None = None

    @property
    def count(self) -> int:
        if self.rows is not None:
            return len(self.rows)
        return self.stop - self.start if self.mask is None else int(np.count_nonzero(self.mask))

    @property
    def at(self) -> At:
        """The rows as a reader takes them."""
        if self.rows is None and self.mask is not None:
            self.rows = np.flatnonzero(self.mask)
            if self.start:
                self.rows += self.start
        return slice(self.start, self.stop) if self.rows is None else self.rows

    def numbers(self) -> Rows:
        at = self.at
        return np.arange(at.start, at.stop, dtype=np.int64) if isinstance(at, slice) else at


def matching(plan: Plan, limit: int | None = None, counts: list[int] | None = None) -> Rows:
    """The rows that pass, ascending; the first `limit` of them."""
    parts, left = [], limit
    for piece in pieces(plan, hasty=limit is not None, whole=limit is None, counts=counts):
        rows = piece.numbers()[:left]
        parts.append(rows)
        if left is not None:
            left -= len(rows)
            if left <= 0:
                break
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def pieces(
    plan: Plan, *, hasty: bool = False, whole: bool = False, counts: list[int] | None = None
) -> Iterator[Piece]:
    """The passing rows, in ascending order; `hasty` begins with small pieces, for one who may stop soon, and
    `whole` gives a segment of which all passes in one piece.

    `counts`, one longer than the conditions, is filled with the rows that were tested at all and those left
    after each condition.
    """
    if plan.never:
        return
    if whole and plan.is_everything and plan.reader.rows and not plan.reader.segment.dead:
        yield Piece(0, plan.reader.rows)
        return
    for at in _ranges(plan, hasty=hasty):
        plan.reader.deadline.check()
        if counts is not None:
            counts[0] += size_of(at)
        piece = _alive(plan.reader, _tested(plan.conditions, at, counts))
        if piece.count:
            yield piece


def _ranges(plan: Plan, *, hasty: bool) -> Iterator[At]:
    rows, first = plan.start.rows, 0
    total = plan.reader.rows if rows is None else len(rows)
    size = FIRST_PIECE_ROWS if hasty else PIECE_ROWS
    # A range of a column that is not in memory reads the whole of it; the first rows alone need not.
    by_rows = hasty and any(not condition.is_at_hand for condition in plan.conditions)
    while first < total:
        stop = min(first + size, total)
        if rows is not None:
            yield rows[first:stop]
        else:
            yield np.arange(first, stop, dtype=np.int64) if by_rows else slice(first, stop)
        first, size = stop, min(2 * size, PIECE_ROWS)


def _tested(conditions: list[Condition], at: At, counts: list[int] | None) -> Piece:
    piece = Piece(at.start, at.stop) if isinstance(at, slice) else Piece(0, 0, rows=at)
    for number, condition in enumerate(conditions, 1):
        condition.reader.deadline.check()
        _narrow(piece, condition)
        count = piece.count if counts is not None or number < len(conditions) else 1
        if counts is not None:
            counts[number] += count
        if count == 0:
            break
    return piece


def _narrow(piece: Piece, condition: Condition) -> None:
    whole = slice(piece.start, piece.stop)
    if piece.rows is None and piece.mask is None:
        piece.mask = condition.mask(whole)
    elif (
        piece.mask is not None
        and piece.rows is None
        and condition.cost_ns < CHEAP_NS
        and piece.count > DENSE_SHARE * size_of(whole)
    ):
        piece.mask &= condition.mask(whole)
    else:
        rows = piece.numbers()
        if len(rows):
            piece.rows = rows[condition.mask(rows)]


def _alive(reader: Reader, piece: Piece) -> Piece:
    if not reader.segment.dead:
        return piece
    if piece.rows is not None:
        piece.rows = piece.rows[(reader.hot.flags[piece.rows] & DEAD) == 0]
        return piece
    alive = (reader.hot.flags[piece.start : piece.stop] & DEAD) == 0
    piece.mask = alive if piece.mask is None else piece.mask & alive
    return piece
