"""Where a back end honestly cannot do what the others do, and why. Checked both ways: a behaviour that is
named here must fail, with that error, or the reason is stale."""

from __future__ import annotations

from typing import NamedTuple

from cidbus.schemas.errors import NotSupported

__all__ = ["DIFFERENCES", "Difference"]


class Difference(NamedTuple):
    """`raises` is how the behaviour's test ends there."""

    raises: type[BaseException]
    reason: str


NO_EXPIRY = Difference(NotSupported, "Kubo's pins do not expire, so a pin that should is refused")
NO_TIMES = Difference(AssertionError, "Kubo does not remember when a pin was made")

DIFFERENCES: dict[tuple[str, str], Difference] = {
    ("kubo", "test_a_pin_may_expire"): NO_EXPIRY,
    ("kubo-rpc", "test_a_pin_may_expire"): NO_EXPIRY,
    ("kubo", "test_a_pin_knows_when_it_was_made"): NO_TIMES,
    ("kubo-rpc", "test_a_pin_knows_when_it_was_made"): NO_TIMES,
}
