"""The embeddable server, under the name that its documentation uses: `from cidbus.mcp import MCPServer`."""

from .server import MCPServer

__all__ = ["MCPServer"]
