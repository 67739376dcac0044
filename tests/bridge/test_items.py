"""Lists over HTTP: one document or lines, however long they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from cidbus.bus import Actor, handles
from cidbus.bus.testing import hosted
from cidbus.http_bridge import serve
from cidbus.schemas import ipfs, subjects

from .conftest import Web

LINES = {"Accept": "application/x-ndjson"}


@pytest.mark.parametrize("count", [0, 1, 3, 20_000])
async def test_a_list_is_one_json_document(web, count):
    async with web.get(f"/ipfs/ls/dir{count}") as response:
        body = orjson.loads(await response.read())
        assert response.content_type == "application/json"
        assert body["operation_id"] == response.headers["X-Operation-ID"]
    assert body["success"] is True
    assert body["count"] == len(body["entries"]) == count
    assert [entry["size_bytes"] for entry in body["entries"]] == list(range(count))
    assert body["duration_ms"] > 0


@pytest.mark.parametrize("count", [0, 3, 20_000])
async def test_who_asks_for_lines_gets_lines(web, count):
    async with web.get(f"/ipfs/ls/dir{count}", headers=LINES) as response:
        lines = (await response.read()).splitlines()
        assert response.content_type == "application/x-ndjson"
    assert [orjson.loads(line)["size_bytes"] for line in lines] == list(range(count))


@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "lines"])
async def test_an_error_in_mid_list_breaks_the_connection(web, headers):
    async with web.get("/ipfs/ls/dir20000broken", headers=headers) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_filter_in_the_query_reaches_the_actor(web, shelf):
    cid = shelf.put(b"x")
    async with web.get("/ipfs/pins?type=recursive") as response:
        assert [pin["cid"] for pin in (await response.json())["pins"]] == [cid]
    assert shelf.asks[0].type == "recursive"


async def test_a_wrong_filter_is_refused(web):
    async with web.get("/ipfs/pins?type=some") as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["field"] == "type"


@pytest.mark.parametrize("count", [1, 20_000])
async def test_head_sends_no_list(web, count):
    async with web.head(f"/ipfs/ls/dir{count}") as response:
        assert (response.status, await response.read()) == (200, b"")


class Searching(Actor):
    """Looks for entries and never finds one."""

    name = "ipfs"

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        self.begun.set()
        try:
            while True:
                await asyncio.sleep(0)
        finally:
            self.ended.set()
        yield


async def test_a_client_that_leaves_before_the_first_entry_ends_the_search(server, bus):
    actor = Searching()
    async with (
        hosted(server, actor),
        await serve(bus, "127.0.0.1", 0) as bridge,
        aiohttp.ClientSession() as session,
    ):
        _, writer = await Web(session, bridge.port).raw(
            b"GET /api/v0/mcp/ipfs/ls/dir1 HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        async with asyncio.timeout(5):
            await actor.begun.wait()
            writer.close()
            await actor.ended.wait()
