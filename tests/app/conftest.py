"""A node of one's own for each test, and a client of it over NATS and over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from cidbus.actors import make_actor
from cidbus.bus import Actor
from cidbus.bus.server import EmbeddedServer, free_port
from cidbus.bus.testing import connect, hosted, server_is_missing
from cidbus.client import Client
from cidbus.http_bridge import BridgeSettings, serve

TRANSPORTS = ("nats", "http")


@pytest.fixture
def actor(tmp_path: Path) -> Actor:
    """The actor that answers; a module may have its own instead."""
    return make_actor("ipfs", tmp_path / "node")


@pytest.fixture(params=TRANSPORTS)
async def client(
    request: pytest.FixtureRequest, server: EmbeddedServer, actor: Actor, seed: Path
) -> AsyncIterator[Client]:
    """The same client over each transport."""
    http = request.param == "http"
    async with (
        hosted(server, actor),
        served(server) if http else nullcontext(server.url) as url,
        Client.connect(url, seed=seed) as connected,
    ):
        yield connected


@pytest.fixture
def seed(server: EmbeddedServer) -> Path:
    return server.keyring.seed_path("client")


@pytest.fixture
async def bridge_url(server: EmbeddedServer) -> AsyncIterator[str]:
    async with served(server) as url:
        yield url


@asynccontextmanager
async def served(server: EmbeddedServer) -> AsyncIterator[str]:
    """The URL of a bridge of the server's bus."""
    settings = BridgeSettings(discovery_wait_s=0.5)
    async with await connect(server, "bridge") as bus, await serve(bus, settings=settings) as bridge:
        yield f"http://127.0.0.1:{bridge.port}"


# ---- a whole system, for the command line ---------------------------------------------------------------


@dataclass
class System:
    """A system that `cidbus up` runs, and the command line pointed at it."""

    data_dir: Path
    info: dict[str, Any]

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Result:
        """One command, inside of this process."""
        from cidbus.cli.commands import app

        return CliRunner().invoke(app, list(arguments), env=env or self.environment)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """One command as a process of its own."""
        return start(*arguments, environment=self.environment, **options)

    def call(self, *arguments: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        """One command as a process of its own, to its end."""
        with self.start(*arguments, stdin=subprocess.PIPE, **options) as process:
            out, err = process.communicate(stdin, timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @property
    def environment(self) -> dict[str, str]:
        return {"CIDBUS_DATA_DIR": str(self.data_dir)}


def start(
    *arguments: str, environment: dict[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cidbus", *arguments]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, env=os.environ | (environment or {}), **given)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    data_dir = tmp_path_factory.mktemp("system")
    with start("up", "--data-dir", str(data_dir), "--port", str(free_port())) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert b"ready" in ready, process.communicate(timeout=10)
        info = orjson.loads((data_dir / "run" / "info.json").read_bytes())
        yield System(data_dir, info)
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, (out, err)
