"""What every folder of tests may use: a real NATS server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import nats_server, server_is_missing


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server() as running:
        yield running
