"""The index at ten million rows: loaded by one process, then opened, looked up and asked by a fresh one."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from pathlib import Path

from cidbus.actors.cache.index.text import encode_each

from .index_ours import Ours
from .index_rows import SLICE_ROWS, keys_of, slices
from .ratio import Ratio

__all__ = ["compare_large"]

ROWS = 10_000_000
# Tables of so many rows are given to the index at a time.
TABLE_ROWS = 4 * SLICE_ROWS
LOOKUPS_IN_SLICE = 25
KEYS = "keys"
INGEST_ROWS_S, OPEN_S, MEMORY_MB = 300_000, 0.030, 400


async def compare_large(rounds: int) -> list[Ratio]:
    """Loads once and opens `rounds` times, against what is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = await in_process("load", folder)
        asked = [await in_process("ask", folder) for _ in range(rounds)]
    told = (
        f"hot columns {asked[-1]['hot_us']:.1f} µs, a whole row {asked[-1]['row_us']:,.0f} µs, "
        f"10 of heat > 0.7 {asked[-1]['limit_10_ms']:.2f} ms, count {asked[-1]['count_ms']:.1f} ms, "
        f"{loaded['bytes_per_row']:.0f} bytes a row"
    )
    return [
        Ratio(f"{ROWS:,} rows loaded, against {INGEST_ROWS_S:,}/s; {told}", "rows/s", 1,
              [loaded["rows_s"]], [INGEST_ROWS_S]),
        Ratio(f"{ROWS:,} rows opened, against 30 ms", "/s", 1,
              [1 / one["open_s"] for one in asked], [1 / OPEN_S] * rounds),
        Ratio(f"{ROWS:,} rows, in a MB of the peak of memory, against {MEMORY_MB} MB", "rows/MB", 1,
              [ROWS / one["peak_mb"] for one in asked], [ROWS / MEMORY_MB] * rounds),
    ]  # fmt: skip


async def in_process(step: str, folder: str) -> dict[str, float]:
    """What a fresh process measures; raises RuntimeError if it fails."""
    command = (sys.executable, "-m", __name__, step, folder)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed = (await process.communicate())[0]
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    found: dict[str, float] = json.loads(printed)
    return found


def load(folder: Path) -> dict[str, float]:
    ours, spent_s, waiting, keys = Ours(folder / "index"), 0.0, [], b""
    for number, table in enumerate(slices(ROWS), start=1):
        waiting.append(table)
        keys += b"".join(keys_of(table.slice(0, LOOKUPS_IN_SLICE)))
        if number * SLICE_ROWS % TABLE_ROWS:
            continue
        started = time.process_time()
        ours.ingest(waiting)
        spent_s += time.process_time() - started
        waiting.clear()
    started = time.process_time()
    ours.close()
    spent_s += time.process_time() - started
    (folder / KEYS).write_bytes(keys)
    return {"rows_s": ROWS / spent_s, "bytes_per_row": ours.size_bytes() / ROWS}


def ask(folder: Path) -> dict[str, float]:
    raw = (folder / KEYS).read_bytes()
    keys = [raw[start : start + 36] for start in range(0, len(raw), 36)]
    started = time.process_time()
    ours = Ours(folder / "index")
    ours.hot(keys[0])
    open_s = time.process_time() - started
    found = {"open_s": open_s}
    for name, unit, work, times in (
        ("hot_us", 1e6, lambda: [ours.hot(key) for key in keys], len(keys)),
        ("row_us", 1e6, lambda: [ours.row(text) for text in encode_each(keys)], len(keys)),
        ("limit_10_ms", 1e3, ours.limit_10, 1),
        ("count_ms", 1e3, ours.count_warm, 1),
        ("hottest_ms", 1e3, ours.hottest, 1),
    ):
        started = time.process_time()
        work()
        found[name] = (time.process_time() - started) / times * unit
    return found | {"peak_mb": peak_mb()}


def peak_mb() -> float:
    """The most memory that this process has held; what `getrusage` tells begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6  # type: ignore[index]


if __name__ == "__main__":
    print(json.dumps({"load": load, "ask": ask}[sys.argv[1]](Path(sys.argv[2]))))
