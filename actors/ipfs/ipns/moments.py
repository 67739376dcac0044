"""Moments as records write them: RFC 3339 with nanoseconds, here as nanoseconds since 1970 (UTC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ....schemas.errors import BadRequest, InvalidContent

__all__ = ["SECOND_NS", "format_moment", "parse_moment"]

SECOND_NS = 1_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_LAST_NS = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // _SECOND * SECOND_NS + SECOND_NS - 1
_FORM = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def format_moment(moment_ns: int) -> str:
    """Such as `2030-01-02T03:04:05.000000006Z`; raises BadRequest outside the years 1970 to 9999."""
    if not 0 <= moment_ns <= _LAST_NS:
        raise BadRequest("validity", "lies outside the years 1970 to 9999")
    seconds, nanoseconds = divmod(moment_ns, SECOND_NS)
    return f"{_EPOCH + seconds * _SECOND:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


def parse_moment(text: str, field: str) -> int:
    """Nanoseconds since 1970, negative before; raises InvalidContent(field=`field`)."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise InvalidContent(field, f"{text[:40]!r} is not an RFC 3339 time of at most nanoseconds")
    whole, fraction, zone = parts.groups()
    try:
        seconds = (datetime.fromisoformat(whole + zone) - _EPOCH) // _SECOND
    except (ValueError, OverflowError):
        raise InvalidContent(field, f"{text!r} is on no calendar") from None
    return seconds * SECOND_NS + int((fraction or "").ljust(9, "0"))
