"""Request rows over HTTP: where fields come from, what replies and errors look like."""

from __future__ import annotations

import asyncio
import re
import sys

import aiohttp
import pytest
from aiohttp import web as aiohttp_web

from cidbus.bus import Bus
from cidbus.bus.testing import connect
from cidbus.http_bridge import BridgeSettings, add_routes, serve
from cidbus.http_bridge.replies import reply
from cidbus.schemas import ipfs
from cidbus.schemas.subjects import calls
from cidbus.schemas.wire import Reply

ONE_REQUEST = {"max_requests": 1}


async def problem_of(response: aiohttp.ClientResponse) -> dict[str, object]:
    assert response.content_type == "application/problem+json"
    problem = await response.json(content_type=None)
    assert problem["status"] == response.status
    assert problem["success"] is False
    assert problem["operation_id"] == response.headers["X-Operation-ID"]
    return problem


async def test_a_reply_is_the_models_fields_in_the_documented_envelope(web):
    async with web.post("/ipfs/pin", json={"cid": "abc"}) as response:
        body = await response.json()
        assert response.status == 200
        assert response.headers["X-Operation-ID"] == body["operation_id"]
    assert isinstance(body.pop("duration_ms"), float)
    assert body.pop("operation_id")
    assert body == {"success": True, "cid": "abc", "pinned": True, "mode": "recursive"}


async def test_each_operation_has_an_id_of_its_own(web):
    ids = set()
    for _ in range(3):
        async with web.get("/ipfs/version") as response:
            ids.add(response.headers["X-Operation-ID"])
    assert len(ids) == 3


async def test_the_query_gives_fields_too_and_its_text_becomes_numbers(web, shelf):
    async with web.post("/ipfs/pin?cid=abc&expires_in_s=2.5&recursive=false") as response:
        assert response.status == 200
    assert shelf.asks == [ipfs.PinRequest(cid="abc", expires_in_s=2.5, recursive=False)]


async def test_query_and_body_are_put_together(web, shelf):
    async with web.post("/ipfs/pin?name=x", json={"cid": "abc"}) as response:
        assert response.status == 200
    assert shelf.asks == [ipfs.PinRequest(cid="abc", name="x")]


async def test_a_field_that_query_and_body_give_differently_is_refused(web):
    async with web.post("/ipfs/pin?cid=x", json={"cid": "abc"}) as response:
        assert response.status == 400
        assert (await problem_of(response))["field"] == "cid"


@pytest.mark.parametrize(
    ("path", "field"),
    [("/ipfs/pin?name=a&name=b", "name"), ("/ipfs/stat/abc?cid=abc", "cid")],
    ids=["twice in the query", "in path and query"],
)
async def test_a_field_given_twice_is_refused(web, path, field):
    method = "POST" if "pin" in path else "GET"
    async with web.request(method, path) as response:
        assert response.status == 400
        assert (await problem_of(response))["field"] == field


@pytest.mark.parametrize("path", ["/ipfs/pin?cdi=x", "/ipfs/pin"])
async def test_an_unknown_field_is_named(web, path):
    async with web.post(path, json={"cid": "x", "cdi": "x"}) as response:
        assert response.status == 400
        assert (await problem_of(response))["field"] == "cdi"


async def test_a_wrong_field_is_named_with_the_limit_it_broke(web):
    async with web.post("/ipfs/pin", json={"cid": "x", "expires_in_s": -1}) as response:
        problem = await problem_of(response)
    assert (response.status, problem["field"], problem["limit"]) == (400, "expires_in_s", 0)
    assert problem["retryable"] is False
    assert problem["type"] == "urn:cidbus:problem:bad_request"


@pytest.mark.parametrize("body", ["[1]", '"x"', "{", '{"cid":', "\xff", "1e999", "[" * 5000])
async def test_a_body_that_is_no_json_object_is_refused(web, body):
    headers = {"Content-Type": "application/json"}
    async with web.post("/ipfs/pin", data=body.encode("latin-1"), headers=headers) as response:
        assert response.status == 400
        assert (await problem_of(response))["field"] == "body"


