"""What a transaction has read, and whether what others wrote meanwhile touches it.

    entry      what stands at a path, or that something does
    missing    that nothing stands at a path
    children   which names a directory has, and what they are
    subtree    everything at a path and below it

A transaction may be committed on a later tree than the one it began with if nothing that it has read was
written between them: then it reads and does the same there, and the order of commits is a serial one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Literal

from .effects import parent_of

__all__ = ["Reads", "ReadKind"]

ReadKind = Literal["entry", "missing", "children", "subtree"]

MAX_READS = 10_000


class Reads:
    """The reads of one transaction; beyond 10,000 they count as one of the whole tree."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[ReadKind]] = {}
        self._sorted: list[str] | None = None

    def add(self, kind: ReadKind, path: str) -> None:
        if len(self._kinds) >= MAX_READS and path not in self._kinds:
            self._kinds = {}
            kind, path = "subtree", "/"
        self._kinds.setdefault(path, set()).add(kind)
        self._sorted = None

    def overlap(self, writes: Iterable[str]) -> str | None:
        """The path of a write that changes what was read, None if none does."""
        if not self._kinds:
            return None
        return next((write[1:] for write in writes if self._touched(write[0], write[1:])), None)

    def _touched(self, letter: str, path: str) -> bool:
        if path in self._kinds:
            return True
        if "children" in self._kinds.get(parent_of(path), ()):
            return True
        for above in _above(path):
            kinds = self._kinds.get(above, ())
            if "subtree" in kinds or "missing" in kinds or (letter == "p" and "children" in kinds):
                return True
        return letter == "t" and self._any_below(path)

    def _any_below(self, path: str) -> bool:
        if self._sorted is None:
            self._sorted = sorted(self._kinds)
        prefix = path.rstrip("/") + "/"
        at = bisect_left(self._sorted, prefix)
        return at < len(self._sorted) and self._sorted[at].startswith(prefix)


def _above(path: str) -> Iterator[str]:
    """The directories above a path, the root last."""
    while path != "/":
        path = parent_of(path)
        yield path
