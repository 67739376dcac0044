"""How it is said: requests, streams, uploads and events over NATS. The only package that imports nats."""

from .actor import Actor, answers_at_once, handles, marked_handlers, marked_shortcuts
from .client import Bus, Subscription, items_of
from .envelope import SIMULATED, answered_by_simulation, head_header
from .host import Host
from .link import Credentials
from .streams import CHUNK_BYTES, MAX_BODY_BYTES, IncomingStream, cut

__all__ = [
    "Actor", "answers_at_once", "handles", "marked_handlers", "marked_shortcuts", "Host",
    "Bus", "Credentials", "IncomingStream", "Subscription", "items_of",
    "CHUNK_BYTES", "MAX_BODY_BYTES", "SIMULATED", "answered_by_simulation", "cut", "head_header",
]  # fmt: skip
