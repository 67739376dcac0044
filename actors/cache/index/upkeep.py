"""Upkeep: checkpoints, compaction, and what is due now; in a worker thread, while others read and write."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ....schemas.errors import DamagedIndex, StorageFull
from ..heat import Heat
from . import compaction
from .compaction import Compacted
from .engine import Engine
from .files import telling_full
from .log import Kind
from .records import encode_scale
from .repair import repair_hot

__all__ = ["checkpoint", "compact", "relieve", "rescale", "tend", "writing"]

log = logging.getLogger(__name__)

# Memory rows, in units of `flush_rows`, from which on writers make room themselves.
MOST_GENERATIONS = 4
# λ(t-E) beyond which 32 bits of L are getting coarse.
MOST_EXPONENT = 500.0


def checkpoint(engine: Engine) -> None:
    """See `CidIndex.checkpoint`."""
    with engine.upkeep, writing(engine):
        flushed = compaction.flush(engine)
        dirty = [run for run in engine.core.runs if run.table.dirty]
        for run in dirty:
            try:
                engine.save_hot(run)
            except DamagedIndex:
                repair_hot(engine, run)
                engine.save_hot(run)
        if flushed or dirty or engine.uncommitted or engine.log.next != engine.manifest.replay_from:
            engine.commit()
        with engine.lock:
            engine.log.sync()
        for run in engine.core.runs:
            run.keys.release()
        engine.saved_s = time.monotonic()


def compact(engine: Engine, *, full: bool) -> Compacted:
    """See `CidIndex.compact`."""
    with engine.upkeep, writing(engine):
        if full:
            compaction.flush(engine)
        core = engine.core
        runs = list(core.runs) if full else compaction.due(core.runs, engine.options.flush_rows)
        if not runs:
            return Compacted(len(core.runs), len(core.runs))
        done = compaction.compact(engine, runs)
        runs.clear()  # now only snapshots keep the files of old runs
        engine.tidy()
        return done


def tend(engine: Engine) -> None:
    """See `CidIndex.tend`."""
    options = engine.options
    is_late = options.auto_sync and time.monotonic() - engine.saved_s >= options.sync_interval_s
    full = engine.core.memory_rows >= options.flush_rows or engine.log.size_bytes >= options.log_bytes
    if is_late or full:
        checkpoint(engine)
    heat = engine.shared.heat
    if heat.decay * (engine.clock() - heat.epoch_s) > MOST_EXPONENT:
        rescale(engine, heat.half_life_s)
    compact(engine, full=False)


@contextmanager
def writing(engine: Engine) -> Iterator[None]:
    """A disk that is full is StorageFull, and what was being written is deleted."""
    try:
        with telling_full():
            yield
    except StorageFull:
        engine.discard_unfinished()
        raise


def relieve(engine: Engine) -> None:
    """Make room if nobody tends the index and memory rows pile up; not if somebody is at it."""
    if engine.core.memory_rows < MOST_GENERATIONS * engine.options.flush_rows:
        return
    if engine.upkeep.acquire(blocking=False):
        try:
            checkpoint(engine)
        except StorageFull as error:  # what was asked for is done and logged
            log.warning("%s: rows stay in memory for now", error)
        finally:
            engine.upkeep.release()


def rescale(engine: Engine, half_life_s: float) -> None:
    """Move the epoch of heat to now, and take this half-life from now on; scores stay as they are now."""
    with engine.upkeep, engine.lock:
        old, now_s = engine.shared.heat, engine.clock()
        heat, (_, delta) = Heat(half_life_s, now_s), old.rebased(now_s)
        for table, _ in engine.core.tables():
            _ = table.columns  # a damaged block stops this before anything is changed
        record = engine.log.append(Kind.SCALE, encode_scale(heat, delta))
        engine.core.shift_heat(delta)
        engine.shared.heat = heat
        engine.scales.append((record + 1, heat))
