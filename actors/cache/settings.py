"""What the cache actor may be told, under the documented names of `MCPServer(cache_config={…})`.

    CIDBUS_CACHE_MEMORY_LIMIT=500000000     bytes of the memory tier
    CIDBUS_CACHE_POLICY=s3-fifo

Sizes are bytes and intervals seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ...schemas.cache import PolicyName
from ..settings import ActorSettings

__all__ = ["CacheSettings"]

MIB, GIB = 2**20, 2**30


class CacheSettings(ActorSettings):
    """Every setting, with the default that a newcomer wants. Paths that are not given are in the data
    directory. Without the Parquet index content is cached all the same; questions about CIDs are errors."""

    model_config = SettingsConfigDict(env_prefix="CIDBUS_CACHE_", frozen=True, extra="forbid")

    memory_limit: Annotated[int, Field(ge=0)] = 100 * MIB
    disk_limit: Annotated[int, Field(ge=0)] = GIB
    disk_path: Path | None = None
    policy: PolicyName = "heat"
    negative_ttl: Annotated[float, Field(ge=0, le=3600)] = 2.0  # for what was not found; 0 remembers none
    simulated: bool = False  # whether the content is a simulation's, so that every answer has to say so
    near_limit: Annotated[int, Field(ge=0)] = 64 * MIB  # in each bridge's own memory

    enable_parquet_cache: bool = True
    parquet_cache_path: Path | None = None
    parquet_max_partition_rows: Annotated[int, Field(ge=1024, le=10_000_000)] = 100_000
    parquet_auto_sync: bool = True
    parquet_sync_interval: Annotated[float, Field(ge=1, le=86_400)] = 300
    heat_half_life: Annotated[float, Field(ge=60, le=3.2e9)] = 86_400.0
