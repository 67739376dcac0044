"""Content into the bus: as JSON, as forms, as bytes; with limits, and ends that free everything."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import random

import aiohttp
import orjson
import pytest

LARGE = random.Random(2).randbytes(3 * 1024 * 1024 + 5)
OCTETS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}
POST = b"POST /api/v0/mcp/ipfs/add HTTP/1.1\r\nHost: x\r\n"


def as_json(fields: dict[str, object]) -> dict[str, object]:
    return {"data": io.BytesIO(orjson.dumps(fields)), "headers": JSON}


async def stored(response: aiohttp.ClientResponse, shelf) -> bytes:
    body = await response.json(content_type=None)
    assert response.status == 200, body
    assert body["Hash"] == body["cid"]
    assert body["content_size_bytes"] == len(shelf.content[body["cid"]])
    return shelf.content[body["cid"]]


# ---- JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ipfs/add", "/ipfs/add/json"])
async def test_text_in_json_is_stored_as_utf8(web, shelf, path):
    async with web.post(path, json={"content": "grüße", "filename": "a.txt", "pin": False}) as response:
        assert await stored(response, shelf) == "grüße".encode()
    assert (shelf.asks[0].filename, shelf.asks[0].pin) == ("a.txt", False)


@pytest.mark.parametrize("size", [0, 10, 500_000, 8_000_000])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
async def test_bytes_in_json_are_base64(web, shelf, size, encode):
    data = random.Random(size).randbytes(size)
    async with web.post("/ipfs/add", **as_json({"data": encode(data).decode()})) as response:
        assert await stored(response, shelf) == data


async def test_text_too_long_for_one_message_goes_as_a_stream(web, shelf):
    text = "ü" * 1_500_000
    async with web.post("/ipfs/add?pin=false", **as_json({"content": text, "filename": "x"})) as response:
        assert await stored(response, shelf) == text.encode()
    assert (shelf.asks[0].content, shelf.asks[0].filename, shelf.asks[0].pin) == (None, "x", False)


@pytest.mark.parametrize("padding", [0, 600_000], ids=["small", "large"])
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"content": "x", "data": "eA=="}, "body"),
        ({"content": 5}, "content"),
        ({"data": "%%%"}, "data"),
        ({"data": 7}, "data"),
        ({"contents": "x"}, "contents"),
        ({}, "content"),
        ({"content": "x", "pin": "maybe"}, "pin"),
    ],
)
async def test_json_that_is_wrong_is_refused_small_or_large(web, shelf, fields, field, padding):
    body = orjson.dumps(fields) + b" " * padding
    async with web.post("/ipfs/add", data=body, headers=JSON) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["field"] == field
    assert shelf.asks == []


@pytest.mark.parametrize("settings", [{"max_json_bytes": 100_000}], indirect=True)
async def test_json_above_its_limit_is_refused(web, shelf):
    async with web.post("/ipfs/add", json={"content": "x" * 100_001}) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["limit"] == 100_000
    assert shelf.asks == []


# ---- bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, len(LARGE)])
async def test_bytes_are_stored_as_they_come(web, shelf, size):
    async with web.post(
        "/ipfs/add?filename=x&profile=unixfs-v0-2015", data=io.BytesIO(LARGE[:size])
    ) as response:
        assert await stored(response, shelf) == LARGE[:size]
    assert (shelf.asks[0].filename, shelf.asks[0].profile) == ("x", "unixfs-v0-2015")


async def test_few_bytes_are_one_message(web, shelf):
    async with web.post("/ipfs/add", data=b"few") as response:
        assert response.status == 200
    assert shelf.asks[0].data == b"few"


async def test_a_body_of_unknown_length_is_streamed(web, shelf):
    async def pieces():
        for at in range(0, len(LARGE), 70_001):
            yield LARGE[at : at + 70_001]

    async with web.post("/ipfs/add", data=pieces(), headers=OCTETS) as response:
        assert await stored(response, shelf) == LARGE


async def test_a_block_is_put_by_its_bytes(web, shelf):
    async with web.post("/ipfs/block/put?format=raw&pin=true", data=LARGE[:700_000]) as response:
        assert (await response.json())["size_bytes"] == 700_000
    assert shelf.asks[0].pin is True


async def test_no_body_at_all_is_refused(web):
    reader, writer = await web.raw(POST + b"\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("name", ["content", "data", "content_type"])
async def test_the_query_cannot_give_the_content_beside_a_body(web, name):
    async with web.post(f"/ipfs/add?{name}=x", data=b"x", headers=OCTETS) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["field"] == name


# ---- forms -------------------------------------------------------------------------------------------------


async def test_a_form_with_files_passes_untouched(web, shelf):
    body = b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    async with web.post("/ipfs/add/file?wrap=true", data=body, headers=kind) as response:
        assert await stored(response, shelf) == body
    assert shelf.asks[0].content_type == "multipart/form-data; boundary=b"
    assert shelf.asks[0].wrap is True


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ipfs/add", "application/x-www-form-urlencoded"),
        ("/ipfs/add", "multipart/mixed; boundary=b"),
        ("/ipfs/block/put", "multipart/form-data; boundary=b"),
    ],
)
async def test_other_forms_are_refused_with_a_hint(web, path, kind):
    async with web.post(path, data=b"x", headers={"Content-Type": kind}) as response:
        assert response.status == 415
        assert "--data-binary" in (await response.json(content_type=None))["detail"]


# ---- limits and ends ---------------------------------------------------------------------------------------


async def test_a_client_that_waits_for_100_continue_gets_it(web, shelf):
    reader, writer = await web.raw(POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")
    assert b" 200 " in await reader.readline()
    writer.close()
    assert b"hello" in shelf.content.values()


@pytest.mark.parametrize("settings", [{"max_upload_bytes": 1_000_000}], indirect=True)
async def test_a_client_that_waits_is_refused_before_it_sends_too_much(web):
    reader, writer = await web.raw(POST + b"Content-Length: 1000001\r\nExpect: 100-continue\r\n\r\n")
    assert b" 413 " in await reader.readline()
    writer.close()


async def test_another_expectation_fails(web):
    for path in ("/ipfs/add", "/ipfs/pin", "/nope"):
        async with web.post(path, data=b"x", headers={"Expect": "wonders"}) as response:
            assert response.status == 417
            assert (await response.json(content_type=None))["field"] == "Expect"


@pytest.mark.parametrize("settings", [{"max_held_bytes": 1000}], indirect=True)
async def test_bodies_that_are_read_whole_share_a_limit(web, bridge):
    async with web.post("/ipfs/pin", data=b" " * 1001, headers=JSON) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
    async with web.post("/ipfs/add", json={"content": "x" * 900}) as response:
        assert response.status == 200
    async with web.post("/ipfs/add", json={"content": "x" * 900}) as response:
        assert response.status == 200


@pytest.mark.parametrize("settings", [{"max_upload_bytes": 1_000_000}], indirect=True)
async def test_an_upload_that_passes_its_limit_is_refused_and_dropped(web, shelf):
    async def endless():
        while True:
            yield bytes(100_000)

    async with web.post("/ipfs/add?filename=big", data=endless(), headers=OCTETS) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["limit"] == 1_000_000
    assert await asyncio.wait_for(shelf.ended.get(), 5) == "big"
    assert shelf.content == {}


@pytest.mark.parametrize("settings", [{"read_timeout_s": 0.1}], indirect=True)
@pytest.mark.parametrize("length", [1000, 10_000_000], ids=["small", "large"])
async def test_a_body_that_stops_coming_times_out(web, shelf, length):
    reader, writer = await web.raw(POST + b"Content-Length: %d\r\n\r\nhello" % length)
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert shelf.content == {}


async def test_a_client_that_leaves_ends_the_upload(web, shelf):
    _reader, writer = await web.raw(
        b"POST /api/v0/mcp/ipfs/add?filename=x HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
        + bytes(10**6)
    )
    assert await shelf.started.get() == "x"
    writer.transport.abort()
    assert await asyncio.wait_for(shelf.ended.get(), 5) == "x"
    assert shelf.content == {}


async def test_an_upload_that_the_actor_refuses_is_answered_at_once(web):
    async def endless():
        while True:
            yield bytes(100_000)

    async with web.post("/ipfs/add?filename=refused", data=endless(), headers=OCTETS) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["problem"] == "refused"


async def test_a_broken_chunked_body_is_a_bad_request(web, shelf):
    reader, writer = await web.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    assert shelf.content == {}


async def test_a_compressed_body_is_stored_unpacked(web, shelf):
    packed = {"Content-Encoding": "gzip", **OCTETS}
    async with web.post("/ipfs/add", data=gzip.compress(b"hello"), headers=packed) as response:
        assert await stored(response, shelf) == b"hello"


async def test_the_same_bytes_in_any_form_have_the_same_cid(web):
    cids = set()
    for options in ({"json": {"content": "same"}}, {"json": {"data": "c2FtZQ=="}}, {"data": b"same"}):
        async with web.post("/ipfs/add", **options) as response:
            cids.add((await response.json())["cid"])
    assert cids == {"bafy" + hashlib.sha256(b"same").hexdigest()}
