"""The folder of a block store: what lies where. Folders are 0700, files 0600.

lock                  held by every open store, shared; alone while the index is rebuilt
gc.lock               held by the one process that collects
ledger.log            pins, named roots, names and keys again, for a rebuild of the index
index/                the LMDB environment
packs/00000001.car    the blocks; each file is a CARv1 that one process at a time appends to
owners/<id>.lock      held by the open store whose sessions carry the id
temp/                 what a walk does not keep in memory
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .disk import FOLDER_MODE


@dataclass(frozen=True)
class Layout:
    """The paths of one store."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def gc_lock(self) -> Path:
        return self.root / "gc.lock"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.log"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def packs(self) -> Path:
        return self.root / "packs"

    @property
    def owners(self) -> Path:
        return self.root / "owners"

    @property
    def temp(self) -> Path:
        return self.root / "temp"

    def make(self) -> None:
        """Make the folders that are missing, except the index."""
        self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for folder in (self.packs, self.owners, self.temp):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
