"""What is said to the ipfs actor about who has what: providers, peers, records, and connections."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .ipfs import Answer, Ask, UnixTime
from .wire import CidText, Reply

__all__ = [
    "Announced",
    "FindPeer",
    "FindProviders",
    "FoundPeer",
    "FoundProviders",
    "Peer",
    "PeerRecord",
    "Provide",
    "Provided",
    "RoutingGet",
    "RoutingPut",
    "RoutingStored",
    "RoutingValue",
    "SwarmAddrs",
    "SwarmConnect",
    "SwarmConnected",
    "SwarmDisconnect",
    "SwarmPeers",
    "Tried",
]

PeerText = Annotated[str, Field(min_length=8, max_length=128, examples=["12D3KooW…"])]
AddressText = Annotated[str, Field(min_length=1, max_length=1024, description="A multiaddr")]

ClusterOnly = Annotated[bool, Field(description="Ask nobody outside the cluster")]


class Tried(Reply):
    """One place that was asked: how many it found, or why it could not be asked."""

    method: Annotated[str, Field(examples=["store", "cluster", "delegated", "kubo"])]
    endpoint: str | None = None
    found: int = 0
    error: str | None = None


class PeerRecord(Reply):
    """A peer that was really found, and by which method."""

    id: str
    addrs: list[str]
    protocols: list[str] = Field(default_factory=list)
    method: str


class FindProviders(Ask):
    cid: CidText
    num_providers: Annotated[int, Field(ge=1, le=1000)] = 20
    cluster_only: ClusterOnly = False


class FoundProviders(Answer):
    """Who has the content. An empty list comes with the `reason`; `tried` has every method either way."""

    cid: str
    providers: list[PeerRecord]
    count: int
    num_providers: int
    reason: str | None = None
    tried: list[Tried]


class FindPeer(Ask):
    peer_id: PeerText
    cluster_only: ClusterOnly = False


class FoundPeer(Answer):
    """Where a peer can be reached. An empty list comes with the `reason`; `tried` has every method."""

    peer_id: str
    responses: list[PeerRecord]
    peers_found: int
    reason: str | None = None
    tried: list[Tried]


class Provide(Ask):
    """Tell others that this node has content; raises NotFound if it has not."""

    cid: CidText
    recursive: bool = False


class Provided(Answer):
    """`announced_to` has the methods by which somebody may learn of it."""

    cid: str
    blocks: int
    announced_to: list[str]
    tried: list[Tried]


class RoutingGet(Ask):
    key: Annotated[str, Field(max_length=1024, pattern="^/ipns/.", description="`/ipns/<name>`")]


class RoutingValue(Answer):
    key: str
    value: Annotated[bytes, Field(description="The record, in base64")]


class RoutingPut(Ask):
    key: Annotated[str, Field(max_length=1024, pattern="^/ipns/.", description="`/ipns/<name>`")]
    value: Annotated[bytes, Field(max_length=10 * 1024, description="The record, in base64")]


class RoutingStored(Answer):
    key: str
    tried: list[Tried]


class SwarmPeers(Ask):
    """Nothing to say: the peers that this node is in touch with."""


class Peer(Answer):
    """A node of the cluster (`method` "cluster") or a connected libp2p peer ("libp2p")."""

    id: str
    addrs: list[str]
    method: str
    agent_version: str | None = None
    latency_ms: float | None = None
    seen_at: UnixTime | None = None


class SwarmConnect(Ask):
    address: AddressText


class SwarmDisconnect(Ask):
    address: AddressText


class SwarmConnected(Answer):
    address: str
    connected: bool


class SwarmAddrs(Ask):
    """Nothing to say: the addresses that this node listens on."""


class Announced(Reply):
    """A node says that it has content, until `expires_at`; without CIDs it only says that it is there."""

    peer_id: str
    instance: str
    addrs: list[str]
    agent_version: str
    cids: list[str] = Field(default_factory=list, max_length=1000)
    at: UnixTime
    expires_at: UnixTime
