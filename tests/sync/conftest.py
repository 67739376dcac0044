"""A node with an ipfs actor and a journal actor on a real bus, and a client of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cidbus.actors import make_actor
from cidbus.bus.testing import hosted, nats_server, server_is_missing
from cidbus.client import Client


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with (
        nats_server() as server,
        hosted(server, make_actor("ipfs", tmp_path / "node" / "ipfs")),
        hosted(server, make_actor("journal", tmp_path / "node" / "journal")),
        Client.connect(server.url, seed=server.keyring.seed_path("client")) as connected,
    ):
        yield connected


def files_below(top: Path) -> dict[str, str | bytes | None]:
    """Everything in a directory: bytes of files, targets of links, None for directories."""
    found: dict[str, str | bytes | None] = {}
    for above, directories, files in os.walk(top):
        for name in directories + files:
            path = Path(above) / name
            below = str(path.relative_to(top))
            if path.is_symlink():
                found[below] = str(path.readlink())
            else:
                found[below] = path.read_bytes() if path.is_file() else None
    return found


async def tree_below(client: Client, path: str) -> dict[str, str | bytes | None]:
    """The same of a directory of the tree."""
    found: dict[str, str | bytes | None] = {}
    async for entry in client.journal.ls(path=path, recursive=True):
        below = entry.path[len(path.rstrip("/")) + 1 :]
        if entry.type == "file":
            found[below] = await client.ipfs.cat(entry.cid).read()
        else:
            found[below] = entry.target if entry.type == "symlink" else None
    return found
