"""Two nodes on one bus: each bridge and client asks its own, and what one lacks it fetches from the other."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from cidbus import Client
from cidbus.bus.testing import nats_server, server_is_missing
from cidbus.data_dir import DataDir
from cidbus.supervisor import System, UpOptions


@pytest.fixture
async def systems(tmp_path: Path) -> AsyncIterator[list[System]]:
    """Two systems with folders of their own on one server, which knows both by the same keys."""
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server(tmp_path / "one") as server:
        shutil.copytree(tmp_path / "one" / "secrets", tmp_path / "two" / "secrets")
        options = [
            UpOptions(data_dir=tmp_path / name, nats=server.url, isolation=True, throw_away=False)
            for name in ("one", "two")
        ]
        async with System(options[0]) as one, System(options[1]) as two:
            yield [one, two]


async def get(system: System, path: str) -> dict:
    async with aiohttp.ClientSession() as http, http.get(f"{system.http}/api/v0/mcp{path}") as response:
        return await response.json()


async def post(system: System, path: str, **fields: object) -> dict:
    url = f"{system.http}/api/v0/mcp{path}"
    async with aiohttp.ClientSession() as http, http.post(url, json=fields) as response:
        return await response.json()


@pytest.mark.slow
async def test_each_bridge_serves_its_own_node_and_content_of_the_other(systems):
    one, two = systems
    ids = {(await get(system, "/ipfs/id"))["id"] for system in systems for _ in range(5)}
    assert len(ids) == 2
    for system in systems:
        assert len({(await get(system, "/ipfs/id"))["id"] for _ in range(10)}) == 1
    cid = (await post(one, "/ipfs/add", content="of the first"))["cid"]
    for _ in range(5):
        assert [pin["cid"] for pin in (await get(one, "/ipfs/pins"))["pins"]] == [cid]
        assert (await get(two, "/ipfs/pins"))["pins"] == []
    async with asyncio.timeout(20):
        while (await get(two, f"/ipfs/dht/findprovs?cid={cid}"))["count"] == 0:
            await asyncio.sleep(0.05)
    async with aiohttp.ClientSession() as http, http.get(f"{two.http}/ipfs/{cid}") as response:
        assert await response.text() == "of the first"
    for _ in range(5):
        assert (await post(two, "/ipfs/key/gen", name="mine")).get("status") in (None, 409)
        assert [key["name"] for key in (await get(one, "/ipfs/keys"))["keys"]] == ["self"]


@pytest.mark.slow
async def test_a_client_of_a_data_directory_asks_its_node(systems):
    for system in systems:
        own = (await get(system, "/ipfs/id"))["id"]
        async with await Client.connect(data_dir=system.data_dir.path) as client:
            assert {(await client.ipfs.id()).id for _ in range(10)} == {own}


@pytest.mark.slow
async def test_both_nodes_write_and_read_one_tree(systems):
    async with aiohttp.ClientSession() as http:

        async def ask(method: str, system: System, path: str, **options: object) -> tuple[int, bytes]:
            url = f"{system.http}/api/v0/mcp/fs{path}"
            async with http.request(method, url, **options) as response:
                return response.status, await response.read()

        names = [f"/shared/{number}" for number in range(12)]
        writing = [ask("PUT", systems[n % 2], name, data=name.encode()) for n, name in enumerate(names)]
        assert {status for status, _ in await asyncio.gather(*writing)} == {201}
        for system in systems:
            for name in names:
                assert await ask("GET", system, name) == (200, name.encode())
        large = b"of the second " * 500_000
        assert (await ask("PUT", systems[1], "/shared/large", data=io.BytesIO(large)))[0] == 201
        assert await ask("GET", systems[0], "/shared/large") == (200, large)
        states = [await get(system, "/cli/fs/journal-status") for system in systems]
        assert states[0]["root"] == states[1]["root"]


def test_a_node_keeps_its_name(tmp_path):
    folder = DataDir(tmp_path)
    assert folder.node is None
    name = folder.make_node()
    assert [DataDir(tmp_path).make_node(), DataDir(tmp_path).node] == [name, name]
