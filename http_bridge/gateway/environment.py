"""The gateway's settings from the environment: `CIDBUS_GATEWAY_` and the setting's name in capitals.

CIDBUS_GATEWAY_HOSTS=localhost,dweb.example
CIDBUS_GATEWAY_DENYLISTS=/etc/cidbus/denylists
CIDBUS_GATEWAY_TRUSTLESS_ONLY=true
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ...schemas.errors import BadRequest
from ..settings import BridgeSettings

__all__ = ["PREFIX", "gateway_environment"]

PREFIX = "CIDBUS_GATEWAY_"


def gateway_environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Those fields of BridgeSettings that the environment gives; lists are separated by commas.

    Raises BadRequest naming the variable that cannot be read. Other variables of this prefix are not ours.
    """
    types = get_type_hints(BridgeSettings)
    found = {}
    for name, wanted in types.items():
        variable = PREFIX + name.removeprefix("gateway_").upper()
        if name.startswith("gateway_") and variable in environ:
            found[name] = _read(variable, wanted, environ[variable])
    return found


def _read(variable: str, wanted: Any, text: str) -> Any:
    if wanted == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        value = TypeAdapter(wanted).validate_strings(text)
    except ValidationError as error:
        raise BadRequest(variable, error.errors()[0]["msg"]) from None
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        raise BadRequest(variable, "not above 0", limit=0)
    return value
