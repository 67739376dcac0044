"""The repository and the node: collection, statistics, verification, identity."""

from __future__ import annotations

from .....bus import handles
from .....schemas import ipfs, subjects
from .node import Node

__all__ = ["RepoRows"]


class RepoRows(Node):
    """`repo.*`, `version` and `id`."""

    @handles(subjects.REPO_GC)
    async def repo_gc(self, ask: ipfs.RepoGc) -> ipfs.Collected:
        """Raises Conflict while another collection runs."""
        collected = await self._store.collect()
        await self.tell(
            subjects.COLLECTED,
            ipfs.GarbageCollected(
                removed_blocks=collected.removed_blocks, freed_bytes=collected.freed_bytes, at=self.now()
            ),
        )
        return collected

    @handles(subjects.REPO_STAT)
    async def repo_stat(self, ask: ipfs.RepoStatRequest) -> ipfs.RepoStat:
        return await self._store.stat()

    @handles(subjects.REPO_VERIFY)
    async def repo_verify(self, ask: ipfs.RepoVerify) -> ipfs.Verified:
        return await self._store.verify()

    @handles(subjects.VERSION)
    async def version(self, ask: ipfs.VersionRequest) -> ipfs.Version:
        return self.here()

    @handles(subjects.ID)
    async def id(self, ask: ipfs.IdRequest) -> ipfs.Id:
        """The addresses are those of the node's gateway: on no peer-to-peer network does it speak itself."""
        return ipfs.Id(
            id=self._identity.peer_id,
            public_key=self._identity.public_key_base64,
            agent_version=self.agent_version,
            addresses=list(self._settings.addresses),
            instance=self._actor.instance,
        )