async def test_a_form_is_refused_with_a_hint(web):
    async with web.post("/ipfs/pin", data={"cid": "x"}) as response:
        assert response.status == 415
        assert "application/json" in (await problem_of(response))["detail"]


async def test_a_body_without_a_type_is_read_as_json(web):
    async with web.post("/ipfs/pin", data=b'{"cid":"x"}', skip_auto_headers=["Content-Type"]) as response:
        assert response.status == 200


async def test_a_json_body_above_the_limit_is_refused_before_it_is_sent(web):
    head = b"POST /api/v0/mcp/ipfs/pin HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n{"
    reader, writer = await web.raw(head)
    assert b" 413 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("settings", [{"max_json_bytes": 1000}], indirect=True)
async def test_a_json_body_of_unknown_length_is_refused_when_it_passes_the_limit(web):
    async def endless():
        while True:
            yield b" " * 1000

    async with web.post(
        "/ipfs/pin", data=endless(), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 413
        assert (await problem_of(response))["limit"] == 1000


async def test_paths_below_a_cid_are_the_path_field(web, shelf):
    shelf.put(b"12345", "abc/a b/ü")
    async with web.get("/ipfs/stat/abc/a%20b/%C3%BC") as response:
        assert (await response.json())["size_bytes"] == 5


async def test_head_is_get_without_its_body(web, shelf):
    shelf.put(b"12345", "abc")
    async with web.head("/ipfs/stat/abc") as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 100
        assert await response.read() == b""


async def test_an_error_of_the_actor_is_a_problem_with_its_facts(web):
    async with web.get("/ipfs/stat/none") as response:
        problem = await problem_of(response)
    assert (response.status, problem["what"], problem["name"]) == (404, "block", "none")
    assert problem["detail"] == "block not found: none"


async def test_a_defect_of_the_actor_leaks_nothing(web, caplog):
    async with web.post("/ipfs/pin", json={"cid": "bug"}) as response:
        text = await response.text()
        assert response.status == 500
        assert (await problem_of(response))["error_id"]
    assert "hunter2" not in text
    assert "Traceback" not in text


async def test_a_row_that_no_actor_answers_is_unavailable_and_may_be_tried_again(server):
    async with (
        await connect(server, "bridge") as bus,
        await serve(bus) as bridge,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{bridge.port}/api/v0/mcp/ipfs/version") as response,
    ):
        problem = await problem_of(response)
        assert (response.status, problem["retryable"]) == (503, True)
        assert response.headers["Retry-After"] == "1"


async def test_an_unknown_path_is_a_problem(web):
    for path in ("/nope", "//nope", "/ipfs/cat", "//api/v0/mcp", "//"):
        async with web.get(path) as response:
            assert response.status in (404, 405)
            await problem_of(response)


async def test_a_wrong_method_is_told_the_right_ones(web):
    async with web.get("/ipfs/add") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
        assert (await problem_of(response))["allowed"] == ["POST"]
    async with web.request("DELETE", "/ipfs/id") as response:
        assert response.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("settings", [ONE_REQUEST], indirect=True)
async def test_one_request_too_many_is_told_when_to_come_again(web, shelf):
    first = asyncio.create_task(web.session.post(web.url("/ipfs/pin"), json={"cid": "slow"}))
    await shelf.started.get()
    async with web.get("/ipfs/version") as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) >= 1
        assert (await problem_of(response))["limit"] == 1
    async with web.get("//livez") as response:
        assert response.status == 200
    shelf.go.set()
    async with await first as response:
        assert response.status == 200
    async with web.get("/ipfs/version") as response:
        assert response.status == 200


async def test_a_page_of_another_site_may_not_change_anything(web, shelf):
    for origin in ("https://evil.example", "null"):
        async with web.post("/ipfs/pin", json={"cid": "x"}, headers={"Origin": origin}) as response:
            assert response.status == 403
            assert (await problem_of(response))["field"] == "Origin"
    assert shelf.asks == []


