"""What the journal actor may be told.

    CIDBUS_JOURNAL_BASE_PATH=/backup/journal    where its archive is; by default in the data directory
    CIDBUS_JOURNAL_KEEP_ENTRIES=10000           entries that stay readable in the stream
    CIDBUS_JOURNAL_ARCHIVE_FOLDERS=/backup      where callers may put the archive; several with `:` between

What `journal.enable` has set is kept in the actor's folder and goes before this. Intervals are seconds.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ...schemas.errors import BadRequest
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

    # Whoever may ask the journal may have it write there: the home directory, temporary files, and these.
    archive_folders: Annotated[tuple[Path, ...], NoDecode] = ()

    @field_validator("archive_folders", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(filter(None, given.split(os.pathsep))) if isinstance(given, str) else given

    def archive_path(self, given: str, folder: Path) -> Path:
        """Where a caller wants the archive; raises BadRequest unless that is below a folder that may have it:
        the actor's own, the home directory, that of temporary files, and `archive_folders`."""
        try:
            path = Path(given).expanduser()
            if not path.is_absolute():
                raise BadRequest("journal_base_path", "a relative path: begin with / or ~")
            path = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, nobody's home, a NUL
            raise BadRequest("journal_base_path", f"no path: {error}") from None
        allowed = (folder, Path.home(), Path(tempfile.gettempdir()), *self.archive_folders)
        if not any(path.is_relative_to(place.resolve()) for place in allowed):
            raise BadRequest(
                "journal_base_path", f"{path} is below no folder that CIDBUS_JOURNAL_ARCHIVE_FOLDERS names"
            )
        return path
