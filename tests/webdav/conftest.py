"""A system, and a WebDAV server of its tree in this process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from cidbus.bus.testing import server_is_missing
from cidbus.client import Client
from cidbus.mcp import MCPServer
from cidbus.webdav import BlockingTree, WebDav

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def system() -> Iterator[MCPServer]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    server = MCPServer(isolation_mode=True)
    server.blocking(_started)
    yield server
    server.close()


async def _started(_client: Client) -> None:
    return


@pytest.fixture(scope="session")
def tree(system: MCPServer) -> Iterator[BlockingTree]:
    opened = open_tree(system)
    yield opened
    opened.close()


def open_tree(system: MCPServer, at: str | None = None) -> BlockingTree:
    assert system.info is not None
    data_dir = system.info.data_dir

    async def connect() -> Client:
        return await Client.connect(data_dir=data_dir)

    return BlockingTree(connect, at)


@contextmanager
def serving(server: WebDav) -> Iterator[str]:
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def url(tree: BlockingTree) -> Iterator[str]:
    with serving(WebDav(tree)) as address:
        yield address


@pytest.fixture
def dav(url: str, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client below a directory of the test's own."""
    name = f"{next(NUMBERS)}_{request.node.originalname[:50]}"
    with httpx.Client(base_url=f"{url}/{name}", timeout=30) as client:
        assert client.request("MKCOL", "/").status_code == 201
        yield client
