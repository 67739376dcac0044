"""How a client finds its system, and what it says when it finds none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cidbus.bus.server import EmbeddedServer, free_port
from cidbus.bus.testing import hosted
from cidbus.client import Client
from cidbus.data_dir import DataDir, Info
from cidbus.schemas.errors import BadRequest, Forbidden, NotSupported, Unavailable
from cidbus.schemas.rows import Request
from cidbus.schemas.wire import Empty


async def test_a_system_is_found_by_its_data_directory(server, actor, seed: Path, tmp_path: Path):
    folder = DataDir(tmp_path)
    folder.make()
    folder.write_info(
        Info(http="", nats=server.url, client_seed=str(seed), data_dir=str(tmp_path), actors=[])
    )
    lock = folder.lock()  # as a running system holds it
    async with hosted(server, actor), Client.connect(data_dir=tmp_path) as client:
        assert (await client.ipfs.version()).version
    os.close(lock)


async def test_a_client_can_be_awaited_and_closed_by_hand(server, actor, seed: Path):
    async with hosted(server, actor):
        client = await Client.connect(server.url, seed=str(seed))
        assert (await client.ipfs.version()).version
        await client.aclose()


async def test_a_folder_in_which_nothing_runs_is_named(tmp_path: Path):
    with pytest.raises(Unavailable, match="no system runs in") as raised:
        await Client.connect(data_dir=tmp_path)
    assert str(tmp_path) in raised.value.message


@pytest.mark.parametrize("scheme", ["nats", "http"])
async def test_an_address_where_nothing_listens_is_named(scheme: str):
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable) as raised:
        await Client.connect(url, timeout_s=0.3)
    assert url in raised.value.message


@pytest.mark.parametrize("url", ["127.0.0.1:4222", "ftp://127.0.0.1", ""])
async def test_an_address_of_another_kind_is_refused(url: str):
    with pytest.raises(BadRequest) as raised:
        await Client.connect(url)
    assert raised.value.field == "url"


async def test_a_seed_that_the_server_does_not_know_is_refused(server: EmbeddedServer, tmp_path: Path):
    import nkeys

    seed = tmp_path / "stranger.nk"
    seed.write_bytes(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER))
    with pytest.raises(Forbidden):
        await Client.connect(server.url, seed=seed)


async def test_a_system_without_the_actor_is_unavailable(server: EmbeddedServer, seed: Path):
    async with Client.connect(server.url, seed=seed) as client:
        with pytest.raises(Unavailable):
            await client.ipfs.version()
        assert await client.stats() == []


async def test_a_row_without_a_route_is_told_apart_over_http(server, actor, bridge_url: str):
    row = Request("ipfs.secret", Empty, Empty, "Only on the bus")
    async with Client.connect(bridge_url) as client:
        with pytest.raises(NotSupported, match="connect to NATS"):
            await client.transport.request(row, Empty())


async def test_another_prefix_stands_in_the_address(server, actor, bridge_url: str):
    async with hosted(server, actor), Client.connect(bridge_url + "/api/v0/mcp/") as client:
        assert (await client.ipfs.version()).version


async def test_a_server_that_is_no_bridge_is_told_apart():
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="<html>welcome")

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    async with TestServer(app) as foreign, Client.connect(str(foreign.make_url("/"))) as client:
        with pytest.raises(Unavailable, match="not that of a bridge"):
            await client.ipfs.version()
        with pytest.raises(Unavailable, match="not that of a bridge"):
            await anext(client.ipfs.pin_ls())
        with pytest.raises(Unavailable, match="not that of a bridge"):
            await client.stats()
