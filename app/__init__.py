"""cidbus: a content service of independent actors that speak only over a message bus."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.mcp import MCPServer

__all__ = ["Client", "MCPServer", "__version__"]
__version__ = "0.1.0"

_LAZY = {"Client": "cidbus.client", "MCPServer": "cidbus.mcp"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'cidbus' has no attribute {name!r}")
