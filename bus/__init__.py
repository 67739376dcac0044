"""How it is said: requests, streams, uploads and events over NATS. The only package that imports nats."""

from .actor import Actor, answers_at_once, handles, marked_handlers, marked_shortcuts
from .client import Bus, Subscription
from .envelope import SIMULATED, answered_by_simulation
from .host import Host
from .link import Credentials
from .streams import CHUNK_BYTES, MAX_BODY_BYTES, IncomingStream

__all__ = [
    "Actor", "answers_at_once", "handles", "marked_handlers", "marked_shortcuts", "Host",
    "Bus", "Credentials", "IncomingStream", "Subscription",
    "CHUNK_BYTES", "MAX_BODY_BYTES", "SIMULATED", "answered_by_simulation",
]  # fmt: skip
