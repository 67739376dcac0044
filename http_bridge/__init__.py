"""Who else may ask: the table as HTTP routes, events as WebSocket and SSE, and the documents of it all."""

from .app import BridgeServer, add_routes, make_app, serve
from .settings import BridgeSettings

__all__ = ["BridgeServer", "BridgeSettings", "add_routes", "make_app", "serve"]
