"""`just bench`: run the comparisons in turn and print one table of ratios.

Every figure is the median of at least five rounds in which both sides alternate, on one machine and in one
run: machines differ and are noisy, ratios much less so.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from cidbus.bus.process import tune_allocator

from . import bulk, car, dag, engine, fsspec, gateway, hot_reads, index, small, tree
from .ratio import Ratio, table

COMPARISONS: dict[str, Callable[[int], Awaitable[list[Ratio]]]] = {
    "small": small.compare,
    "bulk": bulk.compare,
    "engine": engine.compare,
    "gateway": gateway.compare,
    "car": car.compare,
    "dag": dag.compare,
    "hot": hot_reads.compare,
    "index": index.compare,
    "tree": tree.compare,
    "fsspec": fsspec.compare,
    "car-10gb": car.compare_large,
    "index-10m": index.compare_large,
    "fsspec-1gb": fsspec.compare_large,
}
# Run only when named: they need much disk.
ON_REQUEST = {"car-10gb", "index-10m", "fsspec-1gb"}


async def main() -> None:
    options = arguments()
    ratios: list[Ratio] = []
    for name in options.names or [name for name in COMPARISONS if name not in ON_REQUEST]:
        print(f"running {name} …", file=sys.stderr)
        ratios += await COMPARISONS[name](options.rounds)
    print(table(ratios))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*COMPARISONS, []], help="which comparisons; all by default"
    )
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    tune_allocator()
    asyncio.run(main())
