"""What the generated methods are made of."""

from __future__ import annotations

from .transport import Transport

__all__ = ["Namespace"]


class Namespace:
    """One actor's methods, on one transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
