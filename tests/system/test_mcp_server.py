"""`MCPServer` inside other people's programs: on its own, in aiohttp, in FastAPI and Starlette."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from fastapi import FastAPI
from starlette.applications import Starlette

from cidbus import MCPServer
from cidbus.bus.server import free_port
from cidbus.schemas.errors import BadRequest, NotFound

HELLO = "bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm"

# The specification's examples, as they are printed there but for the package's name.
BASIC_SERVER = """
from cidbus.mcp import MCPServer
from fastapi import FastAPI

# Create server and app
server = MCPServer()
app = FastAPI()
server.register_with_app(app)

# Add content
@app.get("/add-example")
async def add_example():
    result = await server.ipfs_model.add_content("Hello, IPFS!")
    return result
"""
COMPLETE_APPLICATION = """
from cidbus.mcp import MCPServer

# Create the server
server = MCPServer(
    debug_mode=True,       # Enable detailed logging and debugging
    isolation_mode=True,   # Use isolated IPFS repository
    persistence_path="{path}"  # Custom cache location
)

# Use with FastAPI
from fastapi import FastAPI
app = FastAPI()
server.register_with_app(app, prefix="/api/v0/mcp")
"""


@asynccontextmanager
async def uvicorn_of(app_or_module: object, folder: Path):
    """An ASGI application served by uvicorn: one in this process, or a module's in one of its own."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        f"{app_or_module}:app",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    environment = os.environ | {"HOME": str(folder), "CIDBUS_DATA_DIR": str(folder / "data")}
    process = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await answers(session, process)
            yield session
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def answers(session: aiohttp.ClientSession, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None
        try:
            async with session.get("/api/v0/mcp/livez"):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.05)
    raise AssertionError("the application did not start")


async def uses_everything(session: aiohttp.ClientSession, prefix: str = "/api/v0/mcp") -> None:
    """Add, read a range, stream in and out, and hear the event: through whatever serves the routes."""
    async with session.ws_connect(f"{prefix}/distributed/events") as events:
        await events.send_json({"types": ["ipfs.added"]})
        assert (await events.receive_json())["type"] == "subscription_confirmed"
        async with session.post(f"{prefix}/ipfs/add", json={"content": "Hello, IPFS!"}) as answer:
            assert (await answer.json())["cid"] == HELLO
        assert (await events.receive_json())["data"]["cid"] == HELLO
    async with session.get(f"{prefix}/ipfs/cat/{HELLO}", headers={"Range": "bytes=7-"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"IPFS!")
    large = os.urandom(3 << 20)

    async def pieces():
        for start in range(0, len(large), 100_000):
            yield large[start : start + 100_000]

    async with session.post(f"{prefix}/ipfs/add", data=pieces(), headers={"Content-Type": "x/y"}) as answer:
        cid = (await answer.json())["cid"]
    async with session.get(f"{prefix}/ipfs/cat/{cid}") as answer:
        assert await answer.read() == large
    async with session.get(f"{prefix}/ipfs/cat/nonsense") as answer:
        assert answer.status == 400
        assert (await answer.json())["field"] == "cid"


async def test_the_first_example_runs_as_written(tmp_path):
    (tmp_path / "example.py").write_text(BASIC_SERVER)
    async with uvicorn_of("example", tmp_path) as session:
        async with session.get("/add-example") as answer:
            result = await answer.json()
        assert result["success"]
        assert result["cid"] == HELLO
        await uses_everything(session)
    assert (tmp_path / ".cidbus" / "ipfs").is_dir()


async def test_the_complete_application_keeps_its_store_where_it_is_told(tmp_path):
    (tmp_path / "example.py").write_text(COMPLETE_APPLICATION.format(path=tmp_path / "cache"))
    async with uvicorn_of("example", tmp_path) as session:
        await uses_everything(session)
        async with session.get("/api/v0/mcp/health") as answer:
            health = await answer.json()
        assert (health["debug_mode"], health["isolation_mode"]) == (True, True)
    assert (tmp_path / "cache" / "ipfs").is_dir()


async def test_an_aiohttp_application_serves_the_routes_itself():
    server, app = MCPServer(isolation_mode=True), web.Application()
    server.register_with_app(app, prefix="/content")
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await uses_everything(session, "/content")
    finally:
        await runner.cleanup()
    assert server.info is None


async def test_a_starlette_application_keeps_its_own_lifespan(tmp_path):
    seen = []

    @asynccontextmanager
    async def own(app):
        seen.append("started")
        yield
        seen.append("stopped")

    server, app = MCPServer(isolation_mode=True), Starlette(lifespan=own)
    server.register_with_app(app)
    async with app.router.lifespan_context(app):
        assert server.info is not None
    assert seen == ["started", "stopped"]
    assert server.info is None


async def test_it_starts_on_first_use_and_stops_in_order():
    server = MCPServer(isolation_mode=True)
    try:
        added = await server.ipfs_model.add_content("Hello, IPFS!")
        assert added["cid"] == HELLO
        assert await server.ipfs_model.get_content(HELLO) == b"Hello, IPFS!"
        pinned = await server.models["ipfs"].pin_content(HELLO, name="greeting")
        assert (pinned["pinned"], pinned["name"]) == (True, "greeting")
        assert [pin["cid"] for pin in (await server.ipfs_model.list_pins())["pins"]] == [HELLO]
        assert not (await server.ipfs_model.unpin_content(HELLO))["pinned"]
        with pytest.raises(NotFound):
            await server.ipfs_model.get_content("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
    finally:
        await server.stop()


async def test_the_model_has_nodes_names_and_peers():
    async with MCPServer(isolation_mode=True) as server:
        model = server.ipfs_model
        put = await model.dag_put({"name": "example", "data": [1, 2, 3]})
        assert (put["success"], put["format"], put["pin"]) == (True, "dag-json", True)
        got = await model.dag_get(put["cid"], "data/2")
        assert (got["object"], got["cid"], got["remainder"]) == (3, put["cid"], "data/2")
        assert (await model.dag_get((await model.dag_put("text", format="cbor"))["cid"]))["object"] == "text"
        assert (await model.dag_resolve(put["cid"], "name"))["remainder_path"] == "name"
        published = await model.name_publish(put["cid"])
        assert (await model.name_resolve(published["name"]))["path"] == f"/ipfs/{put['cid']}"
        (provider,) = (await model.find_providers(put["cid"], 5))["providers"]
        assert (await model.find_peer(provider["id"]))["peers_found"] == 1


async def test_two_servers_run_beside_each_other():
    async with MCPServer(isolation_mode=True) as one, MCPServer(isolation_mode=True) as two:
        await one.ipfs_model.add_content("only in one")
        assert (await two.ipfs_model.list_pins())["count"] == 0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"log_level": "LOUD"}, "log_level"),
        ({"cache_config": {"memory_limit": -1}}, "memory_limit"),
        ({"cache_config": {"memory_limits": 1}}, "memory_limits"),
        ({"scale": {"nothing": 1}}, "scale"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_name(options, field):
    with pytest.raises(BadRequest) as caught:
        MCPServer(**options)
    assert caught.value.field == field


def test_an_application_of_another_kind_is_refused():
    with pytest.raises(BadRequest):
        MCPServer().register_with_app(object())
    with pytest.raises(BadRequest):
        MCPServer().register_with_app(FastAPI(), prefix="api")
