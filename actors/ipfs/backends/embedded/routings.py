"""Where the node looks for records and leaves them: the cluster, and delegated routers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .....schemas.errors import Unavailable
from ...ipns.name import IpnsName
from ...remote.routing import DelegatedRouting

__all__ = ["ClusterRecords", "RoutedRecords"]


class ClusterRecords:
    """The other nodes, which hear of each record by an event and keep it if it is better than theirs: what
    they have, this node has already heard."""

    name = "cluster"

    def __init__(self, tell: Callable[[IpnsName, bytes], Awaitable[None]]) -> None:
        self._tell = tell

    async def get(self, name: IpnsName) -> list[bytes]:
        return []

    async def put(self, name: IpnsName, record: bytes) -> None:
        await self._tell(name, record)


class RoutedRecords:
    """The delegated routers that the settings name."""

    name = "delegated"

    def __init__(self, routers: DelegatedRouting) -> None:
        self._routers = routers

    async def get(self, name: IpnsName) -> list[bytes]:
        """Raises Unavailable if no router could be asked: then nothing is known of the name."""
        found = await self._routers.get_ipns(name)
        if found.tried and all(one.error for one in found.tried):
            problems = "; ".join(f"{one.endpoint}: {one.error}" for one in found.tried)
            raise Unavailable(f"no router could be asked: {problems}")
        return found.records

    async def put(self, name: IpnsName, record: bytes) -> None:
        await self._routers.put_ipns(name, record)
