"""The typed client: one method per row of the table, over NATS or over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client
    from .content import Content
    from .events import EventStream, Happened
    from .items import Items
    from .stats import ActorStats, EndpointStats
    from .transport import Transport
    from .upload import Node, Progress, Source

__all__ = [
    "Client", "Content", "Items", "Source", "Node", "Progress",
    "EventStream", "Happened",
    "ActorStats", "EndpointStats",
    "Transport",
]  # fmt: skip

# Nothing is imported before it is used: `generate.py` has to run while `methods.py` is out of date.
_MODULES = {
    "Client": "client",
    "Content": "content",
    "Items": "items",
    "Source": "upload",
    "Node": "upload",
    "Progress": "upload",
    "EventStream": "events",
    "Happened": "events",
    "ActorStats": "stats",
    "EndpointStats": "stats",
    "Transport": "transport",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
