"""A whole system inside a Python program: start it, call it, and serve it from the program's own web app.

    server = MCPServer(isolation_mode=True)
    server.register_with_app(app, prefix="/api/v0/mcp")     # aiohttp, FastAPI or Starlette
    result = await server.ipfs_model.add_content("Hello, IPFS!")

The actors run as processes of their own, exactly as under `cidbus up`; this object supervises them.
`python -m cidbus.mcp.server --port 8000 --debug` is `cidbus up` with the same options.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from cidbus.actors.cache.settings import CacheSettings
from cidbus.bus.keyring import Keyring
from cidbus.bus.link import Link
from cidbus.client import Client
from cidbus.client.home import Home
from cidbus.schemas.errors import BadRequest, Conflict

from ..data_dir import DEFAULT_DATA_DIR, DataDir, Info
from ..supervisor import System, UpOptions
from .models import IPFSModel
from .web import register

__all__ = ["MCPServer"]

log = logging.getLogger(__name__)

T = TypeVar("T")

LOCK_WAIT_S = 0.02


class MCPServer:
    """One system; it starts with `start()`, `async with`, its web app, or when it is first used.

    Args:
        debug_mode: detailed logs, and the routes `/debug` and `/operations`.
        log_level: name of a logging level for this program's `cidbus` loggers.
        persistence_path: the data folder, `~/.cidbus` by default.
        isolation_mode: a throw-away store and free ports; with `persistence_path` the store is kept there.
        cache_config: settings of the cache actor, such as `{"memory_limit": 500 * 1024 * 1024}`; see
            `cidbus.actors.cache.settings`.
        host, port: where its own bridge listens; port 0 takes a free one.
        nats: the URL of a NATS server to use instead of starting one.
        scale: processes per actor, such as `{"ipfs": 3}`.
        ipfs: settings of the ipfs actor, such as `{"backend": "embedded,kubo"}`.

    Raises:
        BadRequest: if an option has a value that it cannot have.
    """

    def __init__(
        self,
        debug_mode: bool = False,
        log_level: str = "INFO",
        persistence_path: str | Path | None = None,
        isolation_mode: bool = False,
        cache_config: dict[str, Any] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        nats: str | None = None,
        scale: dict[str, int] | None = None,
        ipfs: dict[str, str] | None = None,
    ) -> None:
        self.debug_mode = debug_mode
        self.isolation_mode = isolation_mode
        self.cache_config = CacheSettings.of(cache_config or {})
        self._options = UpOptions(
            host=host,
            port=port,
            data_dir=Path(persistence_path or DEFAULT_DATA_DIR),
            nats=nats,
            isolation=isolation_mode,
            throw_away=isolation_mode and persistence_path is None,
            debug=debug_mode,
            scale=scale or {},
            ipfs=ipfs or {},
            cache={name: str(value) for name, value in (cache_config or {}).items() if value is not None},
        )
        _set_log_level("DEBUG" if debug_mode else log_level)
        self.ipfs_model = IPFSModel(self.client, self.blocking)
        self.models = {"ipfs": self.ipfs_model}
        self._system: System | None = None
        self._system_loop: asyncio.AbstractEventLoop | None = None
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._starting = threading.Lock()
        self._closed = False
        self._home = Home()
        self._closes_at_exit = False
        self.info: Info | None = None

    # ---- life -------------------------------------------------------------------------------------------

    async def start(self) -> Info:
        """Start the system, or do nothing if it runs; raises what `System.start` raises."""
        async with _held(self._starting):
            if self.info is None:
                system = System(self._options)
                info = await system.start()
                self._system, self._system_loop = system, asyncio.get_running_loop()
                self.info = info
            return self.info

    async def stop(self) -> None:
        """End every part in order; what was accepted is finished first."""
        async with _held(self._starting):
            clients, self._clients = self._clients, {}
            system, self._system = self._system, None
            self.info = None
            for loop, client in clients.items():
                await _on(loop, client.aclose())
            if system is not None and self._system_loop is not None:
                await _on(self._system_loop, system.stop())

    def close(self) -> None:
        """`stop`, for a program without an event loop; a program that ends does so by itself."""
        atexit.unregister(self.close)
        if self._closed:
            return
        self._closed = True
        self._home.run(self.stop)
        self._home.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ---- use --------------------------------------------------------------------------------------------

    async def client(self) -> Client:
        """The typed client of every row, started on first use."""
        info = await self.start()
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            client = await Client.connect(data_dir=info.data_dir)
            if self.info is None:
                await client.aclose()
                raise Conflict("the server is being stopped")
            self._clients[loop] = client
        return self._clients[loop]

    def blocking(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """The result of work with a client, waited for on a thread of the server's own.

        Raises Conflict after `close`.
        """
        if self._closed:
            raise Conflict("the server was closed")
        if not self._closes_at_exit:
            self._closes_at_exit = True
            atexit.register(self.close)

        async def done() -> T:
            return await work(await self.client())

        return self._home.run(done)

    async def link(self) -> Link:
        """New connections to the bus with the bridge's rights; the caller closes them."""
        info = await self.start()
        keyring = Keyring(DataDir(Path(info.data_dir)).secrets)
        return await Link.connect(info.nats, keyring.credentials("bridge"))

    def register_with_app(self, app: Any, prefix: str = "/api/v0/mcp") -> None:
        """Serve the documented routes below `prefix` from an aiohttp, FastAPI or Starlette application, which
        then starts and stops the system with itself.

        Raises:
            BadRequest: if `app` is none of these, or `prefix` does not begin with a slash.
        """
        if not prefix.startswith("/"):
            raise BadRequest("prefix", f"{prefix!r} does not begin with a slash")
        register(self, app, prefix.rstrip("/"))


@asynccontextmanager
async def _held(lock: threading.Lock) -> AsyncIterator[None]:
    """Hold a lock that the tasks of several loops share, without stopping any of the loops."""
    while not lock.acquire(blocking=False):
        await asyncio.sleep(LOCK_WAIT_S)
    try:
        yield
    finally:
        lock.release()


async def _on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that belongs to a loop, which may be another than this one."""
    if loop is asyncio.get_running_loop():
        await work
    elif loop.is_running():
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
    else:
        work.close()  # its loop is gone, and all that lived there with it


def _set_log_level(name: str) -> None:
    level = logging.getLevelNamesMapping().get(name.upper())
    if level is None:
        raise BadRequest("log_level", f"{name!r} is not a logging level")
    logging.getLogger("cidbus").setLevel(level)


if __name__ == "__main__":
    import sys

    from cidbus.cli import main

    sys.exit(main(["up", *sys.argv[1:]]))
