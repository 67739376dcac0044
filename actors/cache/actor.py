"""The cache actor: content near at hand, and what is known about each CID of one node."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from .answers.verifying import VerifyRows
from .settings import CacheSettings

__all__ = ["CacheActor"]


class CacheActor(VerifyRows):
    """All rows of the actor, put together from its parts: each class adds some to the one before.

    Parts (what is opened) -> FeedRows (events) -> CidRows -> QueryRows -> IndexRows -> Sourcing (files)
    -> ContentRows -> VerifyRows
    """

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The actor as its settings want it."""
        return cls(CacheSettings.read(), folder)
