"""Blocks from the other nodes of the cluster: those that announced the content first, then the rest.

Nodes announce roots, not every block below them; so who had the last block of a DAG is asked for the next.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from ....schemas.cid import CID
from ....schemas.errors import BusError, NotFound, Unavailable
from ..remote.sources import WRONG_BLOCK
from .announcements import Announcements

__all__ = ["ClusterFetcher"]

log = logging.getLogger(__name__)

MAX_ASKED = 32

# Asks one instance for a block of its own store; raises as a request does.
AskInstance = Callable[[str, CID], Awaitable[bytes]]


class ClusterFetcher:
    """A BlockFetcher over the nodes that have been heard of, but for the one that `peer_id` names."""

    name = "cluster"

    def __init__(self, heard: Announcements, peer_id: str, ask: AskInstance) -> None:
        self._heard = heard
        self._peer_id = peer_id
        self._ask = ask
        self._served_last = ""

    async def fetch(self, cid: CID) -> bytes:
        """The block, checked; raises NotFound(what="block") whose `tried` tells what each node said."""
        tried: dict[str, str] = {}
        liars: list[str] = []
        for peer_id in self._order(cid):
            try:
                block = await self._ask_peer(peer_id, cid)
            except BusError as error:
                tried[peer_id] = error.message
                continue
            if cid.matches(block):
                self._served_last = peer_id
                return block
            tried[peer_id] = WRONG_BLOCK
            liars.append(peer_id)
            log.warning("node %s %s (block %s)", peer_id, WRONG_BLOCK, cid)
        details = {"liars": liars} if liars else {}
        raise NotFound("block", str(cid), tried=tried or {self.name: "no other node is known"}, **details)

    async def close(self) -> None:
        """Nothing is kept open: the nodes are reached over the actor's own connection."""

    def _order(self, cid: CID) -> list[str]:
        announced = [peer.peer_id for peer in self._heard.providers(cid)]
        known = [peer.peer_id for peer in self._heard.peers()]
        last = [self._served_last] if self._served_last in known else []
        everybody = dict.fromkeys([*announced, *last, *known])
        everybody.pop(self._peer_id, None)
        return list(everybody)[:MAX_ASKED]

    async def _ask_peer(self, peer_id: str, cid: CID) -> bytes:
        """From any instance of a node: they share one store. Those that are gone are forgotten."""
        for instance in self._heard.instances(peer_id):
            try:
                return await self._ask(instance, cid)
            except Unavailable:
                self._heard.forget(instance)
        raise Unavailable("nobody answers for it there")
