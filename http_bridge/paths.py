"""Where a row's routes lie: its path, and the paths below it."""

from __future__ import annotations

from typing import Any

from ..schemas.rows import Call

__all__ = ["served_paths"]


def served_paths(row: Call[Any], path: str) -> tuple[str, ...]:
    """The path itself; where it ends in a CID and the row has a `path` field, also every path below that."""
    if path.endswith("/{cid}") and "path" in row.ask.model_fields:
        return path, path + "/{path:.*}"
    return (path,)
