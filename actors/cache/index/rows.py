"""Rows as callers give and get them, and as they are kept: checked, and by column number.

Kept values are what Arrow takes: times as milliseconds, maps as lists of pairs. Given values that do not fit
raise BadRequest with the column's name as `field`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from math import exp
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from ....schemas.errors import BadRequest
from ..columns import BUILT_IN, TIERS, Columns
from ..heat import Heat
from .hot import MAX_COUNT, HotTable
from .segment import DEAD, INVALID, PINNED, TIER_SHIFT

__all__ = [
    "HotRow",
    "HotState",
    "Static",
    "check_fits",
    "check_name",
    "check_type",
    "given_hot",
    "hot_row",
    "static_values",
    "to_python",
    "whole_row",
]

# Values of static columns by column number; nulls are left out.
Static = dict[int, Any]
# Gives the kept form of a value of a column, by name and type; raises BadRequest.
Check = Callable[[str, object, pa.DataType], Any]

# A whole row fits into a message.
MAX_ROW_BYTES = 262_144
MAX_TEXT_CHARS = 16_384
MAX_ITEMS, MAX_ITEM_CHARS = 1_000, 1_024  # lists
MAX_ENTRIES, MAX_KEY_CHARS, MAX_VALUE_CHARS = 1_000, 256, 4_096  # maps
# In JSON a character takes no more bytes than this.
JSON_CHAR_BYTES = 6
MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_TIME_S = 253_402_300_799  # the end of the year 9999
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class HotRow(NamedTuple):
    """The changing columns of one CID."""

    heat_score: float
    access_count: int
    last_accessed: float | None
    is_pinned: bool
    valid: bool
    storage_tier: str


class HotState(NamedTuple):
    """The same as kept: L instead of a score, 0 for no access."""

    last_s: float = 0.0
    heat: float = -math.inf
    accesses: int = 0
    flags: int = 0


def hot_row(table: HotTable, row: int, heat: Heat, now_s: float) -> HotRow:
    """What callers are told of a row; on the path of every read of the cache."""
    log, flags = table.heat[row], table.flags[row]
    exponent = heat.decay * (now_s - heat.epoch_s) - log
    score = 1.0 / (1.0 + exp(exponent)) if exponent < MAX_EXPONENT else 0.0
    return new_tuple(HotRow, (score, table.count[row], table.last[row] or None) + KNOWN_FLAGS[flags])


# A named tuple in half the time.
new_tuple = tuple.__new__
MAX_EXPONENT = 700.0
# Pinned, valid and the tier, for each value of the flags.
KNOWN_FLAGS = tuple(
    (flags & PINNED != 0, flags & INVALID == 0, TIERS[min(flags >> TIER_SHIFT & 3, len(TIERS) - 1)])
    for flags in range(256)
)


def given_hot(state: HotState, row: Mapping[str, object], heat: Heat, now_s: float) -> HotState:
    """A hot state with what a row gives of it."""
    if row.keys().isdisjoint(_HOT_NAMES) and not state.flags & DEAD:
        return state
    last_s, log, count, flags = state
    flags &= ~DEAD
    for name in row.keys() & _HOT_NAMES:
        value = row[name]
        if value is None:
            continue
        if name == "last_accessed":
            last_s = _seconds(name, value)
        elif name == "access_count":
            count = _integer(name, value, 0, MAX_COUNT)
        elif name == "heat_score":
            log = float(np.float32(_heat(value, heat, now_s)))
        elif name == "storage_tier":
            flags = with_tier(flags, value)
        else:
            flags = with_flag(flags, name, value)
    return HotState(last_s, log, count, flags)


_HOT_NAMES = {"last_accessed", "access_count", "heat_score", "storage_tier", "is_pinned", "valid"}


def _heat(value: object, heat: Heat, now_s: float) -> float:
    score = _number("heat_score", value)
    if not 0 <= score <= 1:
        raise BadRequest("heat_score", "must be between 0 and 1", limit=1)
    return heat.log_of_score(min(score, 0.999999), now_s)


def with_tier(flags: int, value: object) -> int:
    """Flags with another storage tier."""
    if not isinstance(value, str) or value not in TIERS:
        raise BadRequest("storage_tier", f"must be one of {', '.join(TIERS)}")
    return flags & ~(3 << TIER_SHIFT) | TIERS.index(value) << TIER_SHIFT


def with_flag(flags: int, name: str, value: object) -> int:
    """Flags with `is_pinned` or `valid` changed."""
    if not isinstance(value, bool):
        raise BadRequest(name, "must be true or false")
    bit, on = (PINNED, value) if name == "is_pinned" else (INVALID, not value)
    return flags | bit if on else flags & ~bit


def static_values(row: Mapping[str, object], columns: Columns) -> Static:
    """The static columns of a row, checked; raises BadRequest for unknown columns and wrong types."""
    known, values = _plan(columns), {}
    for name, value in row.items():
        found = known.get(name)
        if found is None:
            raise BadRequest(str(name), "no such column")
        number, check, kind = found
        if number and value is not None:
            if check is None:
                raise BadRequest(name, f"values of type {kind} cannot be given in rows")
            values[number] = check(name, value, kind)
    return values


def check_fits(cid: str, static: Static, columns: Columns) -> None:
    """Raises BadRequest if a whole row would be too large for a message."""
    chars = len(cid)
    for value in static.values():
        if isinstance(value, str):
            chars += len(value)
        elif isinstance(value, list):
            chars += sum(
                sum(map(_chars, item)) if isinstance(item, tuple) else _chars(item) for item in value
            )
    if chars * JSON_CHAR_BYTES < MAX_ROW_BYTES // 2:
        return
    size = len(orjson.dumps(whole_row(cid, static, LARGEST_HOT, columns)))
    if size > MAX_ROW_BYTES:
        problem = f"the whole row takes {size} bytes as JSON, more than {MAX_ROW_BYTES}"
        raise BadRequest("metadata", problem, limit=MAX_ROW_BYTES)


def _chars(value: object) -> int:
    return len(value) + 2 if isinstance(value, str) else 8


LARGEST_HOT = HotRow(1e-300 / 3, MAX_COUNT, float(MAX_TIME_S), False, False, "memory")


@lru_cache(maxsize=4)
def _plan(columns: Columns) -> dict[str, tuple[int, Check | None, pa.DataType]]:
    """By name: the number (0 if the column is not static), what checks a value, and the type."""
    return {
        column.name: (
            column.number if column.kind == "static" else 0,
            _size if column.number == SIZE_COLUMN else _CHECKS.get(column.type.id),
            column.type,
        )
        for column in columns
    }


def to_python(value: Any, type: pa.DataType) -> Any:  # noqa: A002
    """A kept value as callers get it: times as Unix seconds, maps as dictionaries."""
    if value is None:
        return None
    if pa.types.is_timestamp(type):
        return value / 1000
    if pa.types.is_map(type):
        return dict(value)
    return value


def whole_row(cid: str, static: Static, hot: HotRow, columns: Columns) -> dict[str, Any]:
    """All columns of a row as callers get them."""
    nulls, named = _shown(columns)
    row = nulls | hot._asdict()
    row["cid"] = cid
    for number, value in static.items():
        name, convert = named[number]
        row[name] = value if convert is None else convert(value)
    return row


@lru_cache(maxsize=4)
def _shown(columns: Columns) -> tuple[dict[str, Any], dict[int, tuple[str, Callable[[Any], Any] | None]]]:
    """A row of nulls, and by number each static column's name and what makes its values those of callers."""
    converts: dict[int, tuple[str, Callable[[Any], Any] | None]] = {
        column.number: (column.name, partial(to_python, type=column.type) if _changes(column.type) else None)
        for column in columns.static
    }
    return dict.fromkeys(columns.names), converts


