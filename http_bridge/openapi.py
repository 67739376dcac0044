from typing import Any


def openapi_document(prefix: str = "/api/v0/mcp", version: str = "0.0.0") -> dict[str, Any]:
    return {}
