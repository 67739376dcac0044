"""Opening: the manifest's runs, then the changes of the log that their files do not have yet.

Each part of a run's hot columns was copied at a record of its own, the boundary. A change is made again where
the boundary is not after it, in rows that were alive then. So replay is exact, although adding to a count
twice is not the same as once.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from ....schemas.errors import DamagedIndex
from .core import Holder
from .engine import Engine
from .log import Kind, Record
from .records import decode_keys, decode_rows, decode_scale, decode_states, decode_touches
from .repair import repair_holders
from .run import HOT_PART_ROWS, Run

__all__ = ["recover"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Accesses that follow each other in the log are made together.
BATCH = 65_536


def recover(engine: Engine) -> None:
    """Make the changes of the log again."""
    replay, collects = _Replay(engine), gc.isenabled()
    # The rows that are made are all kept: to look for garbage among them takes a tenth of the time.
    gc.disable()
    try:
        for record in engine.log.replay(engine.manifest.replay_from):
            replay.apply(record)
        replay.flush()
    finally:
        if collects:
            gc.enable()
    engine.log.next = max(engine.log.next, engine.manifest.replay_from, engine.manifest.memory_from)


class _Replay:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._core = engine, engine.core
        self._boundaries = {
            run.entry.uid: np.array(run.entry.boundaries, np.int64) for run in self._core.runs
        }
        self._kept = {uid for uid, _ in engine.manifest.replaced}
        self._touched: list[tuple[int, list[bytes], Rows, Floats]] = []
        self._waiting = 0

    def apply(self, record: Record) -> None:
        if record.kind == Kind.TOUCH:
            keys, counts, lasts = decode_touches(record.payload)
            self._touched.append((record.number, keys, counts, lasts))
            self._waiting += len(keys)
            if self._waiting >= BATCH:
                self.flush()
            return
        self.flush()
        if record.kind == Kind.PUT:
            self._put(record)
        elif record.kind == Kind.HOT:
            for key, state in decode_states(record.payload):
                for holder, rows, _ in self._places([key], record.number):
                    self._core.set_state(holder.table, int(rows[0]), state)
        elif record.kind == Kind.DELETE:
            self._kill(decode_keys(record.payload)[0], record.number)
        elif record.kind == Kind.REPLACE:
            if bytes(record.payload[:16]).decode() in self._kept:
                self._kill(decode_keys(record.payload[16:])[0], record.number)
        else:
            self._scale(record)

    def flush(self) -> None:
        """Make the accesses that wait."""
        if not self._touched:
            return
        touched, self._touched, self._waiting = self._touched, [], 0
        keys = list(chain.from_iterable(some for _, some, _, _ in touched))
        records = np.concatenate([np.full(len(some), number) for number, some, _, _ in touched])
        counts = np.concatenate([some for _, _, some, _ in touched])
        lasts = np.concatenate([some for _, _, _, some in touched])
        for holder, rows, places in self._places(keys, records):
            self._core.touch(holder.table, rows, counts[places], lasts[places])

    def _put(self, record: Record) -> None:
        rows = list(decode_rows(record.payload, self._engine.shared.columns))
        self._kill([key for key, _, _ in rows], record.number)
        if record.number < self._engine.manifest.memory_from:
            return  # these rows are in runs by now
        if len({key for key, _, _ in rows}) == len(rows) <= self._core.room:
            self._core.insert_many(rows, record.number)
            return
        seen: set[bytes] = set()
        for key, static, state in rows:
            if key in seen:
                self._kill([key], record.number)
            seen.add(key)
            self._core.insert(key, static, state, record.number)

    def _kill(self, keys: Sequence[bytes], record: int) -> None:
        for holder, rows, _ in self._places(keys, record):
            self._core.kill(holder.table, np.unique(rows))

    def _scale(self, record: Record) -> None:
        heat, delta = decode_scale(record.payload)
        for run in self._core.runs:
            late = self._boundaries[run.entry.uid] <= record.number
            for part in np.flatnonzero(late).tolist():
                run.table.shift(delta, part * HOT_PART_ROWS, (part + 1) * HOT_PART_ROWS)
        for generation in self._core.generations:
            generation.table.shift(delta)
        self._engine.shared.heat = heat
        self._engine.scales.append((record.number + 1, heat))

    def _places(self, keys: Sequence[bytes], record: int | Rows) -> list[tuple[Holder, Rows, Rows]]:
        """Where the keys are alive and the change was not yet made when the hot columns were copied."""
        found = []
        for holder, rows, places in self._repairing(
            lambda: list(self._core.find_many(keys, everywhere=True))
        ):
            if isinstance(holder, Run):
                number = record if isinstance(record, int) else record[places]
                due = self._boundaries[holder.entry.uid][rows // HOT_PART_ROWS] <= number
                rows, places = rows[due], places[due]
            if len(rows):
                found.append((holder, rows, places))
        return found

    def _repairing(
        self, find: Callable[[], list[tuple[Holder, Rows, Rows]]]
    ) -> Iterator[tuple[Holder, Rows, Rows]]:
        """Damage must not keep an index from opening: what is met is repaired first."""
        try:
            return iter(find())
        except DamagedIndex:
            repair_holders(self._engine)
            return iter(find())
