"""Where a back end honestly cannot do what the others do, and why. Checked both ways: a behaviour that is
named here must fail, with that error, or the reason is stale."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DIFFERENCES", "Difference"]


class Difference(NamedTuple):
    """`raises` is how the behaviour's test ends there."""

    raises: type[BaseException]
    reason: str


DIFFERENCES: dict[tuple[str, str], Difference] = {}
