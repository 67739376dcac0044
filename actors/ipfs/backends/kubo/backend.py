"""The Kubo back end, put together from its parts."""

from __future__ import annotations

from .blocks import BlockRows, PinRows
from .content import ContentRows
from .dags import DagRows
from .naming import KeyRows
from .node import RepoRows, RoutingRows

__all__ = ["KuboBackend"]


class KuboBackend(ContentRows, BlockRows, PinRows, RepoRows, DagRows, KeyRows, RoutingRows):
    """Answers every row by way of one Kubo daemon; what is kept, that daemon keeps."""
