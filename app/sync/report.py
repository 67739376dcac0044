"""What a sync is asked for, what it tells while it runs, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .memory import Kind

__all__ = ["Options", "Report", "Silent", "Watch"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """`delete`: what only the receiving side has goes. `checksum`: read every file, believing no times.
    `dry_run`: say what would be done. `exclude`: patterns of what is left alone on both sides."""

    delete: bool = False
    checksum: bool = False
    dry_run: bool = False
    exclude: tuple[str, ...] = ()


@dataclass
class Report:
    """What was done. `read` files were compared by their bytes; `unsettled` names some of those that changed
    while they were read and are as they were on the other side."""

    entries: int = 0
    files: int = 0
    directories: int = 0
    symlinks: int = 0
    removed: int = 0
    read: int = 0
    sent: int = 0
    sent_bytes: int = 0
    unsettled: list[str] = field(default_factory=list)
    root: str | None = None
    sequence: int | None = None

    def count(self, kind: Kind) -> None:
        """One entry more that was placed."""
        if kind == "file":
            self.files += 1
        elif kind == "directory":
            self.directories += 1
        else:
            self.symlinks += 1


class Watch(Protocol):
    """Who is told while it goes on."""

    def phase(self, name: str, total_bytes: int | None) -> None:
        """What begins now, and how many bytes it is about, if it is about bytes."""

    def advance(self, size_bytes: int) -> None:
        """So many bytes more."""

    def change(self, sign: str, path: str, kind: Kind) -> None:
        """An entry that is new (`+`), other (`~`) or gone (`-`)."""


class Silent:
    """Tells nobody."""

    def phase(self, name: str, total_bytes: int | None) -> None:
        return

    def advance(self, size_bytes: int) -> None:
        return

    def change(self, sign: str, path: str, kind: Kind) -> None:
        return
