"""Heat: how much a CID is used, as one number that never has to be rewritten as it decays.

With a half-life h and λ = ln 2 / h, the heat of a CID at time t is the sum of w·2^(-(t-a)/h) over its
accesses of weight w at times a. Kept is only its logarithm at a fixed epoch E,

    L = ln Σ w·e^(λ(a-E))

which accesses change by `logaddexp` in any order, which ranks CIDs alike at every t, and which makes a
comparison with a score one comparison with a constant. The score H/(1+H) lies in [0, 1): one access just now
is 0.5, three are 0.75. The form is that of forward decay (Cormode et al., ICDE 2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["COLD", "Heat"]

# The L of what has never been used.
COLD = -math.inf

Logs = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heat:
    """The scale of one index: `half_life_s` seconds and the epoch, a Unix time; `decay` is λ, per second.

    L is kept in 32 bits; past an exponent of some hundreds its steps become visible in scores, so an index
    moves its epoch now and then (`rebased`).
    """

    half_life_s: float
    epoch_s: float
    decay: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", math.log(2) / self.half_life_s)

    def of_access(self, at_s: float, weight: float = 1.0) -> float:
        """L of one access alone; `COLD` for a weight of 0."""
        return self.decay * (at_s - self.epoch_s) + math.log(weight) if weight > 0 else COLD

    def add(self, log: float, at_s: float, weight: float = 1.0) -> float:
        """L after one more access."""
        return _logaddexp(log, self.of_access(at_s, weight))

    def score(self, log: float, now_s: float) -> float:
        """The heat score at a time, 0 for what was never used."""
        return _sigmoid(log - self.decay * (now_s - self.epoch_s))

    def scores(self, logs: Logs, now_s: float) -> npt.NDArray[np.float32]:
        """The scores of many."""
        with np.errstate(over="ignore", invalid="ignore"):
            shifted = np.asarray(logs, np.float64) - self.decay * (now_s - self.epoch_s)
            return (1.0 / (1.0 + np.exp(-shifted))).astype(np.float32)

    def log_of_score(self, score: float, now_s: float) -> float:
        """The L whose score is this one at that time: `COLD` at 0 and below, infinity at 1 and above."""
        if score <= 0:
            return COLD
        if score >= 1:
            return math.inf
        return math.log(score / (1 - score)) + self.decay * (now_s - self.epoch_s)

    def merged(self, logs: Iterable[float]) -> float:
        """The heat of a cluster from that of its nodes, each with accesses of its own.

        A node's own L only grows, so of several reports of one node the largest is the newest: take the
        maximum per node first, then merge.
        """
        total = COLD
        for log in logs:
            total = _logaddexp(total, log)
        return total

    def rebased(self, epoch_s: float) -> tuple[Heat, float]:
        """The same half-life with another epoch, and what must be added to every L kept until now."""
        return Heat(self.half_life_s, epoch_s), -self.decay * (epoch_s - self.epoch_s)


def _logaddexp(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a if b == COLD else a + math.log1p(math.exp(b - a))


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)
