"""What the parts of one open index share: its columns, its damage, and the memory for decoded data."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from ..columns import Columns
from ..heat import Heat
from .damage import Damages
from .partition import Opened

__all__ = ["Decoded", "Shared"]

# Row groups are read for single rows: they get one part in so many of the memory for decoded data.
GROUPS_ONE_IN = 8


class Decoded:
    """Decoded columns or row groups, the least recently used ones dropped beyond `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes, self.size_bytes = limit_bytes, 0
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def get(self, key: Hashable) -> Any:
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            self._held.move_to_end(key)
            return held[0]

    def put(self, key: Hashable, value: Any, size_bytes: int) -> None:
        """Hold a value; one larger than everything is not held."""
        with self._lock:
            _, old = self._held.pop(key, (None, 0))
            self.size_bytes -= old
            if size_bytes > self.limit_bytes:
                return
            self._held[key] = value, size_bytes
            self.size_bytes += size_bytes
            while self.size_bytes > self.limit_bytes:
                _, (_, freed) = self._held.popitem(last=False)
                self.size_bytes -= freed

    def drop(self, owner: Hashable) -> None:
        """Drop what a run holds: the keys are tuples that begin with it."""
        with self._lock:
            for key in [key for key in self._held if isinstance(key, tuple) and key[0] == owner]:
                self.size_bytes -= self._held.pop(key)[1]


@dataclass(slots=True)
class Shared:
    """Replaced in place when columns are added or the scale of heat changes; runs look at it each time."""

    columns: Columns
    heat: Heat
    damages: Damages
    decoded: Decoded  # whole columns
    groups: Decoded  # row groups
    opened: Opened = field(default_factory=Opened)
