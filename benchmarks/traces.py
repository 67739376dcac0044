"""Request traces made from a seed: what the cache policies are compared on.

A trace is two arrays of equal length, object numbers and sizes in bytes, with one size per object. All but
the last two ask for some 100,000 objects of log-normal sizes between 64 B and 2 MiB; sizes and popularity are
independent.

    zipf-0.8, zipf-1.0, zipf-1.2   independent requests, popularity ~ rank^-s
    scan       zipf-1.0, and every 10,000 requests one pass over 2,500 objects that nobody asks for again soon
    shift      zipf-1.0, in which a tenth of the ranks change places every 30,000 requests
    dag        files of 256 KiB leaves under a root block, most read in order from the start and many only in
               part, 16 readers at a time; popularity of files ~ rank^-0.9, and 3 % of them change places
               every 30,000 requests
    news       the files of `dag`, but each is popular for a short while only and then never again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TRACES", "Trace", "make"]

Numbers = npt.NDArray[np.int64]

SMALLEST_BYTES, LARGEST_BYTES = 64, 2 << 20
LEAF_BYTES, LINK_BYTES = 256 << 10, 44
READERS = 16


@dataclass(frozen=True)
class Trace:
    """What is asked for, in order: `objects[i]` of `sizes[i]` bytes."""

    name: str
    objects: Numbers
    sizes: Numbers

    def __len__(self) -> int:
        return len(self.objects)

    @property
    def unique_bytes(self) -> int:
        """The bytes of all objects asked for at least once, each counted once."""
        _, first = np.unique(self.objects, return_index=True)
        return int(self.sizes[first].sum())

    @property
    def bytes(self) -> int:
        return int(self.sizes.sum())


def make(name: str, requests: int = 600_000, objects: int = 100_000, *, seed: int = 1) -> Trace:
    """The trace of a name in TRACES; the same arguments give the same trace."""
    rng = np.random.default_rng([seed, list(TRACES).index(name)])
    asked, sizes = TRACES[name](rng, requests, objects)
    return Trace(name, asked, sizes[asked])


def _zipf(exponent: float) -> Callable[[np.random.Generator, int, int], tuple[Numbers, Numbers]]:
    def trace(rng: np.random.Generator, requests: int, objects: int) -> tuple[Numbers, Numbers]:
        return rng.permutation(objects)[_ranks(rng, requests, objects, exponent)], _sizes(rng, objects)

    return trace


def _scan(rng: np.random.Generator, requests: int, objects: int) -> tuple[Numbers, Numbers]:
    """A fifth of the requests are scans over objects of their own, each pass further on."""
    every, length = 10_000, 2_500
    wanted, scanned = objects // 2, objects - objects // 2
    asked = rng.permutation(wanted)[_ranks(rng, requests, wanted, 1.0)]
    for number, start in enumerate(range(every, requests, every)):
        part = asked[start : start + length]
        part[:] = wanted + (number * length + np.arange(len(part))) % scanned
    return asked, _sizes(rng, objects)


def _shift(rng: np.random.Generator, requests: int, objects: int) -> tuple[Numbers, Numbers]:
    period, share = 30_000, 0.1
    ranks = _ranks(rng, requests, objects, 1.0)
    places = rng.permutation(objects)
    asked = np.empty(requests, np.int64)
    for start in range(0, requests, period):
        asked[start : start + period] = places[ranks[start : start + period]]
        # The popular ranks lose as large a share as the others do.
        moved = np.flatnonzero(rng.random(objects) < share)
        places[moved] = places[rng.permutation(moved)]
    return asked, _sizes(rng, objects)


def _dag(rng: np.random.Generator, requests: int, objects: int) -> tuple[Numbers, Numbers]:
    files = _Files(rng, objects)
    places = rng.permutation(len(files))

    def choose(made: int, before: int) -> Numbers:
        if made // 30_000 > before // 30_000:
            moved = np.flatnonzero(rng.random(len(files)) < 0.03)
            places[moved] = places[rng.permutation(moved)]
        return places[_ranks(rng, 256, len(files), 0.9)]

    return files.read(rng, requests, choose), files.sizes


def _news(rng: np.random.Generator, requests: int, objects: int) -> tuple[Numbers, Numbers]:
    """A window over half of the files moves on to the others; the file that leaves it is the most popular."""
    files = _Files(rng, objects)
    order, window = rng.permutation(len(files)), len(files) // 2

    def choose(made: int, before: int) -> Numbers:
        start = int((len(files) - window) * min(1.0, made / requests))
        return order[start + _ranks(rng, 256, window, 0.9)]

    return files.read(rng, requests, choose), files.sizes


class _Files:
    """Files as DAGs of two levels: a root block of links, then the leaves, numbered one after the other."""

    def __init__(self, rng: np.random.Generator, objects: int) -> None:
        files = max(16, objects * 6 // 100)
        self.leaves = np.clip(rng.lognormal(1.9, 1.2, files), 1, 512).astype(np.int64)
        ends = np.cumsum(self.leaves + 1)
        self.first = ends - self.leaves - 1
        self.sizes = np.full(int(ends[-1]), LEAF_BYTES, np.int64)
        self.sizes[self.first] = 100 + LINK_BYTES * self.leaves
        self.sizes[ends - 1] = rng.integers(1, LEAF_BYTES + 1, files)

    def __len__(self) -> int:
        return len(self.leaves)

    def read(self, rng: np.random.Generator, requests: int, choose: Callable[[int, int], Numbers]) -> Numbers:
        """Blocks in the order asked for, when `choose(requests made, made the time before)` names files."""
        runs: list[Numbers] = []
        made = before = 0
        while made < requests + READERS * 600:
            chosen, before = choose(made, before), made
            whole, parts = rng.random(len(chosen)) < 0.6, rng.random(len(chosen))
            counts = self.leaves[chosen]
            counts = np.where(whole, counts, (counts * parts).astype(np.int64)) + 1
            runs += [
                np.arange(start, start + count)
                for start, count in zip(self.first[chosen].tolist(), counts.tolist(), strict=True)
            ]
            made += int(counts.sum())
        return _interleaved(runs, requests)


def _interleaved(runs: list[Numbers], requests: int) -> Numbers:
    """The runs in order, READERS of them at a time, each taking its turn."""
    asked: list[int] = []
    waiting = iter(runs)
    lanes = [iter(run.tolist()) for _, run in zip(range(READERS), waiting, strict=False)]
    while len(asked) < requests:
        for number, lane in enumerate(lanes):
            block = next(lane, None)
            if block is None:
                lanes[number] = iter(next(waiting).tolist())
                block = next(lanes[number])
            asked.append(block)
    return np.array(asked[:requests], np.int64)


def _ranks(rng: np.random.Generator, requests: int, objects: int, exponent: float) -> Numbers:
    weights = np.cumsum(np.arange(1, objects + 1, dtype=np.float64) ** -exponent)
    ranks: Numbers = np.searchsorted(weights, rng.random(requests) * weights[-1]).astype(np.int64)
    return ranks


def _sizes(rng: np.random.Generator, objects: int) -> Numbers:
    return np.clip(rng.lognormal(9.5, 1.8, objects), SMALLEST_BYTES, LARGEST_BYTES).astype(np.int64)


TRACES: dict[str, Callable[[np.random.Generator, int, int], tuple[Numbers, Numbers]]] = {
    "zipf-0.8": _zipf(0.8),
    "zipf-1.0": _zipf(1.0),
    "zipf-1.2": _zipf(1.2),
    "scan": _scan,
    "shift": _shift,
    "dag": _dag,
    "news": _news,
}
