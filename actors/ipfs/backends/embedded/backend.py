"""The embedded node, put together from its parts."""

from __future__ import annotations

from .blocks import BlockRows
from .content import ContentRows
from .dags import DagRows
from .naming import KeyRows
from .pins import PinRows
from .repo import RepoRows
from .routing import RoutingRows
from .trees import TreeRows
from .uploads import UploadRows

__all__ = ["EmbeddedBackend"]


class EmbeddedBackend(
    ContentRows, BlockRows, PinRows, RepoRows, DagRows, KeyRows, RoutingRows, TreeRows, UploadRows
):
    """Answers every row from this node's own store; several processes may serve one folder."""
