"""The simulation: a node that answers every row, the same way each time for the same seed, and says so.

Content, DAGs, pins and names are kept in a throw-away store and have their true CIDs; what a lone node could
not know (peers, who has content elsewhere) is made up from the seed. The clock moves on by one second with
each request. Every reply has `simulated: true`, and every message the header `Cidbus-Simulated`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from ....bus import handles
from ....schemas import ipfs, routing, subjects
from ....schemas.cid import CID
from ....schemas.errors import BadRequest, BusError, NotSupported
from ....schemas.ipfs import Answer
from ....schemas.routing import PeerRecord, Tried
from ....schemas.rows import Call, Event, Stream
from ..identity import Identity
from ..ipns.keys import KeyKind, PrivateKey
from ..ipns.keystore import Keystore, check_key_name
from ..ipns.moments import SECOND_NS
from ..ipns.name import IpnsName, peer_id_of
from ..settings import IpfsSettings
from ..unixfs.adding import Adding
from .embedded.backend import EmbeddedBackend

__all__ = ["SimulationBackend"]

log = logging.getLogger(__name__)

Handler = Callable[..., Any]

METHOD = "simulation"
PEERS = 16
MAX_PROVIDERS = 5
STARTS_AT_NS = 1_735_689_600 * SECOND_NS  # 2025-01-01 00:00:00 UTC
WELCOME = "This content is simulated: the answer of a cidbus that was told to make things up ({seed}).\n"


class SimulationBackend(EmbeddedBackend):
    """Answers every row. One process at a time, since nothing of its store is shared."""

    name = "simulation"

    def __init__(self, folder: Path, settings: IpfsSettings | None = None) -> None:
        settings = settings or IpfsSettings()
        super().__init__(folder, settings.model_copy(update={"announce": False, "routers": ()}))
        self._seed = settings.simulation_seed
        self._requests = 0
        self._now_ns = lambda: STARTS_AT_NS + self._requests * SECOND_NS
        self._peers = [self._made_up_peer(number) for number in range(PEERS)]
        self._connected = {peer.id for peer in self._peers[::3]}

    async def open(self) -> None:
        """Begins anew: whatever an earlier simulation had stored is gone."""
        log.warning("SIMULATION: every answer is made up (seed %r)", self._seed)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        await super().open()
        ask = ipfs.AddRequest(content=WELCOME.format(seed=self._seed), filename="welcome.txt", wrap=True)
        async with self._store.session() as session:
            await Adding(ask, session, self._executor).run(_no_stream())

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _open_identity(self) -> Identity:
        return Identity(_key_of(self._seed, "self"))

    def _open_keys(self) -> Keystore:
        return _SeededKeys(self._folder / "keys", self._identity.key, self._seed)

    def _new_upload_id(self) -> str:
        return self._digest("upload", str(self._requests).encode()).hex()[:32]

    # ---- every answer is marked -------------------------------------------------------------------------

    def handlers(self) -> dict[Call[Any] | Event[Any], Handler]:
        return {row: self._marked(row, handler) for row, handler in super().handlers().items()}

    def shortcuts(self) -> dict[Call[Any] | Event[Any], Callable[[Any], bytes | None]]:
        return {}  # bytes alone bear no mark

    def _marked(self, row: Call[Any] | Event[Any], handler: Handler) -> Handler:
        if isinstance(row, Event):
            return handler

        async def reply(ask: Any, *content: Any) -> Any:
            self._requests += 1
            try:
                return _mark(await handler(ask, *content))
            except BusError as error:
                error.details["simulated"] = True
                raise

        async def stream(ask: Any) -> AsyncIterator[Any]:
            self._requests += 1
            try:
                async for item in handler(ask):
                    yield _mark(item)
            except BusError as error:
                error.details["simulated"] = True
                raise

        return stream if isinstance(row, Stream) else reply

    # ---- what a lone node could not know ----------------------------------------------------------------

    @handles(subjects.FIND_PROVIDERS)
    async def find_providers(self, ask: routing.FindProviders) -> routing.FoundProviders:
        """This node if it has the content, and up to five made-up peers, always the same for a CID."""
        digest = self._digest("providers", CID.parse(ask.cid).multihash)
        found = [self._peers[byte % PEERS] for byte in digest[1 : 1 + digest[0] % (MAX_PROVIDERS + 1)]]
        if await self._store.has(CID.parse(ask.cid)):
            found.insert(0, self._own_record())
        providers = list({peer.id: peer for peer in found}.values())[: ask.num_providers]
        return routing.FoundProviders(
            cid=ask.cid, providers=providers, count=len(providers), num_providers=ask.num_providers,
            reason=None if providers else "the simulation has nobody for this content",
            tried=[Tried(method=METHOD, found=len(providers))],
        )  # fmt: skip

    @handles(subjects.FIND_PEER)
    async def find_peer(self, ask: routing.FindPeer) -> routing.FoundPeer:
        peer_id = peer_id_of(ask.peer_id)
        everybody = {peer.id: peer for peer in [self._own_record(), *self._peers]}
        found = [everybody[peer_id]] if peer_id in everybody else [self._made_up_addresses(peer_id)]
        return routing.FoundPeer(
            peer_id=ask.peer_id, responses=found, peers_found=1, tried=[Tried(method=METHOD, found=1)]
        )

    @handles(subjects.PROVIDE)
    async def provide(self, ask: routing.Provide) -> routing.Provided:
        await self._store.get(CID.parse(ask.cid))
        tried = [Tried(method=METHOD, found=1)]
        return routing.Provided(cid=ask.cid, blocks=1, announced_to=[METHOD], tried=tried)

    @handles(subjects.SWARM_PEERS)
    async def swarm_peers(self, ask: routing.SwarmPeers) -> AsyncIterator[routing.Peer]:
        for peer in self._peers:
            if peer.id in self._connected:
                yield _connected(peer)

    @handles(subjects.SWARM_ADDRS)
    async def swarm_addrs(self, ask: routing.SwarmAddrs) -> AsyncIterator[routing.Peer]:
        for peer in [self._own_record(), *self._peers]:
            yield _connected(peer)

    @handles(subjects.SWARM_CONNECT)
    async def swarm_connect(self, ask: routing.SwarmConnect) -> routing.SwarmConnected:
        self._connected.add(_peer_of(ask.address))
        return routing.SwarmConnected(address=ask.address, connected=True)

    @handles(subjects.SWARM_DISCONNECT)
    async def swarm_disconnect(self, ask: routing.SwarmDisconnect) -> routing.SwarmConnected:
        self._connected.discard(_peer_of(ask.address))
        return routing.SwarmConnected(address=ask.address, connected=False)

    # ---- what the machine says, which no seed decides ---------------------------------------------------

    @handles(subjects.REPO_STAT)
    async def repo_stat(self, ask: ipfs.RepoStatRequest) -> ipfs.RepoStat:
        real = await super().repo_stat(ask)
        return real.model_copy(
            update={"path": METHOD, "free_disk_bytes": 1 << 40, "disk_bytes": real.size_bytes}
        )

    @handles(subjects.REPO_GC)
    async def repo_gc(self, ask: ipfs.RepoGc) -> ipfs.Collected:
        return (await super().repo_gc(ask)).model_copy(update={"duration_s": 0.0})

    @handles(subjects.REPO_VERIFY)
    async def repo_verify(self, ask: ipfs.RepoVerify) -> ipfs.Verified:
        return (await super().repo_verify(ask)).model_copy(update={"duration_s": 0.0})

    @handles(subjects.VERSION)
    async def version(self, ask: ipfs.VersionRequest) -> ipfs.Version:
        return (await super().version(ask)).model_copy(update={"backend": self.name, "system": METHOD})

    @handles(subjects.ID)
    async def id(self, ask: ipfs.IdRequest) -> ipfs.Id:
        return (await super().id(ask)).model_copy(update={"instance": METHOD})

    # ---- made up from the seed --------------------------------------------------------------------------

    def _digest(self, what: str, about: bytes) -> bytes:
        return hashlib.blake2b(about, key=self._seed.encode()[:64], person=what.encode()[:16]).digest()

    def _made_up_peer(self, number: int) -> PeerRecord:
        return self._made_up_addresses(_key_of(self._seed, f"peer {number}").name.peer_id)

    def _made_up_addresses(self, peer_id: str) -> PeerRecord:
        # 192.0.2.0/24 is set aside for examples (RFC 5737): nobody can ever be reached there.
        host = self._digest("address", peer_id.encode())[0]
        return PeerRecord(
            id=peer_id,
            addrs=[f"/ip4/192.0.2.{host}/tcp/4001"],
            protocols=["transport-bitswap"],
            method=METHOD,
        )


class _SeededKeys(Keystore):
    """Keys that follow from the seed and their names; RSA has no such keys."""

    def __init__(self, folder: Path, own: PrivateKey, seed: str) -> None:
        super().__init__(folder, own)
        self._seed = seed

    def generate(self, name: str, kind: KeyKind = "ed25519", bits: int | None = None) -> PrivateKey:
        """Raises NotSupported for RSA, and as any keystore does."""
        check_key_name(name)
        if kind != "ed25519":
            raise NotSupported(
                "the simulation makes no RSA keys: they cannot be the same twice", field="type"
            )
        key = _key_of(self._seed, f"key {name}")
        self.add(name, key)
        return key


def _key_of(seed: str, what: str) -> PrivateKey:
    return PrivateKey.of_seed(hashlib.sha256(f"{seed}\n{what}".encode()).digest())


def _mark(reply: Any) -> Any:
    return reply.model_copy(update={"simulated": True}) if isinstance(reply, Answer) else reply


def _connected(peer: PeerRecord) -> routing.Peer:
    return routing.Peer(id=peer.id, addrs=peer.addrs, method=METHOD, agent_version="simulated/1.0.0")


def _peer_of(address: str) -> str:
    """The peer ID at the end of a multiaddr."""
    try:
        return IpnsName.parse(address.rpartition("/p2p/")[2]).peer_id
    except BadRequest as error:
        raise BadRequest("address", f"does not end in /p2p/ and a peer ID: {error.problem}") from None


async def _no_stream() -> AsyncIterator[bytes]:
    """The content is in the request itself."""
    yield b""
