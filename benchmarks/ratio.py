"""One comparison: what we reach, what the limit reaches in the same run, and the ratio of each round."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

__all__ = ["Ratio", "alternate", "start_python", "table"]


@dataclass
class Ratio:
    """`ours` and `limit` in `unit`, higher is better; `target` is the least ratio that we want."""

    name: str
    unit: str
    target: float | None = None
    ours: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [ours / limit for ours, limit in zip(self.ours, self.limit, strict=True)]


async def alternate(
    ratio: Ratio, rounds: int, ours: Callable[[], Awaitable[float]], limit: Callable[[], Awaitable[float]]
) -> Ratio:
    """Measure both sides in turn, after one round that is not counted."""
    for number in range(rounds + 1):
        ours_now, limit_now = await ours(), await limit()
        if number:
            ratio.ours.append(ours_now)
            ratio.limit.append(limit_now)
    return ratio


def table(ratios: list[Ratio]) -> str:
    """The rows as Markdown: medians, and the range of the ratios."""
    lines = [
        "| what | ours | limit | ratio (median) | min–max | wanted |",
        "|---|---|---|---|---|---|",
    ]
    for ratio in ratios:
        found = ratio.ratios
        wanted = "" if ratio.target is None else f"≥ {ratio.target:g}"
        ours, limit = (f"{median(side):,.0f} {ratio.unit}" for side in (ratio.ours, ratio.limit))
        spread = f"{min(found):.2f}–{max(found):.2f}"
        lines.append(f"| {ratio.name} | {ours} | {limit} | {median(found):.2f} | {spread} | {wanted} |")
    return "\n".join(lines)


async def start_python(module: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start `python -m module …` and return once it has printed a line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process
