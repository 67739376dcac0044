"""Moments of the tree: the root that held after an entry, or at a time."""

from __future__ import annotations

import math

from ...schemas.cid import CID
from ...schemas.errors import BadRequest, NotFound
from .head import Head
from .parts import Log

__all__ = ["Moments"]


class Moments:
    """Finds the tree of a moment among the entries that the stream still has."""

    def __init__(self, log: Log, head: Head) -> None:
        self._log = log
        self._head = head

    async def root_at(self, moment: str) -> tuple[str, int | None]:
        """The root, and the sequence of the entry that made it; none for a root that is given itself.

        Raises BadRequest for what is no moment, NotFound for one that is forgotten or yet to come.
        """
        if moment.startswith("@"):
            return await self._at_time(_time(moment))
        if moment.isascii() and moment.isdecimal() and len(moment) < 20:
            return await self._at_sequence(int(moment))
        return str(CID.parse(moment)), None

    async def _at_sequence(self, sequence: int) -> tuple[str, int]:
        position = await self._head.fresh()
        if sequence == position.sequence:
            return position.root, sequence
        try:
            return (await self._head.entry(sequence)).record.root, sequence
        except NotFound:
            # The tree before the oldest entry is what that one says that it began with.
            if sequence >= position.sequence:
                raise
            try:
                return (await self._head.entry(sequence + 1)).record.before, sequence
            except NotFound:
                raise NotFound("journal entry", str(sequence), last=position.sequence) from None

    async def _at_time(self, time_s: float) -> tuple[str, int]:
        """The tree that the newest entry left that was written by then: their times never go back."""
        position = await self._head.fresh()
        state = await self._log.state()
        if time_s >= position.at or state is None or not state.messages:
            return position.root, position.sequence
        low, high = state.first - 1, position.sequence  # `low` is not later, `high` is
        while high - low > 1:
            middle = (low + high) // 2
            if (await self._head.entry(middle)).record.at <= time_s:
                low = middle
            else:
                high = middle
        if low == state.first - 1 and low > 0:
            raise NotFound("state of the tree", f"at {time_s:.3f}", first=state.first)
        return await self._at_sequence(low)


def _time(moment: str) -> float:
    try:
        found = float(moment[1:])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadRequest("at", f"{moment!r} is not @ and a Unix time")
    return found
