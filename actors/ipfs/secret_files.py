"""Files with secrets in them: they appear whole or not at all, and only their owner may read them."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..disk import sync_folder
from .store.disk import FILE_MODE

__all__ = ["create_secret"]


def create_secret(path: Path, data: bytes) -> None:
    """Make a file durable under a new name; raises FileExistsError if another process was first."""
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)  # unlike a rename, fails if the name is taken
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
