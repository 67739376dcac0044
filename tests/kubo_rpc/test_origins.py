"""Pages of other sites may not use the node of whoever visits them."""

from __future__ import annotations

import pytest

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
ALLOWED = [{"allowed_origins": ("https://app.example",)}]


async def post(rpc, **headers: str) -> tuple[int, str]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with rpc.session.post(f"{rpc.url}/api/v0/version", headers=given) as response:
        return response.status, await response.text()


async def test_a_page_of_another_site_is_refused(rpc):
    assert await post(rpc, Origin="https://evil.example") == (403, "403 - Forbidden\n")
    assert (await post(rpc, Origin="null"))[0] == 403
    assert (await post(rpc, Referer="https://evil.example/page"))[0] == 403
    assert (await post(rpc, Referer="https://[bad"))[0] == 403


async def test_a_browser_that_hides_its_page_is_refused(rpc):
    assert (await post(rpc, User_Agent=BROWSER))[0] == 403
    assert (await post(rpc, User_Agent=BROWSER + " Electron/30"))[0] == 200
    assert (await post(rpc, User_Agent="curl/8.5"))[0] == 200


async def test_the_nodes_own_pages_are_served(rpc):
    status, _ = await post(rpc, Origin=rpc.url, Referer=f"{rpc.url}/docs", User_Agent=BROWSER)
    assert status == 200


async def test_a_name_that_points_at_the_node_is_no_page_of_its_own(rpc):
    assert (await post(rpc, Origin="http://rebound.example", Host="rebound.example"))[0] == 403


@pytest.mark.parametrize("settings", ALLOWED, indirect=True)
async def test_an_allowed_page_may_call_and_read(rpc):
    headers = {"Origin": "https://app.example", "User-Agent": BROWSER}
    async with rpc.session.post(f"{rpc.url}/api/v0/version", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert response.headers["Vary"] == "Origin"
        assert "X-Stream-Error" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("settings", ALLOWED, indirect=True)
async def test_an_allowed_page_may_ask_before_it_calls(rpc):
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with rpc.session.options(f"{rpc.url}/api/v0/add", headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert response.headers["Access-Control-Allow-Methods"] == "POST"
        assert "Content-Type" in response.headers["Access-Control-Allow-Headers"]
    foreign = asked | {"Origin": "https://evil.example"}
    async with rpc.session.options(f"{rpc.url}/api/v0/add", headers=foreign) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers
