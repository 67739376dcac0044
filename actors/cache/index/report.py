"""What an index says of itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.errors import DamagedIndex
from .engine import Engine
from .segment import DEAD, Segment

__all__ = ["stats"]


def stats(engine: Engine) -> dict[str, Any]:
    """Counts, sizes, runs and damage."""
    core, damages = engine.core, engine.shared.damages
    with engine.lock:
        segments = core.segments()
    runs: list[dict[str, Any]] = [
        {
            "name": run.name,
            "rows": run.rows,
            "dead": run.dead,
            "partitions": len(run.entry.parts),
            "row_group_rows": run.entry.row_group_rows,
            "size_bytes": sum(file.size for file in run.files),
            "indexes": [column.name for column in engine.shared.columns if column.number in run.entry.orders],
        }
        for run in sorted(core.runs, key=lambda run: run.entry.number)
    ]
    return {
        "record_count": core.record_count,
        "total_size_bytes": sum(run["size_bytes"] for run in runs) + engine.log.size_bytes,
        "content_size_bytes": sum(_content_bytes(engine, segment) for segment in segments),
        "runs": runs,
        "memory_rows": core.memory_rows,
        "log_bytes": engine.log.size_bytes,
        "resident_bytes": engine.shared.decoded.size_bytes + engine.shared.groups.size_bytes,
        "columns": len(engine.shared.columns),
        "half_life_s": engine.shared.heat.half_life_s,
        "version": core.version,
        "damaged": [asdict(damage) for damage in damages.all],
    }


def _content_bytes(engine: Engine, segment: Segment) -> int:
    if "size_bytes" not in engine.shared.columns:
        return 0
    try:
        sizes = segment.column("size_bytes")
        if segment.dead:
            alive = (segment.hot.flags[: len(sizes)] & DEAD) == 0
            sizes = sizes.filter(pa.array(alive))
        return int(pc.sum(sizes).as_py() or 0)
    except DamagedIndex:
        return 0  # it is reported under `damaged`
