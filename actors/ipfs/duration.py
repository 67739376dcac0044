"""Durations as people write them: seconds as a number, or text such as `24h`, `1h30m`, `90s`, `1.5h`."""

from __future__ import annotations

import math
import re

from ...schemas.errors import BadRequest

__all__ = ["parse_duration"]

# Go's units (time.ParseDuration), and the day, which Go leaves out.
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)", re.ASCII)
MAX_CHARS = 64


def parse_duration(given: float | str, field: str) -> float:
    """Seconds; raises BadRequest naming `field` for what is no duration, negative or without end."""
    if isinstance(given, str):
        return _read(given.strip(), field)
    if not math.isfinite(given) or given < 0:
        raise BadRequest(field, f"{given} is not a number of seconds")
    return float(given)


def _read(text: str, field: str) -> float:
    if len(text) <= MAX_CHARS:
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
            return float(text)
        if re.fullmatch(f"(?:{_PART.pattern})+", text, re.ASCII):
            return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    raise BadRequest(field, f"{text[:MAX_CHARS]!r} is not a duration such as 24h, 90m or 1h30m")
