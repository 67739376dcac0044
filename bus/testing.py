"""Real parts for tests: a nats-server of one's own on a free port, and an actor hosted on it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..schemas.errors import Unavailable
from .actor import Actor
from .client import Bus
from .host import Host
from .server import EmbeddedServer, server_binary

__all__ = ["connect", "hosted", "nats_server", "server_is_missing"]


def server_is_missing() -> bool:
    """Whether tests that need nats-server have to be skipped; where CI is set that is an error instead."""
    try:
        server_binary()
    except Unavailable:
        if os.environ.get("CI") == "true":
            raise
        return True
    return False


@asynccontextmanager
async def nats_server(data_dir: Path | None = None) -> AsyncIterator[EmbeddedServer]:
    """A running server with the system's users and permissions, ended on leaving.

    async with nats_server() as server, await connect(server) as bus: ...
    """
    with tempfile.TemporaryDirectory(prefix="cidbus-test-") as folder:
        server = EmbeddedServer(data_dir or Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


async def connect(server: EmbeddedServer, user: str = "client") -> Bus:
    """A bus connection as one of the system's users."""
    return await Bus.connect(server.url, server.keyring.credentials(user))


@asynccontextmanager
async def hosted(server: EmbeddedServer, actor: Actor) -> AsyncIterator[Host]:
    """An actor that answers on the server's bus, stopped in order on leaving."""
    host = Host(actor, await connect(server, actor.name))
    await host.start()
    try:
        yield host
    finally:
        await host.stop(grace_s=2.0)
