"""A whole system, and the clients that other people use, pointed at it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

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


@pytest.fixture(scope="module", params=["cidbus", "kubo"] if kubo_binary() else ["cidbus"])
def rpc(request: pytest.FixtureRequest, packages: Packages) -> Iterator[JavaScript]:
    """kubo-rpc-client on this system and, where there is one, on a real Kubo: what is expected is true of both."""
    if request.param == "kubo":
        url = request.getfixturevalue("kubo").rpc_url
    else:
        url = request.getfixturevalue("origin")
    client = JavaScript(packages, "kubo_rpc_client.mjs", f"{url}/api/v0")
    yield client
    client.stop()


@pytest.fixture(scope="module")
def cidbus_rpc(origin: str, packages: Packages) -> Iterator[JavaScript]:
    """kubo-rpc-client on this system alone: what differs from Kubo."""
    client = JavaScript(packages, "kubo_rpc_client.mjs", f"{origin}/api/v0")
    yield client
    client.stop()
