"""Durations as Go writes them: `300ms`, `1.5h`, `2h45m`."""

from __future__ import annotations

import re

from .errors import BadCall

__all__ = ["seconds"]

MAX_CHARS = 64
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds(text: str, field: str) -> float:
    """The seconds of a duration; raises BadCall if the text is none or is negative."""
    if text == "0":
        return 0.0
    parts = list(PART.finditer(text[:MAX_CHARS]))
    if not parts or "".join(part[0] for part in parts) != text:
        raise BadCall(f'{field}: "{text[:MAX_CHARS]}" is not a duration such as 300ms or 2h45m')
    return sum(float(part[1]) * UNITS[part[2]] for part in parts)
