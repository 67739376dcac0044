"""Health, readiness, statistics, and what only debug mode shows."""

from __future__ import annotations

import aiohttp
import pytest

from cidbus.bus.testing import connect
from cidbus.http_bridge import BridgeSettings, serve

DEBUG = {"debug": True}


@pytest.mark.parametrize("path", ["//health", "/health"])
@pytest.mark.parametrize(
    "settings", [{"needed": ("ipfs",), "server_id": "s1", "isolation": True}], indirect=True
)
async def test_health_has_the_documented_fields(web, host, path):
    async with web.get(path) as response:
        health = await response.json()
        assert response.headers["Cache-Control"] == "no-store"
    assert (health["success"], health["status"], health["server_id"]) == (True, "ok", "s1")
    assert (health["debug_mode"], health["isolation_mode"]) == (False, True)
    assert health["timestamp"] > 1e9
    assert health["actors"] == {"ipfs": [host.instance]}


@pytest.mark.parametrize("settings", [{"needed": ("ipfs", "cache")}], indirect=True)
async def test_a_system_without_a_needed_actor_is_degraded_and_not_ready(web):
    async with web.get("//health") as response:
        health = await response.json()
        assert (response.status, health["success"], health["status"]) == (200, False, "degraded")
        assert health["missing"] == ["cache"]
    async with web.get("//readyz") as response:
        assert response.status == 503
        assert (await response.json(content_type=None))["missing"] == ["cache"]


@pytest.mark.parametrize("settings", [{"needed": ("ipfs",)}], indirect=True)
async def test_a_system_with_all_it_needs_is_ready(web):
    async with web.get("//readyz") as response:
        assert response.status == 200


async def test_a_bridge_without_its_bus_lives_but_is_not_ready(web, bus):
    await bus.close()
    async with web.get("//livez") as response:
        assert response.status == 200
    async with web.get("//readyz") as response:
        assert response.status == 503
    async with web.get("//health") as response:
        assert (await response.json())["bus_connected"] is False


async def test_statistics_count_what_each_actor_has_done(web, host):
    async with web.get("/ipfs/version") as response:
        assert response.status == 200
    async with web.get("/ipfs/stat/none") as response:
        assert response.status == 404
    async with web.get("/stats") as response:
        [actor] = (await response.json())["actors"]
    assert (actor["actor"], actor["instance"], actor["requests"], actor["errors"]) == (
        "ipfs",
        host.instance,
        2,
        1,
    )
    by_subject = {endpoint["subject"]: endpoint for endpoint in actor["endpoints"]}
    assert by_subject["cidbus.ipfs.version"]["average_ms"] > 0
    assert by_subject["cidbus.ipfs.stat"]["last_error"].startswith("404")


@pytest.mark.parametrize("path", ["/debug", "/operations"])
async def test_debug_pages_are_closed_without_debug_mode(web, path):
    async with web.get(path) as response:
        problem = await response.json(content_type=None)
        assert (response.status, problem["success"], problem["error_type"]) == (403, False, "DebugDisabled")


@pytest.mark.parametrize("settings", [DEBUG], indirect=True)
async def test_debug_mode_remembers_operations_and_times_them(web):
    async with web.get("/ipfs/version") as response:
        operation_id = response.headers["X-Operation-ID"]
        assert response.headers["X-MCP-Session-ID"]
        assert float(response.headers["X-MCP-Process-Time"]) > 0
    async with web.get("/operations") as response:
        [first, *_] = (await response.json())["operations"]
    assert (first["operation_id"], first["method"], first["status"]) == (operation_id, "GET", 200)
    assert first["path"].endswith("/ipfs/version")
    async with web.get("/debug") as response:
        assert (await response.json())["running_requests"] == 1


@pytest.mark.parametrize("settings", [DEBUG], indirect=True)
async def test_debug_mode_keeps_the_last_thousand_operations(web):
    for _ in range(1005):
        async with web.get("//livez"):
            pass
    async with web.get("/operations") as response:
        assert (await response.json())["count"] == 1000


async def test_without_debug_mode_answers_bear_no_session(web):
    async with web.get("/ipfs/version") as response:
        assert "X-MCP-Session-ID" not in response.headers


async def test_readiness_changes_as_actors_come(server, shelf):
    from cidbus.bus.testing import hosted

    settings = BridgeSettings(needed=("ipfs",), discovery_wait_s=0.1)
    async with (
        await connect(server, "bridge") as bus,
        await serve(bus, settings=settings) as bridge,
        aiohttp.ClientSession(f"http://127.0.0.1:{bridge.port}") as session,
    ):
        async with session.get("/readyz") as response:
            assert response.status == 503
        async with hosted(server, shelf), session.get("/readyz") as response:
            assert response.status == 200
