"""How long a question may take: looked at wherever its work comes in pieces."""

from __future__ import annotations

import math
import time

from ....schemas.errors import DeadlineExceeded

__all__ = ["WITHIN_S", "Deadline"]

WITHIN_S = 30.0


class Deadline:
    """The moment `within_s` seconds after it was made, None for never; a question holds one from its start to
    its end."""

    __slots__ = ("_ends_s", "within_s")

    def __init__(self, within_s: float | None = WITHIN_S) -> None:
        self.within_s = within_s
        self._ends_s = math.inf if within_s is None else time.monotonic() + within_s

    def check(self) -> None:
        """Raises DeadlineExceeded once the time is up."""
        if time.monotonic() >= self._ends_s:
            raise DeadlineExceeded("the query", self.within_s)
