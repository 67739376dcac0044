"""The order of a disk tier's entries, written down from time to time so that a restart begins with it.

It is a hint and nothing more: what is missing, damaged or made up costs some hits and no correctness.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import orjson

from .policy import Resident

__all__ = ["load", "save"]

FILE: Final = "heats.json"
_log = logging.getLogger(__name__)


def save(folder: Path, residents: Iterable[Resident]) -> None:
    """Write down keys and heats, in their order. A failure is only logged."""
    fresh = folder / f"{FILE}.new"
    try:
        fresh.write_bytes(orjson.dumps([[key, heat] for key, _, heat in residents]))
        fresh.replace(folder / FILE)
    except OSError as error:
        _log.warning("the order of the cache could not be written: %s", error)


def load(folder: Path, keys: Collection[str]) -> list[tuple[str, float]]:
    """Every one of these keys with its heat, the coldest first; those that came later are taken for warm."""
    try:
        written = orjson.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        written = []
    known: dict[str, float] = {}
    for item in written if isinstance(written, list) else []:
        match item:
            case [str(key), int(heat) | float(heat)] if key in keys and math.isfinite(heat) and heat > 0:
                known[key] = float(heat)
    return [*known.items(), *((key, 1.0) for key in keys if key not in known)]
