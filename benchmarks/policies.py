"""Hit ratios of the cache policies over generated traces: `python -m benchmarks.policies`.

The references are libCacheSim's (C++). `--requests 150000` is a quick run; `--write` puts the table and the
picture into docs/. Takes some ten minutes in full.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import libcachesim
import numpy as np
import vl_convert

from cidbus.actors.cache.content.policies import make_policy

from .traces import TRACES, Trace, make

REFERENCES: dict[str, Callable[[int], Any]] = {
    "LRU": libcachesim.LRU,
    "ARC": libcachesim.ARC,
    "S3-FIFO": libcachesim.S3FIFO,
    "SIEVE": libcachesim.Sieve,
    "W-TinyLFU": libcachesim.WTinyLFU,
    "GDSF": libcachesim.GDSF,
}
SHARES = (0.01, 0.05, 0.10)
# No entry takes more than this part of the cache: what the memory tier does.
LARGEST_SHARE = 8
DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


class Score(NamedTuple):
    """Hits by objects and by bytes, as ratios; CPU time of a request, for our own policies."""

    objects: float
    bytes: float
    us: float = 0.0

    def __str__(self) -> str:
        return f"{self.objects:.3f}/{self.bytes:.3f}"


class Row(NamedTuple):
    trace: str
    share: float
    scores: dict[str, Score]

    @property
    def heat(self) -> Score:
        return self.scores["heat"]

    @property
    def behind(self) -> float:
        """How far heat is behind the best by objects."""
        return max(score.objects for score in self.scores.values()) - self.heat.objects

    @property
    def beaten(self) -> float:
        """By how much some policy is better by objects and by bytes at the same time."""
        return max(
            min(score.objects - self.heat.objects, score.bytes - self.heat.bytes)
            for name, score in self.scores.items()
            if name != "heat"
        )


def main() -> None:
    options = arguments()
    if os.environ.get("PYTHONHASHSEED") != "0":  # The sample that heat tunes itself by depends on it.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.policies", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    rows = [
        row for name in options.traces for row in compared(make(name, options.requests, seed=options.seed))
    ]
    text = f"{table(rows)}\n\n{verdict(rows)}"
    print(text)
    if options.write:
        write(text, rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=__doc__)
    parser.add_argument("traces", nargs="*", default=list(TRACES), help="all by default")
    parser.add_argument("--requests", type=int, default=600_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/")
    return parser.parse_args()


def compared(trace: Trace) -> list[Row]:
    keys = {
        number: f"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7{number:09d}"
        for number in np.unique(trace.objects).tolist()
    }
    asked = [keys[number] for number in trace.objects.tolist()]
    sizes = trace.sizes.tolist()
    rows = []
    for share in SHARES:
        print(f"running {trace.name}, {share:.0%} …", file=sys.stderr)
        capacity = int(trace.unique_bytes * share)
        scores = {name: reference(made(capacity), trace) for name, made in REFERENCES.items()}
        scores["heat"] = own("heat", capacity, asked, sizes)
        rows.append(Row(trace.name, share, scores))
    return rows


def reference(cache: Any, trace: Trace) -> Score:
    request = libcachesim.Request()
    hits = np.empty(len(trace), bool)
    for number, (key, size) in enumerate(zip(trace.objects.tolist(), trace.sizes.tolist(), strict=True)):
        request.obj_id, request.obj_size = key + 1, size
        hits[number] = cache.get(request)
    return Score(float(hits.mean()), float(trace.sizes[hits].sum() / trace.bytes))


def own(name: str, capacity: int, keys: list[str], sizes: list[int]) -> Score:
    """The CPU time is that of the second half, when the cache is full."""
    policy = make_policy(name, capacity, capacity // LARGEST_SHARE)
    hits = hit_bytes = 0
    half, started = len(keys) // 2, 0.0
    gc.freeze()  # The traces are no part of the policy.
    for number, (key, size) in enumerate(zip(keys, sizes, strict=True)):
        if number == half:
            started = time.process_time()
        if policy.hit(key):
            hits += 1
            hit_bytes += size
        else:
            policy.admit(key, size)
    us = (time.process_time() - started) / (len(keys) - half) * 1e6
    assert policy.used_bytes <= capacity
    return Score(hits / len(keys), hit_bytes / sum(sizes), us)


def table(rows: list[Row]) -> str:
    names = list(rows[0].scores)
    lines = [f"| trace, cache | {' | '.join(names)} | heat, µs |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        best = max(row.scores.values(), key=lambda score: score.objects)
        cells = [f"**{score}**" if score is best else str(score) for score in row.scores.values()]
        lines.append(f"| {row.trace} {row.share:.0%} | {' | '.join(cells)} | {row.heat.us:.1f} |")
    return "\n".join(lines)


def verdict(rows: list[Row]) -> str:
    beaten = max(0.0, max(row.beaten for row in rows))
    behind = max(row.behind for row in rows)
    us = median(row.heat.us for row in rows)
    return "\n".join(
        [
            f"- better than heat by objects and by bytes: nowhere by more than {beaten:.3f}",
            f"- heat behind the best by objects: {behind:.3f} at most",
            f"- CPU time of a request under heat: {us:.1f} µs (median of the rows)",
        ]
    )


def write(text: str, rows: list[Row]) -> None:
    page = DOCS / "cache-policies.md"
    old = page.read_text()
    before, after = old.split(BEGIN)[0], old.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    (DOCS / "images").mkdir(exist_ok=True)
    (DOCS / "images" / "cache-policies.svg").write_text(picture(rows))


def picture(rows: list[Row]) -> str:
    """A column to a trace: hits by objects above hits by bytes, over the size of the cache."""
    values = [
        {"trace": row.trace, "policy": name, "cache": round(100 * row.share), "by": f"by {by}", "hits": ratio}
        for row in rows
        for name, score in row.scores.items()
        for by, ratio in (("objects", round(score.objects, 3)), ("bytes", round(score.bytes, 3)))
    ]
    colors = ["#d62728", "#999999", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#ff7f0e"]
    cache = {"field": "cache", "type": "quantitative", "title": "cache, %", "axis": {"values": [1, 5, 10]}}
    hits = {"field": "hits", "type": "quantitative", "title": None, "scale": {"zero": False}}
    policy = {"field": "policy", "type": "nominal", "title": None, "sort": ["heat", *REFERENCES]}
    chart = {
        "data": {"values": values},
        "facet": {
            "column": {"field": "trace", "type": "nominal", "title": None, "sort": list(TRACES)},
            "row": {"field": "by", "type": "nominal", "title": None, "sort": ["by objects", "by bytes"]},
        },
        "resolve": {"scale": {"y": "independent"}},
        "spec": {
            "width": 95,
            "height": 120,
            "mark": {"type": "line", "strokeWidth": 1.4},
            "encoding": {
                "x": cache,
                "y": {**hits, "axis": {"format": ".1f", "tickCount": 4}},
                "color": {**policy, "scale": {"range": colors}},
            },
        },
    }
    svg: str = vl_convert.vegalite_to_svg(chart)
    return svg


if __name__ == "__main__":
    main()
