"""Where a back end honestly cannot do what the others do, and why. Checked both ways: a behaviour that is
named here must fail, with that error, or the reason is stale."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from cidbus.schemas.errors import DeadlineExceeded, NotSupported, Unavailable

__all__ = ["DIFFERENCES", "Difference"]


class Difference(NamedTuple):
    """`raises` is how the behaviour's test ends there."""

    raises: type[BaseException]
    reason: str


NO_EXPIRY = Difference(NotSupported, "Kubo's pins do not expire, so a pin that should is refused")
NO_TIMES = Difference(AssertionError, "Kubo does not remember when a pin was made")

NO_PEERS = Difference(Unavailable, "Kubo provides content to its peers, and this one has none")
SEARCHES = Difference(DeadlineExceeded, "an online Kubo searches its network for a block until time is up")
NO_SEED = Difference(NotSupported, "no seed decides an RSA key, so the simulation makes none")
MADE_UP = Difference(AssertionError, "the simulation makes up who has content and where a peer is")
CONNECTS = Difference(pytest.fail.Exception, "the simulation connects to whoever is named")

DIFFERENCES: dict[tuple[str, str], Difference] = {
    ("kubo", "test_a_pin_may_expire"): NO_EXPIRY,
    ("kubo-rpc", "test_a_pin_may_expire"): NO_EXPIRY,
    ("kubo", "test_a_pin_knows_when_it_was_made"): NO_TIMES,
    ("kubo-rpc", "test_a_pin_knows_when_it_was_made"): NO_TIMES,
    ("kubo-online", "test_content_is_provided"): NO_PEERS,
    ("kubo-online", "test_a_path_that_leads_nowhere_is_not_published_unless_asked_to"): SEARCHES,
    ("simulation", "test_a_key_is_made_listed_renamed_and_removed[rsa]"): NO_SEED,
    ("simulation", "test_what_nobody_has_is_told_with_a_reason"): MADE_UP,
    ("simulation", "test_a_peer_that_nobody_knows_is_told_with_a_reason"): MADE_UP,
    ("simulation", "test_nobody_is_connected_to_who_is_not_there"): CONNECTS,
}
