"""What the nodes of the cluster have announced: who they are, where they are, and what they have.

A node announces itself when it starts, what it has when that changes, and everything again well before it
expires. Whoever hears the first word of a new instance says everything too, so that it learns what is there.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ....schemas.routing import Announced

__all__ = ["LIFETIME_S", "MAX_PROVIDED", "REANNOUNCE_S", "Announcements", "ClusterPeer"]

# As long as provider records live in the public DHT, and how often they are renewed there.
LIFETIME_S = 48 * 3600.0
REANNOUNCE_S = 22 * 3600.0
MAX_PROVIDED = 1_000_000
MAX_PEERS = 10_000
MAX_PROVIDERS_EACH = 100


@dataclass(frozen=True, slots=True)
class ClusterPeer:
    """A node of the cluster, as it last described itself."""

    peer_id: str
    addrs: tuple[str, ...]
    agent_version: str
    seen_at: float
    expires_at: float


class Announcements:
    """What was heard, at most `max_provided` multihashes; the one heard of longest ago goes first.

    One multihash and one provider take about 300 bytes.
    """

    def __init__(
        self, *, max_provided: int = MAX_PROVIDED, max_peers: int = MAX_PEERS,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._max_provided, self._max_peers = max_provided, max_peers
        self._clock = clock
        self._peers: OrderedDict[str, ClusterPeer] = OrderedDict()
        self._instances: OrderedDict[str, str] = OrderedDict()  # instance → peer ID
        # multihash → peer ID → when that announcement expires
        self._provided: OrderedDict[bytes, dict[str, float]] = OrderedDict()

    def hear(self, said: Announced) -> bool:
        """Remember an announcement; whether its instance was not known before. CIDs that are none are left
        out, and a lifetime beyond `LIFETIME_S` is cut."""
        now = self._clock()
        expires_at = min(said.expires_at, now + LIFETIME_S)
        self._peers[said.peer_id] = ClusterPeer(
            said.peer_id, tuple(said.addrs), said.agent_version, now, expires_at
        )
        self._peers.move_to_end(said.peer_id)
        _shorten(self._peers, self._max_peers)
        for text in said.cids:
            try:
                self._provide(CID.parse(text).multihash, said.peer_id, expires_at)
            except BadRequest:
                continue
        new = said.instance not in self._instances
        self._instances[said.instance] = said.peer_id
        self._instances.move_to_end(said.instance)
        _shorten(self._instances, self._max_peers)
        return new

    def _provide(self, multihash: bytes, peer_id: str, expires_at: float) -> None:
        providers = self._provided.setdefault(multihash, {})
        self._provided.move_to_end(multihash)
        if peer_id in providers or len(providers) < MAX_PROVIDERS_EACH:
            providers[peer_id] = expires_at
        _shorten(self._provided, self._max_provided)

    def providers(self, cid: CID) -> Iterator[ClusterPeer]:
        """The nodes that have announced this content, and still stand by it."""
        now = self._clock()
        for peer_id, expires_at in self._provided.get(cid.multihash, {}).items():
            peer = self._peers.get(peer_id)
            if peer is not None and min(expires_at, peer.expires_at) > now:
                yield peer

    def peer(self, peer_id: str) -> ClusterPeer | None:
        """What is known of one node, or None."""
        peer = self._peers.get(peer_id)
        return peer if peer is not None and peer.expires_at > self._clock() else None

    def instances(self, peer_id: str) -> list[str]:
        """The processes that have spoken for a node."""
        return [instance for instance, spoke_for in self._instances.items() if spoke_for == peer_id]

    def forget(self, instance: str) -> None:
        """An instance is gone: nobody answers there."""
        self._instances.pop(instance, None)

    def peers(self) -> Iterator[ClusterPeer]:
        """Every node that has been heard of and has not expired."""
        now = self._clock()
        yield from [peer for peer in self._peers.values() if peer.expires_at > now]


def _shorten(table: OrderedDict[Any, Any], limit: int) -> None:
    while len(table) > limit:
        table.popitem(last=False)
