"""Links of any block: what pins keep and collection follows."""

from __future__ import annotations

from .registry import links as children

__all__ = ["children"]
