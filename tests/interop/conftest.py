"""A whole system, and the clients that other people use, pointed at it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kubo_daemon import kubo, kubo_binary  # noqa: F401

from cidbus.bus.testing import server_is_missing
from cidbus.supervisor import System, UpOptions

from .node import HERE, JavaScript, Packages


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The HTTP address of a system that runs for the tests of one file."""
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    with asyncio.Runner() as runner:
        system = System(UpOptions(isolation=True))
        runner.run(system.start())
        try:
            yield system.http
        finally:
            runner.run(system.stop())


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return Packages(HERE / "package.json", tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def js_ipfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The HTTP address of a js-ipfs, the last there was."""
    packages = Packages(HERE / "js_ipfs" / "package.json", tmp_path_factory.mktemp("js-ipfs"))
    command = [packages.node, packages.folder / "daemon.mjs", tmp_path_factory.mktemp("js-ipfs-repo")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        yield daemon.stdout.readline().decode().strip()
        daemon.stdin.close()


@pytest.fixture(scope="module")
def rpc_of(packages: Packages) -> Iterator[Callable[[str], JavaScript]]:
    """kubo-rpc-client on the node at an address."""
    with ExitStack() as clients:

        def connect(address: str) -> JavaScript:
            client = JavaScript(packages, "kubo_rpc_client.mjs", f"{address}/api/v0")
            clients.callback(client.stop)
            return client

        yield connect


@pytest.fixture(scope="module")
def cidbus_rpc(origin: str, rpc_of: Callable[[str], JavaScript]) -> JavaScript:
    """kubo-rpc-client on the system."""
    return rpc_of(origin)


@pytest.fixture(scope="module", params=["cidbus", "kubo"] if kubo_binary() else ["cidbus"])
def rpc(request: pytest.FixtureRequest, rpc_of: Callable[[str], JavaScript]) -> JavaScript:
    """kubo-rpc-client on the system and, where there is one, on a real Kubo: what is expected is true of both."""
    if request.param == "kubo":
        return rpc_of(request.getfixturevalue("kubo").rpc_url)
    client: JavaScript = request.getfixturevalue("cidbus_rpc")
    return client
