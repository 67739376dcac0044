"""Who has what: this node's store, what the cluster has announced, and what delegated routers know.

Nothing is made up: an empty answer says why, and every answer says which methods were tried.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from .....bus import handles
from .....schemas import names, routing, subjects
from .....schemas.cid import CID
from .....schemas.errors import BadRequest, NotFound, NotSupported
from .....schemas.routing import PeerRecord, Tried
from ...codecs.dagstat import refs
from ...ipns.name import IpnsName, peer_id_of
from ...routing.announcements import ClusterPeer
from .naming import NameRows

__all__ = ["RoutingRows"]

# What a node of the cluster can be asked for over HTTP.
GATEWAY_PROTOCOL = "transport-ipfs-gateway-http"
NO_ROUTERS = Tried(method="delegated", error="no delegated router is configured")
NO_P2P = "this node speaks on the bus and over HTTP; for libp2p peers configure a Kubo back end"
MAX_PROVIDED_AT_ONCE = 100_000


class RoutingRows(NameRows):
    """`routing.*` and `swarm.*`."""

    @handles(subjects.FIND_PROVIDERS)
    async def find_providers(self, ask: routing.FindProviders) -> routing.FoundProviders:
        cid = CID.parse(ask.cid)
        found: dict[str, PeerRecord] = {}
        here = await self._store.has(cid) and not cid.is_identity
        if here:
            _note(found, [self._own_record()])
        others = [_peer_record(peer) for peer in self._heard.providers(cid) if peer.peer_id not in found]
        _note(found, others)
        tried = [Tried(method="store", found=int(here)), Tried(method="cluster", found=len(others))]
        if not ask.cluster_only and len(found) < ask.num_providers:
            tried += await self._ask_routers_for(cid, found)
        providers = list(found.values())[: ask.num_providers]
        return routing.FoundProviders(
            cid=ask.cid, providers=providers, count=len(providers), num_providers=ask.num_providers,
            reason=None if providers else _reason("nobody who was asked has it", tried), tried=tried,
        )  # fmt: skip

    async def _ask_routers_for(self, cid: CID, found: dict[str, PeerRecord]) -> list[Tried]:
        if self._routers is None:
            return [NO_ROUTERS]
        answer = await self._routers.find_providers(cid)
        _note(found, answer.peers)
        return answer.tried

    @handles(subjects.FIND_PEER)
    async def find_peer(self, ask: routing.FindPeer) -> routing.FoundPeer:
        peer_id = peer_id_of(ask.peer_id)
        found: dict[str, PeerRecord] = {}
        if peer_id == self._identity.peer_id:
            _note(found, [self._own_record()])
        heard = self._heard.peer(peer_id)
        if heard is not None:
            _note(found, [_peer_record(heard)])
        tried = [Tried(method="cluster", found=len(found))]
        if not ask.cluster_only and not found:
            if self._routers is None:
                tried.append(NO_ROUTERS)
            else:
                answer = await self._routers.find_peer(peer_id)
                _note(found, answer.peers)
                tried += answer.tried
        return routing.FoundPeer(
            peer_id=ask.peer_id, responses=list(found.values()), peers_found=len(found),
            reason=None if found else _reason("nobody who was asked knows it", tried), tried=tried,
        )  # fmt: skip

    @handles(subjects.PROVIDE)
    async def provide(self, ask: routing.Provide) -> routing.Provided:
        """Raises NotFound(what="block") if the content is not here, NotSupported if announcing is off."""
        cid = CID.parse(ask.cid)
        if not await self._store.has(cid):
            raise NotFound("block", ask.cid)
        if not self._settings.announce:
            raise NotSupported("announcing is switched off", setting="CIDBUS_IPFS_ANNOUNCE")
        blocks = 1
        self._announcer.add(cid)
        if ask.recursive:
            edges = refs(self._store, cid, recursive=True, unique=True, temp_folder=self._temp)
            async for edge in edges:
                self._announcer.add(edge.cid)
                blocks += 1
                if blocks > MAX_PROVIDED_AT_ONCE:
                    raise BadRequest("recursive", "too many blocks at once", limit=MAX_PROVIDED_AT_ONCE)
        # The API for asking delegated routers has no way to tell them; they learn from peers of their own.
        routers = [Tried(method="delegated", error="delegated routers take no announcements")]
        return routing.Provided(
            cid=ask.cid, blocks=blocks, announced_to=["cluster"],
            tried=[Tried(method="cluster", found=blocks), *(routers if self._routers else [])],
        )  # fmt: skip

    @handles(subjects.ROUTING_GET)
    async def routing_get(self, ask: routing.RoutingGet) -> routing.RoutingValue:
        """Raises NotFound(what="name")."""
        record = await self.name_get(names.NameGet(name=ask.key))
        return routing.RoutingValue(key=ask.key, value=record.record)

    @handles(subjects.ROUTING_PUT)
    async def routing_put(self, ask: routing.RoutingPut) -> routing.RoutingStored:
        """Raises InvalidContent for a record that is not valid."""
        name = IpnsName.parse(ask.key)
        record, _ = await self._names.put(name, ask.value)
        told = await self._names.tell(name, record)
        tried = [Tried(method=place, found=1) for place in told.published_to]
        tried += [Tried(method=place, error=problem) for place, problem in told.failed.items()]
        return routing.RoutingStored(key=ask.key, tried=[Tried(method="store", found=1), *tried])

    # ---- connections ------------------------------------------------------------------------------------

    @handles(subjects.SWARM_PEERS)
    async def swarm_peers(self, ask: routing.SwarmPeers) -> AsyncIterator[routing.Peer]:
        """The other nodes of the cluster."""
        for peer in self._other_peers():
            yield peer

    @handles(subjects.SWARM_ADDRS)
    async def swarm_addrs(self, ask: routing.SwarmAddrs) -> AsyncIterator[routing.Peer]:
        """This node first, then the others that it has heard of."""
        yield routing.Peer(
            id=self._identity.peer_id, addrs=list(self._settings.addresses), method="self",
            agent_version=self.agent_version,
        )  # fmt: skip
        for peer in self._other_peers():
            yield peer

    @handles(subjects.SWARM_CONNECT)
    async def swarm_connect(self, ask: routing.SwarmConnect) -> routing.SwarmConnected:
        raise NotSupported(NO_P2P, field="address")

    @handles(subjects.SWARM_DISCONNECT)
    async def swarm_disconnect(self, ask: routing.SwarmDisconnect) -> routing.SwarmConnected:
        raise NotSupported(NO_P2P, field="address")

    def _other_peers(self) -> Iterator[routing.Peer]:
        return (_peer(peer) for peer in self._heard.peers() if peer.peer_id != self._identity.peer_id)

    def _own_record(self) -> PeerRecord:
        addrs = list(self._settings.addresses)
        protocols = [GATEWAY_PROTOCOL] if addrs else []
        return PeerRecord(id=self._identity.peer_id, addrs=addrs, protocols=protocols, method="store")


def _note(found: dict[str, PeerRecord], peers: list[PeerRecord]) -> None:
    for peer in peers:
        found.setdefault(peer.id, peer)


def _peer_record(peer: ClusterPeer) -> PeerRecord:
    protocols = [GATEWAY_PROTOCOL] if peer.addrs else []
    return PeerRecord(id=peer.peer_id, addrs=list(peer.addrs), protocols=protocols, method="cluster")


def _peer(peer: ClusterPeer) -> routing.Peer:
    return routing.Peer(
        id=peer.peer_id, addrs=list(peer.addrs), method="cluster",
        agent_version=peer.agent_version, seen_at=peer.seen_at,
    )  # fmt: skip


def _reason(nobody: str, tried: list[Tried]) -> str:
    problems = [f"{one.endpoint or one.method}: {one.error}" for one in tried if one.error]
    return "; ".join([nobody, *problems])
