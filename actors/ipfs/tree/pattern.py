"""Patterns of paths: `*.jpg` is a name at any depth, `2026/**/*.jpg` a path below where the search begins."""

from __future__ import annotations

import re
from fnmatch import translate

__all__ = ["Pattern", "States"]

# How much of a pattern a path may have matched so far: indexes of its segments.
States = frozenset[int]

_ANY = "**"
_WILD = re.compile(r"[*?\[]")


class Pattern:
    """A pattern taken apart at its slashes; `**` is any number of names, also none.

    A walk carries along how much of the pattern has been matched, and need not go where that is nothing.
    """

    def __init__(self, glob: str) -> None:
        segments = [part for part in glob.split("/") if part]
        self._segments = segments if "/" in glob else [_ANY, *segments]
        self._names = [re.compile(translate(segment)) for segment in self._segments]
        self.start = self._reach({0})

    def step(self, states: States, name: str) -> States:
        """The states after one more name; none if no path that begins so can match."""
        found = {state for state in states if state < len(self._names) and self._segments[state] == _ANY}
        found |= {
            state + 1
            for state in states
            if state < len(self._names) and self._segments[state] != _ANY and self._names[state].match(name)
        }
        return self._reach(found)

    def only_names(self, states: States) -> list[str] | None:
        """The names with which alone a path can go on, None if others can match too."""
        going_on = [self._segments[state] for state in states if state < len(self._segments)]
        return None if any(map(_WILD.search, going_on)) else sorted(set(going_on))

    def accepts(self, states: States) -> bool:
        """Whether the path so far matches the whole pattern."""
        return len(self._segments) in states

    def _reach(self, states: set[int]) -> States:
        for state in sorted(states):
            while state < len(self._segments) and self._segments[state] == _ANY:
                state += 1
                states.add(state)
        return frozenset(states)
