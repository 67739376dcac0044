"""The mark on answers that are made up: the simulation says so in each reply, and HTTP passes it on."""

from __future__ import annotations

from collections.abc import MutableMapping

from multidict import istr

from ..bus import SIMULATED, answered_by_simulation

__all__ = ["mark"]

HEADER = istr(f"X-{SIMULATED}")


def mark(headers: MutableMapping[str, str]) -> None:
    """Add `X-Cidbus-Simulated: true` if anything that this request was told is made up."""
    if answered_by_simulation.get():
        headers[HEADER] = "true"
