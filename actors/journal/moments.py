"""Moments of the tree: the root that held after an entry, or at a time."""

from __future__ import annotations

import contextlib
import math

from ...schemas.cid import CID
from ...schemas.errors import BadRequest, NotFound
from .chain import Sealed
from .head import Head
from .parts import Log
from .past import Past, first_that

__all__ = ["Moments"]

FORMS = "none of a sequence, `@` and a Unix time, or a root CID"


class Moments:
    """Finds the tree of a moment among the entries that the stream still has, else in the archive."""

    def __init__(self, log: Log, head: Head, past: Past) -> None:
        self._log = log
        self._head = head
        self._past = past

    async def root_at(self, moment: str, field: str = "at") -> tuple[str, int | None]:
        """The root, and the sequence of the entry that made it; none for a root that is given itself.

        Raises BadRequest, naming `field`, for what is no moment, NotFound for one that is forgotten or yet to
        come.
        """
        if moment.startswith("@"):
            return await self._at_time(_time(moment, field))
        if moment.isascii() and moment.isdecimal() and len(moment) < 20:
            return await self._at_sequence(int(moment))
        return _root(moment, field), None

    async def _at_sequence(self, sequence: int) -> tuple[str, int]:
        position = await self._head.fresh()
        if sequence == position.sequence:
            return position.root, sequence
        try:
            return (await self._head.entry(sequence)).record.root, sequence
        except NotFound:
            if sequence >= position.sequence:
                raise
        # The tree before the oldest entry is what that one says that it began with.
        with contextlib.suppress(NotFound):
            return (await self._head.entry(sequence + 1)).record.before, sequence
        return await self._in_archive(sequence, position.sequence), sequence

    async def _in_archive(self, sequence: int, last: int) -> str:
        try:
            sealed = await self._past.entry(sequence)
        except NotFound:
            if sequence == 0:
                with contextlib.suppress(NotFound):
                    return (await self._past.entry(1)).record.before
            raise NotFound("journal entry", str(sequence), last=last) from None
        return await self._past.tree_of(sealed)

    async def _at_time(self, time_s: float) -> tuple[str, int]:
        """The tree that the newest entry left that was written by then: their times never go back."""
        position = await self._head.fresh()
        state = await self._log.state()
        if time_s >= position.at or state is None or not state.messages:
            return position.root, position.sequence
        first = state.first

        async def is_later(number: int) -> bool:
            return (await self._entry(first + number)).record.at > time_s

        earlier = await first_that(position.sequence - first, is_later)
        if earlier or first == 1:
            return await self._at_sequence(first - 1 + earlier)
        sealed = await self._past.at_time(time_s, first)
        if sealed is None:
            raise NotFound("state of the tree", f"at {time_s:.3f}", first=first)
        return await self._past.tree_of(sealed), sealed.sequence

    async def _entry(self, sequence: int) -> Sealed:
        """One of the stream's; where that has a hole, the archive's."""
        try:
            return await self._head.entry(sequence)
        except NotFound:
            return await self._past.entry(sequence)


def _root(moment: str, field: str) -> str:
    try:
        return str(CID.parse(moment))
    except BadRequest:
        raise BadRequest(field, f"{moment[:100]!r} is {FORMS}") from None


def _time(moment: str, field: str) -> float:
    try:
        found = float(moment[1:])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadRequest(field, f"{moment!r} is {FORMS}")
    return found
