"""The documented keys of `MCPServer(cache_config={…})`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cidbus.schemas.wire import Wire

__all__ = ["CacheConfig"]


class CacheConfig(Wire):
    """Limits and places of the content cache and its index; sizes in bytes, intervals in seconds."""

    memory_limit: Annotated[int, Field(ge=0)] = 100 * 2**20
    disk_limit: Annotated[int, Field(ge=0)] = 2**30
    disk_path: str | None = None
    enable_parquet_cache: bool = True
    parquet_cache_path: str | None = None
    parquet_max_partition_rows: Annotated[int, Field(ge=1)] = 100_000
    parquet_auto_sync: bool = True
    parquet_sync_interval: Annotated[float, Field(gt=0)] = 300
