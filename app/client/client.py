"""The client: a connection, and on it one namespace per actor.

async with Client.connect("nats://127.0.0.1:4222", seed=seed) as client:
    added = await client.ipfs.add(Path("photos"))
    async with client.ipfs.cat(added.cid, path="one.jpg") as content:
        async for chunk in content: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cidbus.schemas.errors import BadRequest, Unavailable

from ..data_dir import DEFAULT_DATA_DIR, DataDir, Info
from .events import EventStream, event_rows
from .methods import Methods
from .stats import ActorStats
from .transport import Transport

__all__ = ["Client", "Connecting"]

CONNECT_S = 5.0


class Client(Methods):
    """A connection to a running system; `Client.connect` makes one."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.transport = transport

    @staticmethod
    def connect(
        url: str | None = None,
        *,
        seed: str | Path | None = None,
        data_dir: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = CONNECT_S,
    ) -> Connecting:
        """Connect to `nats://…` or `http://…`, or to the system that runs in `data_dir` (by default
        `~/.cidbus`) when no URL is given; await it, or enter it with `async with`.

        `seed` is the file of an nkey seed that the NATS server knows as `client`; `headers` are sent with
        each request over HTTP.

        Raises BadRequest for any other URL, Unavailable if nothing answers within `timeout_s` seconds or
        nothing runs in the folder, Forbidden if the server refuses the seed.
        """
        return Connecting(lambda: _connect(url, seed, data_dir, headers, timeout_s))

    def events(self, types: str | Iterable[str] = (), *, cid_prefix: str = "") -> EventStream:
        """Events from now on: of these types (`ipfs.added`, or documented names such as `content_added`), or
        of all; only those about CIDs that begin with `cid_prefix`.

        Raises BadRequest for a type that does not exist.
        """
        rows = event_rows(types)
        return EventStream(lambda: self.transport.events(rows), cid_prefix)

    async def stats(self) -> list[ActorStats]:
        """What every running instance of every actor has done, by actor and instance."""
        return await self.transport.stats()

    async def aclose(self) -> None:
        """Close the connection; what still runs on it ends with Unavailable."""
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Connecting:
    """A client that is being connected: awaited it is the client, entered it is closed on leaving."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        self._connect = connect
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._connect().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._connect()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()


async def _connect(
    url: str | None,
    seed: str | Path | None,
    data_dir: str | Path | None,
    headers: Mapping[str, str] | None,
    timeout_s: float,
) -> Client:
    node = None
    if url is None:
        info = _running_in(data_dir)
        url, seed, node = info.nats, info.client_seed, info.node
    match urlsplit(url).scheme:
        case "nats" | "tls" | "ws" | "wss":
            from .over_nats import NatsTransport

            path = None if seed is None else Path(seed).expanduser()
            return Client(await NatsTransport.connect(url, path, timeout_s, node))
        case "http" | "https":
            from .over_http import HttpTransport

            return Client(await HttpTransport.connect(url, timeout_s, headers))
        case _:
            raise BadRequest("url", f"{url!r} begins neither with nats:// nor with http://")


def _running_in(data_dir: str | Path | None) -> Info:
    folder = DataDir(Path(data_dir or DEFAULT_DATA_DIR))
    info = folder.read_info()
    if info is None:
        raise Unavailable(f"no system runs in {folder.path}; `cidbus up` starts one", field="data_dir")
    return info
