"""Settings become back ends."""

from __future__ import annotations

import logging
from pathlib import Path

from ..settings import IpfsSettings
from .backend import Backend
from .embedded.backend import EmbeddedBackend

__all__ = ["make_backends"]

log = logging.getLogger(__name__)


def make_backends(settings: IpfsSettings, folder: Path) -> list[Backend]:
    """The back ends that the settings name, the one that answers by default first; none is open yet."""
    return [EmbeddedBackend(folder, settings)]
