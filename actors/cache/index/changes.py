"""Changes of rows: checked, written to the log, then made in memory. The log comes first, under one lock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ....schemas.errors import BadRequest, NotFound
from . import upkeep
from .core import Place
from .engine import Engine
from .hot import MAX_COUNT
from .keys import by_width, key_of, text_of
from .log import Kind
from .records import accesses_of, encode_keys, encode_rows, encode_states
from .rows import HotState, Static, check_fits, given_hot, static_values
from .text import Cids, decode_cids

__all__ = ["delete", "put_many", "set_hot", "touch", "touch_weighted", "update"]

# Accesses up to so many are made one by one.
FEW = 12
MAX_PUT_ROWS = 1024


def put_many(engine: Engine, rows: Sequence[Mapping[str, object]]) -> int:
    """See `CidIndex.put_many`."""
    checked = [_checked(engine, row) for row in rows]
    for start in range(0, len(checked), MAX_PUT_ROWS):
        with engine.lock:
            _put(engine, checked[start : start + MAX_PUT_ROWS])
    upkeep.relieve(engine)
    return len(rows)


def _checked(engine: Engine, row: Mapping[str, object]) -> tuple[bytes, Static, Mapping[str, object]]:
    cid = row.get("cid")
    if not isinstance(cid, str):
        raise BadRequest("cid", "every row needs one, as text")
    key, static = key_of(cid), static_values(row, engine.shared.columns)
    check_fits(cid, static, engine.shared.columns)
    given_hot(HotState(), row, engine.shared.heat, 0.0)
    return key, static, row


def _put(engine: Engine, rows: Sequence[tuple[bytes, Static, Mapping[str, object]]]) -> None:
    core, heat, now_s = engine.core, engine.shared.heat, engine.clock()
    room = core.room
    if len(rows) > room:  # a record's rows are all in one generation
        _put(engine, rows[:room])
        _put(engine, rows[room:])
        return
    found = {key: core.find(key) for key, _, _ in rows}
    states: dict[bytes, HotState] = {
        key: HotState() if place is None else place.state for key, place in found.items()
    }
    logged = []
    for key, static, row in rows:
        states[key] = state = given_hot(states[key], row, heat, now_s)
        logged.append((key, static, state))
    record = engine.log.append(Kind.PUT, encode_rows(logged))
    if len(found) == len(logged):
        core.insert_many(logged, record)
        for old in found.values():
            if old is not None:
                core.kill(old.table, np.array([old.row]))
        return
    for key, static, state in logged:
        old = found[key]
        found[key] = core.insert(key, static, state, record)
        if old is not None:
            core.kill(old.table, np.array([old.row]))


def update(engine: Engine, key: bytes, given: Mapping[str, object]) -> None:
    """Change some columns of a row; raises NotFound and BadRequest."""
    if "cid" in given:
        raise BadRequest("cid", "the CID of a row cannot change")
    changed, columns = static_values(given, engine.shared.columns), engine.shared.columns
    with engine.lock:
        place = engine.core.find(key)
        if place is None:
            raise NotFound("CID", text_of(key))
        static = dict(place.holder.static(place.row, None))
        for name, value in given.items():
            if columns[name].kind == "static" and value is None:
                static.pop(columns[name].number, None)
        static |= changed
        check_fits(text_of(key), static, columns)
        if any(columns[name].kind == "static" for name in given):
            _put(engine, [(key, static, given)])
        else:
            _set(engine, key, place, given_hot(place.state, given, engine.shared.heat, engine.clock()))
    upkeep.relieve(engine)


def set_hot(engine: Engine, key: bytes, given: Mapping[str, object]) -> bool:
    """Change hot columns of a row; False if it is unknown."""
    given_hot(HotState(), given, engine.shared.heat, 0.0)
    with engine.lock:
        place = engine.core.find(key)
        if place is None:
            return False
        _set(engine, key, place, given_hot(place.state, given, engine.shared.heat, engine.clock()))
    return True


def delete(engine: Engine, keys: Sequence[bytes]) -> int:
    """Delete rows; gives how many there were."""
    unique = list(dict.fromkeys(keys))
    with engine.lock:
        places = list(engine.core.find_many(unique))
        found = [unique[place] for _, _, some in places for place in some.tolist()]
        if found:
            engine.log.append(Kind.DELETE, encode_keys(found))
        for holder, rows, _ in places:
            engine.core.kill(holder.table, rows)
    return len(found)


def touch(engine: Engine, accesses: Sequence[tuple[str | bytes, int, float]]) -> list[str | bytes]:
    """See `CidIndex.touch`."""
    if len(accesses) <= FEW:
        keyed = [
            (key_of(cid) if isinstance(cid, str) else cid, at_s, count, count)
            for cid, count, at_s in accesses
        ]
        warmed = _warm(engine, keyed)
        return [cid for cid, _, _ in accesses if (key_of(cid) if isinstance(cid, str) else cid) not in warmed]
    # Not zip(*accesses): the iterators it makes, one for each, set off the garbage collector.
    cids, times, ats = (list(map(itemgetter(place), accesses)) for place in range(3))
    counts, lasts = _array(times, np.int64), _array(ats, np.float64)
    if counts.min() < 1 or not np.isfinite(lasts).all():
        raise BadRequest("accesses", "counts must be positive and times finite")
    keys, matrices = _keys(cids)
    known = np.zeros(len(keys), np.bool_)
    with engine.lock:
        places = list(engine.core.find_many(keys, matrices))
        if places:
            engine.log.append(Kind.TOUCH, encode_keys(keys, matrices), accesses_of(counts, lasts))
        for holder, rows, some in places:
            known[some] = True
            engine.core.touch(holder.table, rows, counts[some], lasts[some])
    return [] if known.all() else [cids[at] for at in np.flatnonzero(~known).tolist()]


def _array(values: Sequence[float], kind: type[np.generic]) -> npt.NDArray[Any]:
    """Values as an array; mostly all of them are one object."""
    if values.count(values[0]) == len(values):
        return np.full(len(values), values[0], kind)
    return np.array(values, kind)


def _keys(cids: Sequence[str | bytes]) -> tuple[Sequence[bytes], Sequence[Cids]]:
    """The keys of CIDs, in order and by width."""
    if type(cids[0]) is bytes:
        try:
            return cids, by_width(cids)  # type: ignore[arg-type, return-value]
        except TypeError:
            pass  # not all of them are bytes
    elif set(map(type, cids)) == {str}:
        keys: list[bytes] = [b""] * len(cids)
        matrices = decode_cids(pa.array(cids, pa.string()))
        for rows, raw in matrices:
            joined, width = raw.tobytes(), raw.shape[1]
            for at, row in enumerate(rows.tolist()):
                keys[row] = joined[at * width : (at + 1) * width]
        return keys, matrices
    mixed = [key_of(cid) if isinstance(cid, str) else cid for cid in cids]
    return mixed, by_width(mixed)


def touch_weighted(engine: Engine, key: bytes, at_s: float, weight: float, count: int) -> bool:
    """Warm one CID; False if it is unknown."""
    return bool(_warm(engine, [(key, at_s, weight, count)]))


def _warm(engine: Engine, accesses: Sequence[tuple[bytes, float, float, int]]) -> dict[bytes, Place]:
    """Accesses one by one, in one record: key, time, weight and count of each. Gives the places of known
    CIDs."""
    for _, at_s, weight, count in accesses:
        if not (weight > 0 and math.isfinite(weight) and math.isfinite(at_s) and count >= 0):
            raise BadRequest("accesses", "counts and weights must be positive and times finite")
    places: dict[bytes, Place] = {}
    states: dict[bytes, HotState] = {}
    with engine.lock:
        add = engine.shared.heat.add
        for key, at_s, weight, count in accesses:
            place = places.get(key) or engine.core.find(key)
            if place is None:
                continue
            places[key] = place
            last_s, heat, counted, flags = states.get(key) or place.state
            last_s = max(last_s, at_s) if count else last_s
            states[key] = HotState(last_s, add(heat, at_s, weight), min(counted + count, MAX_COUNT), flags)
        if states:
            engine.log.append(Kind.HOT, encode_states(states.items()))
        for key, state in states.items():
            engine.core.set_state(places[key].table, places[key].row, state)
    return places


def _set(engine: Engine, key: bytes, place: Place, state: HotState) -> None:
    """Make this the hot state of a CID that is alive; under the lock."""
    engine.log.append(Kind.HOT, encode_states([(key, state)]))
    engine.core.set_state(place.table, place.row, state)
