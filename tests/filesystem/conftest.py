"""A whole system on an event loop of its own, since programs that use a file system wait for its answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cidbus.actors import make_actor
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.filesystem import CidbusFileSystem, IpfsFileSystem
from cidbus.http_bridge import BridgeSettings, serve

MIB = 1 << 20


@dataclass(frozen=True)
class System:
    """How a running system is reached."""

    url: str
    nats: str
    seed: str

    def tree(self, **options: Any) -> CidbusFileSystem:
        return CidbusFileSystem(**{"url": self.url} | options)

    def ipfs(self, **options: Any) -> IpfsFileSystem:
        return IpfsFileSystem(**{"url": self.url} | options)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[System]:
    """All actors that keep a file tree, and a bridge."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        for name in [
            n for n in ("ipfs", "cache", "journal") if n in __import__("cidbus.actors").actors.IMPLEMENTED
        ]:
            await stack.enter_async_context(hosted(server, make_actor(name, folder / name)))
        bus = await stack.enter_async_context(await connect(server, "bridge"))
        bridge = await stack.enter_async_context(
            await serve(bus, settings=BridgeSettings(discovery_wait_s=0.1))
        )
        seed = server.keyring.seed_path("client")
        yield System(f"http://127.0.0.1:{bridge.port}", server.url, str(seed))


class Elsewhere:
    """An event loop in a thread, and what runs on it until the end of the tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Any, timeout_s: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    loop = Elsewhere()
    yield loop
    loop.stop()


@pytest.fixture(scope="module")
def system(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    context = running(tmp_path_factory.mktemp("system"))
    yield elsewhere.run(context.__aenter__())
    for kind in (CidbusFileSystem, IpfsFileSystem):
        for fs in kind._cache.values():
            fs.close()
        kind.clear_instance_cache()
    elsewhere.run(context.__aexit__(None, None, None))
