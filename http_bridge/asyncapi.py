from typing import Any


def asyncapi_document(version: str = "0.0.0") -> dict[str, Any]:
    return {}
