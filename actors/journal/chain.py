"""The chain of entries: each names the SHA-256 of the one before, so none can be lost or changed unseen."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Literal

from ...schemas.errors import BadRequest, InvalidContent
from ...schemas.journaling import ChangeRecord, Record, Totals

__all__ = ["GENESIS", "Position", "Sealed", "Who", "digest_of", "seal"]

GENESIS = "0" * 64


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True)
class Who:
    """Which process writes the entries."""

    instance: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry with the bytes that it is stored as, and their digest."""

    record: Record
    body: bytes
    digest: str

    @property
    def sequence(self) -> int:
        return self.record.sequence

    @property
    def position(self) -> Position:
        """Where the tree is after it."""
        record = self.record
        return Position(record.sequence, record.root, self.digest, record.at, record.totals)


def seal(record: Record) -> Sealed:
    body = record.to_wire()
    return Sealed(record, body, digest_of(body))


@dataclass(frozen=True, slots=True)
class Position:
    """A state of the tree, and what the next entry has to follow."""

    sequence: int
    root: str
    digest: str = GENESIS
    at: float = 0.0
    totals: Totals = field(default_factory=Totals)

    def followed_by(
        self, who: Who, *, entry_id: str, kind: Literal["commit", "recover"], root: str,
        changes: list[ChangeRecord], totals: Totals,
    ) -> Sealed:  # fmt: skip
        """The entry that somebody writes behind this state now; time never goes back from entry to entry."""
        record = Record(
            sequence=self.sequence + 1,
            id=entry_id,
            kind=kind,
            previous=self.digest,
            before=self.root,
            root=root,
            at=max(time.time(), self.at),
            node=who.node,
            instance=who.instance,
            changes=changes,
            totals=totals,
        )
        return seal(record)

    def next(self, sequence: int, body: bytes) -> Sealed:
        """The entry behind this state; raises InvalidContent if these bytes are not it."""
        return self.proven(unsealed(sequence, body))

    def proven(self, sealed: Sealed) -> Sealed:
        """The same entry; raises InvalidContent if it is not the one behind this state."""
        sequence, record = sealed.sequence, sealed.record
        if sequence != self.sequence + 1:
            raise damaged(self.sequence + 1, f"missing: entry {sequence} comes after {self.sequence}")
        if record.previous != self.digest:
            raise damaged(sequence, "it does not follow the entry before it")
        if record.before != self.root and record.kind != "recover":
            raise damaged(sequence, f"it begins with {record.before}, the one before ends with {self.root}")
        return sealed


def unsealed(sequence: int, body: bytes) -> Sealed:
    """An entry read back, not compared with the one before; raises InvalidContent if it is none, or not the
    one of this number."""
    try:
        record = Record.from_wire(body)
    except BadRequest as error:
        raise damaged(sequence, error.message) from None
    if record.sequence != sequence:
        raise damaged(sequence, f"it says that it is number {record.sequence}")
    return Sealed(record, body, digest_of(body))


def damaged(sequence: int, problem: str) -> InvalidContent:
    error = InvalidContent(f"journal entry {sequence}", problem)
    error.details["sequence"] = sequence
    return error
