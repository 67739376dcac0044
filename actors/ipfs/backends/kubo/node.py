"""The daemon itself: its repository, its peers, and what it finds out for us."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from .....bus import handles
from .....schemas import ipfs, names, routing, subjects
from .....schemas.cid import CID
from .....schemas.errors import NotFound, Unavailable
from .....schemas.routing import PeerRecord, Tried
from ...ipns.name import peer_id_of
from ...remote.kubo_errors import kubo_error
from .daemon import LONG_S, Daemon, content_path, field_of
from .naming import NameRows

__all__ = ["RepoRows", "RoutingRows"]

METHOD = "kubo"
# Types of Kubo's query events (libp2p's routing.QueryEventType).
FINAL_PEER, QUERY_ERROR, PROVIDER = 2, 3, 4
MAX_BAD = 1000
_BAD_BLOCK = re.compile(r"block (\S+) (?:was corrupt|\()", re.IGNORECASE)
_UNITS = {"ns": 1e-6, "µs": 1e-3, "us": 1e-3, "ms": 1.0, "s": 1e3}


class RepoRows(Daemon):
    """`repo.*`, `version` and `id`."""

    @handles(subjects.REPO_GC)
    async def repo_gc(self, ask: ipfs.RepoGc) -> ipfs.Collected:
        started = time.perf_counter()
        before = await self._rpc.call("repo/stat")
        removed = 0
        async with aclosing(self._rpc.lines("repo/gc", stream_errors=True, timeout_s=3600)) as lines:
            async for line in lines:
                if line.get("Error"):
                    raise Unavailable(f"Kubo could not collect everything: {line['Error']}")
                removed += 1
        after = await self._rpc.call("repo/stat")
        # Not every daemon tells of each block.
        removed = removed or max(0, field_of(before, "NumObjects", int) - field_of(after, "NumObjects", int))
        freed = max(0, field_of(before, "RepoSize", int) - field_of(after, "RepoSize", int))
        collected = ipfs.Collected(
            removed_blocks=removed, freed_bytes=freed, kept_blocks=field_of(after, "NumObjects", int),
            reclaimed_disk_bytes=freed, duration_s=time.perf_counter() - started,
        )  # fmt: skip
        told = ipfs.GarbageCollected(removed_blocks=removed, freed_bytes=freed, at=self.now())
        await self.tell(subjects.COLLECTED, told)
        return collected

    @handles(subjects.REPO_STAT)
    async def repo_stat(self, ask: ipfs.RepoStatRequest) -> ipfs.RepoStat:
        """Kubo counts its whole repository as one size, and leaves free what its limit leaves."""
        stat = await self._rpc.call("repo/stat")
        pins = 0
        async with aclosing(self._rpc.lines("pin/ls", type="recursive", stream=True, quiet=True)) as lines:
            async for _ in lines:
                pins += 1
        size = field_of(stat, "RepoSize", int)
        return ipfs.RepoStat(
            blocks=field_of(stat, "NumObjects", int),
            size_bytes=size,
            disk_bytes=size,
            pins=pins,
            free_disk_bytes=max(0, field_of(stat, "StorageMax", int) - size),
            path=field_of(stat, "RepoPath", str),
        )

    @handles(subjects.REPO_VERIFY)
    async def repo_verify(self, ask: ipfs.RepoVerify) -> ipfs.Verified:
        started = time.perf_counter()
        checked = bad_count = 0
        bad: list[ipfs.BadBlock] = []
        stat = await self._rpc.call("repo/stat")
        async with aclosing(self._rpc.lines("repo/verify", timeout_s=3600)) as lines:
            async for line in lines:
                checked = max(checked, int(line.get("Progress") or 0))
                found = _BAD_BLOCK.match(line.get("Msg") or "")
                if found:
                    bad_count += 1
                    if len(bad) < MAX_BAD:
                        bad.append(ipfs.BadBlock(cid=found[1], problem=line["Msg"]))
        return ipfs.Verified(
            checked_blocks=checked or field_of(stat, "NumObjects", int),
            checked_bytes=field_of(stat, "RepoSize", int),
            bad_blocks=bad_count,
            bad=bad,
            duration_s=time.perf_counter() - started,
        )

    @handles(subjects.VERSION)
    async def version(self, ask: ipfs.VersionRequest) -> ipfs.Version:
        kubo = await self._rpc.call("version")
        return ipfs.Version(
            version=self._actor.software_version,
            backend=f"kubo {field_of(kubo, 'Version', str)}",
            python=platform.python_version(),
            system=field_of(kubo, "System", str),
        )

    @handles(subjects.ID)
    async def id(self, ask: ipfs.IdRequest) -> ipfs.Id:
        told = await self._rpc.call("id")
        return ipfs.Id(
            id=field_of(told, "ID", str),
            public_key=field_of(told, "PublicKey", str),
            agent_version=field_of(told, "AgentVersion", str),
            addresses=list(told.get("Addresses") or ()),
            instance=self._actor.instance,
        )


class RoutingRows(NameRows):
    """`routing.*` and `swarm.*`: the daemon asks the public network."""

    @handles(subjects.FIND_PROVIDERS)
    async def find_providers(self, ask: routing.FindProviders) -> routing.FoundProviders:
        found, tried = await self._query(
            PROVIDER, "routing/findprovs", str(CID.parse(ask.cid)), num_providers=ask.num_providers
        )
        providers = found[: ask.num_providers]
        return routing.FoundProviders(
            cid=ask.cid, providers=providers, count=len(providers), num_providers=ask.num_providers,
            reason=None if providers else _reason(tried), tried=[tried],
        )  # fmt: skip

    @handles(subjects.FIND_PEER)
    async def find_peer(self, ask: routing.FindPeer) -> routing.FoundPeer:
        peer_id = peer_id_of(ask.peer_id)
        found, tried = await self._query(FINAL_PEER, "routing/findpeer", peer_id)
        return routing.FoundPeer(
            peer_id=ask.peer_id, responses=found, peers_found=len(found),
            reason=None if found else _reason(tried), tried=[tried],
        )  # fmt: skip

    async def _query(
        self, wanted: int, command: str, subject: str, **options: Any
    ) -> tuple[list[PeerRecord], Tried]:
        """The peers that a query's events of one type tell of."""
        found: dict[str, PeerRecord] = {}
        error = None
        try:
            async with aclosing(self._rpc.lines(command, subject, **options)) as events:
                async for event in events:
                    if event.get("Type") == QUERY_ERROR:
                        error = event.get("Extra") or error
                    for peer in (event.get("Responses") or ()) if event.get("Type") == wanted else ():
                        peer_id = field_of(peer, "ID", str)
                        found[peer_id] = PeerRecord(
                            id=peer_id, addrs=list(peer.get("Addrs") or ()), method=METHOD
                        )
        except NotFound as missing:
            error = missing.message
        return list(found.values()), self._tried(len(found), error)

    def _tried(self, found: int, error: str | None = None) -> Tried:
        return Tried(method=METHOD, endpoint=self._rpc.url, found=found, error=error)

    @handles(subjects.PROVIDE)
    async def provide(self, ask: routing.Provide) -> routing.Provided:
        """Raises NotFound(what="block") if the daemon itself has it not, Unavailable if it has no peers."""
        cid = CID.parse(ask.cid)
        if not await self._source.has(cid):
            raise NotFound("block", str(cid))
        async with aclosing(self._rpc.lines("routing/provide", str(cid), recursive=ask.recursive)) as events:
            async for _ in events:
                pass
        blocks = 1
        if ask.recursive:
            stat = await self.last_line("dag/stat", content_path(ask.cid), progress=False, timeout_s=LONG_S)
            blocks = field_of(stat, "UniqueBlocks", int)
        return routing.Provided(
            cid=ask.cid, blocks=blocks, announced_to=[METHOD], tried=[self._tried(blocks)]
        )

    @handles(subjects.ROUTING_GET)
    async def routing_get(self, ask: routing.RoutingGet) -> routing.RoutingValue:
        record = await self.name_get(names.NameGet(name=ask.key))
        return routing.RoutingValue(key=ask.key, value=record.record)

    @handles(subjects.ROUTING_PUT)
    async def routing_put(self, ask: routing.RoutingPut) -> routing.RoutingStored:
        await self.name_put(names.NamePut(name=ask.key, record=ask.value))
        tried = [Tried(method=METHOD, endpoint=self._rpc.url, found=1)]
        return routing.RoutingStored(key=ask.key, tried=tried)

    # ---- connections ------------------------------------------------------------------------------------

    @handles(subjects.SWARM_PEERS)
    async def swarm_peers(self, ask: routing.SwarmPeers) -> AsyncIterator[routing.Peer]:
        told = await self._rpc.call("swarm/peers", latency=True, identify=True)
        for peer in told.get("Peers") or ():
            identified = peer.get("Identify") or {}
            yield routing.Peer(
                id=field_of(peer, "Peer", str), addrs=[field_of(peer, "Addr", str)], method="libp2p",
                agent_version=identified.get("AgentVersion") or None,
                latency_ms=_milliseconds(peer.get("Latency")),
            )  # fmt: skip

    @handles(subjects.SWARM_ADDRS)
    async def swarm_addrs(self, ask: routing.SwarmAddrs) -> AsyncIterator[routing.Peer]:
        told = await self._rpc.call("swarm/addrs")
        for peer_id, addrs in (told.get("Addrs") or {}).items():
            yield routing.Peer(id=peer_id, addrs=list(addrs or ()), method="libp2p")

    @handles(subjects.SWARM_CONNECT)
    async def swarm_connect(self, ask: routing.SwarmConnect) -> routing.SwarmConnected:
        await self._rpc.call("swarm/connect", ask.address)
        return routing.SwarmConnected(address=ask.address, connected=True)

    @handles(subjects.SWARM_DISCONNECT)
    async def swarm_disconnect(self, ask: routing.SwarmDisconnect) -> routing.SwarmConnected:
        done = await self._rpc.call("swarm/disconnect", ask.address)
        for said in done.get("Strings") or ():
            if not said.endswith("success"):  # with status 200
                raise kubo_error("swarm/disconnect", said, subject=ask.address)
        return routing.SwarmConnected(address=ask.address, connected=False)


def _reason(tried: Tried) -> str:
    return f"{tried.endpoint} knows nobody" + (f": {tried.error}" if tried.error else "")


def _milliseconds(text: str | None) -> float | None:
    found = re.fullmatch(r"([\d.]+)(ns|µs|us|ms|s)", text or "")
    return None if found is None else float(found[1]) * _UNITS[found[2]]
