"""What was found damaged, kept for `stats` until it is repaired."""

from __future__ import annotations

from dataclasses import dataclass

from ....schemas.errors import DamagedIndex

__all__ = ["Damage", "Damages"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged part of one file: whether it was repaired, and how many rows could not be.

    `note` says what the repair cannot bring back, such as accesses since a run was written.
    """

    file: str
    part: str
    repaired: bool
    lost_rows: int = 0
    note: str = ""


class Damages:
    """The damage of one index. `found` is what readers raise; `settle` replaces it by the outcome."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Damage] = {}
        self._settled: list[Damage] = []
        self._met: list[str] = []

    def found(self, file: str, part: str) -> DamagedIndex:
        """The error to raise for a part that does not match its checksum; it is remembered."""
        self._open[file, part] = Damage(file, part, repaired=False)
        self._met.append(file)
        return DamagedIndex(file, part)

    def settle(self, damage: Damage) -> Damage:
        """This became of it; what readers had met in the same file is covered by it."""
        if damage.repaired:
            for place in [place for place in self._open if place[0] == damage.file]:
                del self._open[place]
        else:
            self._open[damage.file, damage.part] = damage
        self._settled.append(damage)
        return damage

    def take_met(self) -> list[str]:
        """The files in which damage was found since this was asked last."""
        met, self._met = list(dict.fromkeys(self._met)), []
        return met

    def forget(self, folder: str) -> None:
        """A run is gone, with whatever was open of its files."""
        for place in [place for place in self._open if place[0].startswith(f"{folder}/")]:
            del self._open[place]

    @property
    def unrepaired(self) -> list[Damage]:
        return list(self._open.values())

    @property
    def all(self) -> list[Damage]:
        return [*self._open.values(), *(damage for damage in self._settled if damage.repaired)]
