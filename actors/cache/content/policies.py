"""The policies by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ....schemas.errors import BadRequest
from .heat_policy import HeatPolicy
from .lru import Lru
from .policy import Policy
from .s3_fifo import S3Fifo

__all__ = ["POLICIES", "make_policy"]

POLICIES: Final[dict[str, Callable[[int, int], Policy]]] = {
    "heat": HeatPolicy,
    "s3-fifo": S3Fifo,
    "lru": Lru,
}


def make_policy(name: str, capacity_bytes: int, largest_bytes: int) -> Policy:
    """An empty policy; raises BadRequest(field="policy") for a name that is not one."""
    if name not in POLICIES:
        raise BadRequest("policy", f"{name!r} is none of {', '.join(POLICIES)}")
    return POLICIES[name](capacity_bytes, largest_bytes)