async def test_a_name_that_was_pointed_at_the_bridge_is_another_site(web):
    headers = {"Origin": "http://rebound.example", "Host": "rebound.example"}
    async with web.post("/ipfs/pin", json={"cid": "x"}, headers=headers) as response:
        assert response.status == 403


async def test_a_page_of_the_bridge_itself_may(web):
    origin = f"http://127.0.0.1:{web.port}"
    async with web.post("/ipfs/pin", json={"cid": "x"}, headers={"Origin": origin}) as response:
        assert response.status == 200


@pytest.mark.parametrize("settings", [{"allowed_origins": ("https://app.example",)}], indirect=True)
async def test_a_site_that_the_settings_allow_may(web):
    async with web.post(
        "/ipfs/pin", json={"cid": "x"}, headers={"Origin": "https://app.example"}
    ) as response:
        assert response.status == 200


async def test_every_row_with_a_route_is_served(web):
    for row in calls():
        for line in row.http:
            method, _, path = line.partition(" ")
            url = re.sub(r"{\w+}", "none", path)
            async with web.request(
                method, url, json=None if method == "GET" else {"nonsense": 1}
            ) as response:
                problem = await problem_of(response) if response.status >= 400 else {}
                assert problem.get("type", "") not in (
                    "urn:cidbus:problem:no_such_route",
                    "urn:cidbus:problem:method_not_allowed",
                ), line


async def test_requests_that_were_accepted_end_before_the_bridge_does(bus, host, shelf):
    async with aiohttp.ClientSession() as session:
        bridge = await serve(bus)
        url = f"http://127.0.0.1:{bridge.port}/api/v0/mcp/ipfs/pin"
        accepted = asyncio.create_task(session.post(url, json={"cid": "slow"}))
        await shelf.started.get()
        stopping = asyncio.create_task(bridge.stop())
        await asyncio.sleep(0)
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)
        shelf.go.set()
        async with await accepted as response:
            assert response.status == 200
        await stopping


async def test_a_bridge_that_stops_closes_connections_after_their_answer(bus, host, shelf):
    request = b'POST /api/v0/mcp/ipfs/pin HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"cid":"slow"}'
    bridge = await serve(bus)
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    writer.write(request)
    await shelf.started.get()
    stopping = asyncio.create_task(bridge.stop())
    await asyncio.sleep(0)
    shelf.go.set()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in head
    await stopping
    writer.close()


async def test_an_application_of_ones_own_gets_the_same_routes(bus, host):
    async def hello(_request):
        return aiohttp_web.Response(text="hello")

    app = aiohttp_web.Application()
    app.router.add_get("/", hello)
    add_routes(app, bus, BridgeSettings(), prefix="/mcp")
    runner = aiohttp_web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = aiohttp_web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as session:
            async with session.get("/") as response:
                assert await response.text() == "hello"
            async with session.get("/mcp/ipfs/version") as response:
                assert (await response.json())["backend"] == "shelf"
            async with session.get("/mcp/openapi.json") as response:
                assert "/mcp/ipfs/version" in (await response.json())["paths"]
            async with session.get("/livez") as response:
                assert response.status == 404
                assert response.content_type == "text/plain"
    finally:
        await runner.cleanup()


def test_a_reply_with_an_operation_id_of_its_own_keeps_it():
    class Told(Reply):
        operation_id: str

    assert reply(Told(operation_id="theirs"), "ours", 0.0).body.count(b"operation_id") == 1


async def test_the_bridge_never_imports_an_actor_or_nats(tmp_path):
    code = (
        "import sys, cidbus.http_bridge.app; print([m for m in sys.modules if m.startswith('cidbus.actors')])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.strip() == b"[]"


async def test_a_lost_bus_is_unavailable(web, bus: Bus):
    await bus.close()
    async with web.get("/ipfs/version") as response:
        assert response.status == 503
        await problem_of(response)
