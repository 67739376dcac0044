"""What differs between the two sides that a `Memory` knows, as queries that never hold all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .memory import Kind, Memory

__all__ = ["Differences", "Gone", "Placed", "Unread", "Unsent"]


class Unread(NamedTuple):
    """A local file that may be the one that is there: only its bytes can tell."""

    path: str
    size_bytes: int
    stamp: str


class Unsent(NamedTuple):
    """A local file whose blocks have to go to the system."""

    path: str
    size_bytes: int


class Placed(NamedTuple):
    """An entry of one side that the other one lacks or has otherwise; `replaces` is what stands there."""

    path: str
    kind: Kind
    cid: str | None
    target: str | None
    replaces: Kind | None


class Gone(NamedTuple):
    """An entry of the receiving side that the other one does not have."""

    path: str
    kind: Kind


BOTH = "FROM here LEFT JOIN there ON there.path = here.path"
DIFFERS = """
(there.kind IS NOT here.kind OR here.kind <> 'directory' AND here.cid IS NOT there.cid)
"""
UNREAD = """
SELECT here.path, here.size, here.stamp FROM here JOIN there ON there.path = here.path
WHERE here.kind = 'file' AND there.kind = 'file' AND here.cid IS NULL
"""
UNSENT = f"{BOTH} WHERE here.kind = 'file' AND here.kept IS NULL AND {DIFFERS}"
UPWARD = f"""
SELECT here.path, here.kind, here.cid, here.target, there.kind {BOTH} WHERE {DIFFERS}
"""
SENT = " AND (here.kind <> 'file' OR here.kept IS NOT NULL)"
DOWNWARD = f"""
SELECT there.path, there.kind, there.cid, there.target, here.kind
FROM there LEFT JOIN here ON here.path = there.path
WHERE {DIFFERS}
"""  # noqa: S608
GONE_HERE = f"SELECT here.path, here.kind {BOTH} WHERE there.path IS NULL"
# The topmost entries only: those below a directory that goes go with it.
GONE_THERE = """
SELECT there.path, there.kind FROM there LEFT JOIN here ON here.path = there.path
WHERE here.path IS NULL AND NOT there.shields AND (
    there.parent = ''
    OR EXISTS (SELECT 1 FROM here AS above WHERE above.path = there.parent AND above.kind = 'directory')
    OR EXISTS (SELECT 1 FROM there AS above WHERE above.path = there.parent AND above.shields))
"""
IN_THE_WAY_HERE = """
SELECT here.path FROM here JOIN there ON there.path = here.path
WHERE here.kind = 'directory' AND there.kind <> 'directory'
"""
IN_THE_WAY_THERE = """
SELECT here.path, there.shields FROM here JOIN there ON there.path = here.path
WHERE there.kind = 'directory' AND here.kind <> 'directory'
"""


class Differences:
    """The questions that a sync asks once both sides are noted; rows come in the order of their paths."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def unread(self) -> Iterator[Unread]:
        """Files of both sides whose local CID is not known."""
        return map(Unread._make, self._memory.pages(UNREAD))

    def unsent(self) -> Iterator[Unsent]:
        """Local files that the tree lacks, or has with other bytes, and that are not kept by the system."""
        return map(Unsent._make, self._memory.pages(f"SELECT here.path, here.size {UNSENT}"))

    def unsent_bytes(self) -> int:
        total: int = self._memory.one(f"SELECT COALESCE(SUM(here.size), 0) {UNSENT}")[0]
        return total

    def upward(self, *, sent_only: bool = True) -> Iterator[Placed]:
        """What the tree is to get, directories before what is in them. With `sent_only` without the files
        that are not there yet: what changed while it was read waits for the next run."""
        return map(Placed._make, self._memory.pages(UPWARD + SENT if sent_only else UPWARD))

    def downward(self) -> Iterator[Placed]:
        """What the local directory is to get, directories before what is in them."""
        return map(Placed._make, self._memory.pages(DOWNWARD, "there.path"))

    def gone_here(self) -> Iterator[Gone]:
        """What only the local directory has, directories behind what is in them."""
        return map(Gone._make, self._memory.pages(GONE_HERE, descending=True))

    def gone_there(self) -> Iterator[Gone]:
        """The topmost entries that only the tree has, but for directories with something excluded in them."""
        return map(Gone._make, self._memory.pages(GONE_THERE, "there.path"))

    def in_the_way_there(self) -> Iterator[tuple[str, bool]]:
        """Directories of the tree where there is another thing here, and whether something excluded is in
        them."""
        return ((path, bool(shields)) for path, shields in self._memory.pages(IN_THE_WAY_THERE))

    def in_the_way_here(self) -> Iterator[str]:
        """Local directories where there is another thing in the tree."""
        return (path for (path,) in self._memory.pages(IN_THE_WAY_HERE))
