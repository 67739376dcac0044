"""What a filter may compare a column with: JSON values turned into the values that the column holds.

Times become whole numbers of the column's unit, real numbers are rounded to the column's precision, CIDs are
written in their usual form. Whatever does not fit is a BadRequest that says what would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ..columns import Columns

__all__ = [
    "Field",
    "Kind",
    "Op",
    "Value",
    "field_named",
    "kind_of",
    "shortened",
    "units_per_second",
    "value_for",
]

Kind = Literal["integer", "real", "bool", "text", "time", "list", "map", "other"]
Op = Literal["eq", "gt", "gte", "lt", "lte"]
Value = bool | int | float | str

MAX_NAME_CHARS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Field:
    """A column as filters address it: `name` may also be `properties.<key>`, which is text."""

    name: str
    kind: Kind
    type: pa.DataType

    def wrong(self, problem: str, *, limit: object = None) -> BadRequest:
        return BadRequest(f"filter.{shortened(self.name)}", problem, limit=limit)


def kind_of(data_type: pa.DataType) -> Kind:
    """How values of an Arrow type are compared."""
    types = pa.types
    if types.is_integer(data_type):
        return "integer"
    if types.is_floating(data_type):
        return "real"
    if types.is_boolean(data_type):
        return "bool"
    if types.is_string(data_type) or types.is_large_string(data_type):
        return "text"
    if types.is_timestamp(data_type):
        return "time"
    if types.is_map(data_type):
        return "map"
    if types.is_list(data_type) and kind_of(data_type.value_type) == "text":
        return "list"
    return "other"


def field_named(columns: Columns, name: str) -> Field:
    """The column, or the key of a map, of this name; raises KeyError if there is none."""
    if name in columns:
        column = columns[name]
        return Field(name, kind_of(column.type), column.type)
    outer, dot, key = name.partition(".")
    if dot and key and outer in columns and kind_of(columns[outer].type) == "map":
        return Field(name, "text", pa.string())
    raise KeyError(name)


def shortened(name: str) -> str:
    """A name of the caller's, short enough to be told back."""
    return name if len(name) <= MAX_NAME_CHARS else name[:MAX_NAME_CHARS] + "…"


def units_per_second(data_type: pa.DataType) -> int:
    return _PER_SECOND[data_type.unit]


def value_for(field: Field, op: Op, value: object) -> Value:
    """The column's value that `column <op> value` is to be compared with.

    A fraction between two whole numbers is moved to the neighbour that leaves a comparison of order true;
    times that are to be equal are rounded to the column's unit. Raises BadRequest(field="filter.<column>")
    for a value of another type or out of the column's range.
    """
    convert = _CONVERTERS.get(field.kind)
    if convert is None:
        raise field.wrong("cannot be compared with a value; only $exists applies")
    return convert(field, op, value)


def _integer(field: Field, op: Op, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise field.wrong(f"is compared with whole numbers, not {_type_name(value)}")
    if isinstance(value, float):
        _check_finite(field, value)
        if op == "eq" and not value.is_integer():
            raise field.wrong("is compared with whole numbers, not with a fraction")
        value = _whole(value, op)
    return _in_range(field, value)


def _in_range(field: Field, value: int) -> int:
    bits = field.type.bit_width
    signed = not str(field.type).startswith("u")
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not least <= value <= most:
        bound = most if value > most else least
        raise field.wrong(f"holds whole numbers from {least} to {most}", limit=bound)
    return value


def _real(field: Field, op: Op, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise field.wrong(f"is compared with numbers, not {_type_name(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise field.wrong("is compared with numbers of 64 bits") from None
    _check_finite(field, number)
    if field.type.bit_width < 64 and field.name != "heat_score":
        with np.errstate(over="ignore"):
            number = float(np.dtype(field.type.to_pandas_dtype()).type(number))
        if math.isinf(number):
            raise field.wrong(f"holds numbers of {field.type.bit_width} bits")
    return number


def _check_finite(field: Field, value: float) -> None:
    if not math.isfinite(value):
        raise field.wrong("is compared with a finite number, neither NaN nor infinity")


def _bool(field: Field, op: Op, value: object) -> bool:
    if not isinstance(value, bool):
        raise field.wrong(f"is true or false, not {_type_name(value)}")
    return value


def _text(field: Field, op: Op, value: object) -> str:
    if not isinstance(value, str):
        raise field.wrong(f"is compared with text, not {_type_name(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise field.wrong("is compared with text that is valid Unicode") from None
    if field.name == "cid" and op == "eq":
        return _usual_cid(field, value)
    return str(value)


def _usual_cid(field: Field, text: str) -> str:
    try:
        return str(CID.parse(text))
    except BadRequest as error:
        raise field.wrong(f"is compared with CIDs: {error.problem}") from None


def _time(field: Field, op: Op, value: object) -> int:
    per_second = units_per_second(field.type)
    if isinstance(value, str):
        value = _datetime(field, value)
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        units, rest = divmod((at - _EPOCH) // timedelta(microseconds=1) * per_second, 1_000_000)
        up = 2 * rest > 1_000_000 if op == "eq" else rest > 0 and op in {"lt", "gte"}
        return _in_range(field, units + up)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise field.wrong(f"is compared with Unix seconds or ISO 8601 text, not {_type_name(value)}")
    if isinstance(value, int):
        return _in_range(field, value * per_second)
    _check_finite(field, value)
    return _in_range(field, _whole_units(value * per_second, op))


def _whole_units(units: float, op: Op) -> int:
    # Seconds in 64 bits are exact to a quarter of a microsecond: what is that near to a unit is meant as it.
    nearest = round(units) if math.isfinite(units) else (1 << 64)
    if op == "eq" or abs(units - nearest) < 1e-3:
        return nearest
    return _whole(units, op)


def _whole(value: float, op: Op) -> int:
    return math.ceil(value) if op in {"lt", "gte"} else math.floor(value)


def _datetime(field: Field, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise field.wrong("is compared with Unix seconds or ISO 8601 text; this text is neither") from None


def _type_name(value: object) -> str:
    names: dict[type, str] = {
        bool: "a truth value",
        str: "text",
        type(None): "null",
        dict: "an object",
        list: "a list",
    }
    return names.get(
        type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}"
    )


_CONVERTERS: dict[Kind, Callable[[Field, Op, object], Value]] = {
    "integer": _integer,
    "real": _real,
    "bool": _bool,
    "text": _text,
    "list": _text,
    "time": _time,
}
