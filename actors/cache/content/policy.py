"""What decides which content a tier keeps: the protocol that every cache policy answers to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

__all__ = ["Policy", "Resident"]


class Resident(NamedTuple):
    """A key that a policy keeps; `heat` is how many recent requests it stands for, 1 where nobody knows."""

    key: str
    size_bytes: int
    heat: float


class Policy(Protocol):
    """Keeps at most `capacity_bytes` of keys, by their sizes; holds no content itself.

    A request of a key is either a `hit`, or an `admit` once its size is known. Not safe for threads.
    """

    @property
    def name(self) -> str:
        """What `CacheOptions.policy` calls it."""

    @property
    def capacity_bytes(self) -> int: ...

    @property
    def used_bytes(self) -> int: ...

    def __len__(self) -> int: ...

    def __contains__(self, key: object) -> bool: ...

    def hit(self, key: str) -> bool:
        """Count a request; False, and nothing counted, if the key is not resident."""

    def admit(self, key: str, size_bytes: int) -> list[str]:
        """Let a key in; the keys that have to go for it, which are no longer resident.

        The newcomer itself is among them if it is refused. A key that is resident already is a hit.
        """

    def wants(self, key: str, size_bytes: int) -> bool:
        """Whether a key that is not resident would be kept if it were admitted now.

        A no counts as a request of it; a yes is to be followed by `admit`, which counts.
        """

    def remove(self, key: str) -> bool:
        """Take a key out, because its content is gone; False if it is not resident."""

    def residents(self) -> list[Resident]:
        """Every key, the one that goes first at the beginning."""

    def load(self, residents: Iterable[Resident]) -> list[str]:
        """Take over what another policy kept, in its order; the keys for which there is no room."""

    def facts(self) -> dict[str, float]:
        """Numbers of this policy's own, for statistics."""
