"""The embedded nats-server: a configuration that holds, ports, and an orderly end."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from cidbus.bus.keyring import Keyring
from cidbus.bus.permissions import USERS
from cidbus.bus.server import EmbeddedServer, free_port, render_config, server_binary
from cidbus.bus.testing import server_is_missing
from cidbus.schemas.errors import Unavailable

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _needs_the_server():
    if server_is_missing():
        pytest.skip("nats-server is not installed")


def test_the_filled_in_template_is_a_valid_configuration(tmp_path):
    text = render_config(Keyring(tmp_path / "secrets"), tmp_path / "store", host="127.0.0.1", port=4222)
    (tmp_path / "nats.conf").write_text(text)
    command = [server_binary(), "-t", "-c", str(tmp_path / "nats.conf")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "is valid" in checked.stderr, checked.stderr
    assert not re.search(r"\{\{\w", text)


def test_the_template_at_the_root_is_the_one_that_is_used():
    assert (ROOT / "bus" / "nats.conf").read_text() == (ROOT / "nats.conf").read_text()


def test_every_user_has_a_key_of_its_own_that_stays(tmp_path):
    keyring = Keyring(tmp_path / "secrets")
    keyring.make_missing()
    keys = {user: keyring.public_key(user) for user in USERS}
    assert len(set(keys.values())) == len(USERS)
    assert all(re.fullmatch(r"U[A-Z2-7]{55}", key) for key in keys.values())
    keyring.make_missing()
    assert {user: keyring.public_key(user) for user in USERS} == keys


async def test_a_server_that_is_stopped_is_gone(tmp_path):
    server = EmbeddedServer(tmp_path)
    await server.start()
    process = psutil.Process(server.pid)
    await server.stop()
    assert not process.is_running()


async def test_a_port_that_is_taken_is_said_with_the_log_to_read(tmp_path):
    first = EmbeddedServer(tmp_path / "one")
    await first.start()
    try:
        with pytest.raises(Unavailable, match=r"nats\.log"):
            await EmbeddedServer(tmp_path / "two", port=first.port).start()
    finally:
        await first.stop()


def test_a_preferred_port_is_taken_if_it_is_free():
    port = free_port()
    assert free_port(preferred=port) == port


async def test_a_free_port_that_somebody_takes_first_is_changed_for_another(tmp_path):
    server = EmbeddedServer(tmp_path)
    with socket.create_server((server.host, server.port)) as taken:
        await server.start()
        try:
            assert server.port != taken.getsockname()[1]
        finally:
            await server.stop()
