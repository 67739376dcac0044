"""What the media actor may be told.

CIDBUS_MEDIA_WORKERS=2        files that are worked on at once, each in a process of its own
CIDBUS_MEDIA_KEEP_DAYS=30     how long a result is kept that nobody pinned
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ..settings import ActorSettings

__all__ = ["MediaSettings"]

MIB, GIB = 2**20, 2**30


class MediaSettings(ActorSettings):
    """Every setting, with the default that a small machine wants."""

    model_config = SettingsConfigDict(env_prefix="CIDBUS_MEDIA_", frozen=True, extra="forbid")

    workers: Annotated[int, Field(ge=1, le=64)] = 2
    waiting: Annotated[int, Field(ge=0, le=10_000)] = 64  # for a worker; one more is answered by 429
    worker_memory: Annotated[int, Field(ge=512 * MIB)] = 2 * GIB  # bytes of address space
    worker_idle_s: Annotated[float, Field(ge=0, le=3600)] = 60.0  # then it ends, and gives its memory back
    keep_days: Annotated[float, Field(gt=0, le=36_500)] = 30.0
