"""Where a row's routes lie: its path, and the paths below it."""

from __future__ import annotations

from typing import Any

from ..schemas.rows import Call

__all__ = ["ANY_PATH", "served_paths"]

# A name may contain a newline, which `.` would not match.
ANY_PATH = r"/{path:[\s\S]*}"


def served_paths(row: Call[Any], path: str) -> tuple[str, ...]:
    """The path itself; where it ends in a CID and the row has a `path` field, also every path below that."""
    if path.endswith("/{cid}") and "path" in row.ask.model_fields:
        return path, path + ANY_PATH
    return (path,)
