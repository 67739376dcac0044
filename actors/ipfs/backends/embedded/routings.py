"""Where the node looks for records and leaves them: the cluster, and delegated routers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

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
        return (await self._routers.get_ipns(name)).records

    async def put(self, name: IpnsName, record: bytes) -> None:
        await self._routers.put_ipns(name, record)
