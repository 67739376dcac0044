"""The journal actor: the file tree that holds now, its transactions and its past."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from .answers.keeping import KeepRows
from .settings import JournalSettings

__all__ = ["JournalActor"]


class JournalActor(KeepRows):
    """All rows of the actor, put together from its parts: each class adds some to the one before.

    Parts (what is opened) -> ChangeRows -> TransactionRows -> ReadRows -> KeepRows
    """

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The actor as its settings want it."""
        return cls(JournalSettings.read(), folder)
