"""The embedded node, put together from its parts."""

from __future__ import annotations

from .blocks import BlockRows
from .content import ContentRows
from .naming import KeyRows, NameRows
from .pins import PinRows
from .repo import RepoRows

__all__ = ["EmbeddedBackend"]


class EmbeddedBackend(ContentRows, BlockRows, PinRows, RepoRows, KeyRows, NameRows):
    """Answers every row from this node's own store; several processes may serve one folder."""
