"""What the journal actor may be told.

    CIDBUS_JOURNAL_BASE_PATH=/backup/journal    where its archive is; by default in the data directory
    CIDBUS_JOURNAL_KEEP_ENTRIES=10000           entries that stay readable in the stream

What `journal.enable` has set is kept in the actor's folder and goes before this. Intervals are seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ..settings import ActorSettings

__all__ = ["JournalSettings"]


class JournalSettings(ActorSettings):
    """Every setting, with the default that a newcomer wants: an archive in the data directory, recovery by
    itself."""

    model_config = SettingsConfigDict(env_prefix="CIDBUS_JOURNAL_", frozen=True, extra="forbid")

    base_path: Path | None = None
    auto_recovery: bool = True
    sync_interval: Annotated[float, Field(ge=0, le=3600)] = 5
    checkpoint_interval: Annotated[float, Field(ge=1, le=86_400)] = 60
    max_journal_size: Annotated[int, Field(ge=1, le=10_000_000)] = 1000

    keep_entries: Annotated[int, Field(ge=0)] = 100_000  # in the stream; the archive has them longer
    keep_checkpoints: Annotated[int, Field(ge=1, le=10_000)] = 16
    max_transactions: Annotated[int, Field(ge=1, le=10_000)] = 256  # open at once, in one process
    replicas: Annotated[int, Field(ge=1, le=5)] = 1  # of the stream, in a cluster of NATS servers
