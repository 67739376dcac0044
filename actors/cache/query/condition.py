"""A condition on one segment: what it costs there, which zones it can skip, and which rows it lets pass."""

from __future__ import annotations

from dataclasses import dataclass

from .filter import Node
from .reading import At, Bools, Reader

__all__ = [
    "CHEAP_NS", "CID_NS", "CODE_NS", "FILE_NS", "NESTED_NS", "NUMBER_NS", "REGEX_NS", "TEXT_NS",
    "Blocks", "Condition",
]  # fmt: skip

# Costs in nanoseconds a row, measured roughly; only their order matters.
NUMBER_NS, CODE_NS, TEXT_NS, REGEX_NS, NESTED_NS, CID_NS, FILE_NS = 0.5, 0.6, 20.0, 100.0, 30.0, 300.0, 60.0
# Cheaper than this, a test of a whole range beats picking the rows that are left.
CHEAP_NS = 2.0


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which zones of `zone_rows` rows may hold rows that pass."""

    zone_rows: int
    keep: Bools


class Condition:
    """One condition on one segment; `chance` is the share of rows that is expected to pass."""

    means = "constant"
    cost_ns = 0.0
    chance = 0.0

    def __init__(self, node: Node, reader: Reader) -> None:
        self.node = node
        self.reader = reader

    def mask(self, at: At) -> Bools:
        """Which of these rows pass."""
        raise NotImplementedError

    def blocks(self) -> Blocks | None:
        """The zones that may hold passing rows, where that is known."""
        return None

    @property
    def is_at_hand(self) -> bool:
        """Whether testing it reads no file."""
        return self.cost_ns < FILE_NS
