"""Lists over HTTP: one document or lines, however long they are."""

from __future__ import annotations

import aiohttp
import orjson
import pytest

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