def _changes(type: pa.DataType) -> bool:  # noqa: A002
    return bool(pa.types.is_timestamp(type) or pa.types.is_map(type))


def _seconds(name: str, value: object) -> float:
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    seconds = _number(name, value)
    if not 0 <= seconds <= MAX_TIME_S:
        raise BadRequest(name, f"must be Unix seconds between 0 and {MAX_TIME_S}", limit=MAX_TIME_S)
    return seconds


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(name, "must be a finite number")
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise BadRequest(name, "must be a finite number")
    return number


def _float32(name: str, value: object) -> float:
    number = _number(name, value)
    if abs(number) > MAX_FLOAT32:
        raise BadRequest(name, "too large for its column", limit=MAX_FLOAT32)
    return float(np.float32(number))


def _integer(name: str, value: object, least: int, greatest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(name, "must be an integer")
    if not least <= value <= greatest:
        raise BadRequest(name, f"must be between {least} and {greatest}", limit=greatest)
    return value


def _integers(kind: pa.DataType) -> Check:
    """What checks integers of a type."""
    bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
    least, greatest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda name, value, _: _integer(name, value, least, greatest)


def _size(name: str, value: object, _: pa.DataType) -> int:
    return _integer(name, value, 0, 2**63 - 1)


def _text(name: str, value: object, _: pa.DataType | None = None, *, most: int = MAX_TEXT_CHARS) -> str:
    if not isinstance(value, str):
        raise BadRequest(name, "must be text")
    if len(value) > most:
        raise BadRequest(name, f"more than {most} characters", limit=most)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadRequest(name, "is not valid Unicode") from None
    return value


def _bool(name: str, value: object, _: pa.DataType) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(name, "must be true or false")
    return value


def _list(name: str, value: object, type: pa.DataType) -> list[Any]:  # noqa: A002
    if not isinstance(value, list | tuple):
        raise BadRequest(name, "must be a list")
    if len(value) > MAX_ITEMS:
        raise BadRequest(name, f"more than {MAX_ITEMS} items", limit=MAX_ITEMS)
    if type.value_type == pa.string():
        return [_text(name, item, most=MAX_ITEM_CHARS) for item in value]
    check = _CHECKS[type.value_type.id]
    return [check(name, item, type.value_type) for item in value]


def _map(name: str, value: object, type: pa.DataType) -> list[tuple[str, Any]]:  # noqa: A002
    if not isinstance(value, Mapping):
        raise BadRequest(name, "must be an object")
    if len(value) > MAX_ENTRIES:
        raise BadRequest(name, f"more than {MAX_ENTRIES} entries", limit=MAX_ENTRIES)
    check = _CHECKS[type.item_type.id]
    if type.item_type == pa.string():
        check = partial(_text, most=MAX_VALUE_CHARS)
    return [
        (_text(name, key, most=MAX_KEY_CHARS), check(name, item, type.item_type))
        for key, item in value.items()
    ]


_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
_CHECKS: dict[int, Check] = {
    **{kind.id: _integers(kind) for kind in _INTEGERS},
    pa.float32().id: lambda name, value, _: _float32(name, value),
    pa.float64().id: lambda name, value, _: _number(name, value),
    pa.bool_().id: _bool,
    pa.string().id: _text,
    pa.timestamp("ms", "UTC").id: lambda name, value, _: round(_seconds(name, value) * 1000),
    pa.list_(pa.string()).id: _list,
    pa.map_(pa.string(), pa.string()).id: _map,
}
MILLISECONDS = pa.timestamp("ms", "UTC")
SIZE_COLUMN = next(column.number for column in BUILT_IN if column.name == "size_bytes")


def check_name(name: str) -> None:
    """Raises BadRequest if a column cannot be called so."""
    if not _NAME.fullmatch(name):
        raise BadRequest("name", "must be a letter or _, then letters, digits or _", limit=64)


def check_type(name: str, type: pa.DataType) -> None:  # noqa: A002
    """Raises BadRequest if a column cannot have this type."""
    inner = type
    if pa.types.is_list(type):
        inner = type.value_type
    elif pa.types.is_map(type) and type.key_type == pa.string():
        inner = type.item_type
    plain = inner.id in _CHECKS and not pa.types.is_nested(inner)
    if not plain or (pa.types.is_timestamp(inner) and inner != MILLISECONDS):
        raise BadRequest(name, f"a column cannot be of type {type}")
