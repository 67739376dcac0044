"""Content over HTTP: entity tags, ranges, media types, and streams that end as they should."""

from __future__ import annotations

import asyncio
import base64
import random

import aiohttp
import orjson
import pytest

from cidbus.schemas import ipfs

LARGE = random.Random(1).randbytes(3 * 1024 * 1024 + 17)
SMALL = b"0123456789"


async def header(web, path, name, **options):
    async with web.get(path, **options) as response:
        assert response.status in (200, 206)
        return response.headers.get(name)


@pytest.mark.parametrize("path", ["/ipfs/cat/{}", "/ipfs/get/{}"])
@pytest.mark.parametrize("content", [b"", b"hello", LARGE], ids=["empty", "small", "large"])
async def test_a_file_comes_whole_with_its_headers(web, shelf, content, path):
    cid = shelf.put(content)
    async with web.get(path.format(cid)) as response:
        assert await response.read() == content
        assert response.status == 200
        headers = response.headers
    assert headers["Content-Length"] == headers["X-Content-Size"] == str(len(content))
    assert headers["ETag"] == f'"{cid}"'
    assert headers["Cache-Control"] == "public, max-age=29030400, immutable"
    assert headers["X-IPFS-Path"] == f"/ipfs/{cid}"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Accept-Ranges"] == "bytes"
    assert float(headers["X-Operation-Duration-MS"]) > 0
    assert headers["X-Operation-ID"]


@pytest.mark.parametrize("content", [b"", b"hello", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("query", ["", "?filename=a.txt&download=1"])
async def test_head_says_what_get_would(web, shelf, content, query):
    path = f"/ipfs/cat/{shelf.put(content)}{query}"
    async with web.get(path) as got, web.head(path) as head:
        assert head.status == 200
        assert await head.read() == b""
        for headers in (got.headers, head.headers):
            assert headers["Content-Length"]
        own = {"X-Operation-ID", "X-Operation-Duration-MS", "Date"}
        assert {k: v for k, v in got.headers.items() if k not in own} == {
            k: v for k, v in head.headers.items() if k not in own
        }


async def test_head_asks_for_no_more_than_it_sniffs(web, shelf):
    async with web.head(f"/ipfs/cat/{shelf.put(LARGE)}") as response:
        assert response.headers["Content-Length"] == str(len(LARGE))
    assert [ask.length for ask in shelf.asks] == [512]


async def test_post_asks_by_json_for_the_same_bytes(web, shelf):
    cid = shelf.put(LARGE)
    async with web.post("/ipfs/cat", json={"cid": cid, "offset": -10, "length": 5}) as response:
        assert await response.read() == LARGE[-10:-5]
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("content", [b"", b"h", b"hello", LARGE], ids=["empty", "one", "small", "large"])
async def test_post_answers_in_json_if_that_is_accepted(web, shelf, content):
    cid = shelf.put(content)
    accept = {"Accept": "application/json"}
    async with web.post("/ipfs/cat", json={"cid": cid}, headers=accept) as response:
        said = orjson.loads(await response.read())
        assert response.headers["Content-Type"] == "application/json"
    assert (said["success"], said["cid"], said["content_size_bytes"]) == (True, cid, len(content))
    assert base64.b64decode(said["data"], validate=True) == content
    ask = {"cid": cid, "offset": -3, "length": 2}
    async with web.post("/ipfs/cat", json=ask, headers=accept) as response:
        said = orjson.loads(await response.read())
    assert base64.b64decode(said["data"]) == content[-3:][:2]


async def test_query_fields_ask_for_a_part_which_has_a_tag_of_its_own(web, shelf):
    cid = shelf.put(LARGE)
    async with web.get(f"/ipfs/cat/{cid}?offset=5&length=7") as response:
        assert (response.status, await response.read()) == (200, LARGE[5:12])
        assert response.headers["ETag"] not in (f'"{cid}"', None)
        assert response.headers["X-Content-Size"] == str(len(LARGE))


async def test_an_unknown_query_field_is_refused(web, shelf):
    async with web.get(f"/ipfs/cat/{shelf.put(SMALL)}?lenght=7") as response:
        assert response.status == 400


async def test_a_missing_file_is_not_found(web):
    for ask in (web.get, web.head):
        async with ask("/ipfs/cat/none") as response:
            assert response.status == 404
            assert response.content_type == "application/problem+json"


# ---- conditions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tags", ['"{}"', 'W/"{}"', '"x", "{}"', '"x",W/"{}"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_has_it_already_gets_304_without_asking_an_actor(web, shelf, tags, method):
    cid = shelf.put(SMALL)
    condition = {"If-None-Match": tags.format(cid)}
    async with web.request(method, f"/ipfs/cat/{cid}", headers=condition) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == f'"{cid}"'
        assert response.headers["Cache-Control"].endswith("immutable")
        assert "Content-Length" not in response.headers
    assert shelf.asks == []


async def test_who_has_something_else_gets_it_all(web, shelf):
    condition = {"If-None-Match": '"else"'}
    async with web.get(f"/ipfs/cat/{shelf.put(SMALL)}", headers=condition) as response:
        assert (response.status, await response.read()) == (200, SMALL)


async def test_a_star_is_304_only_for_what_exists(web, shelf):
    condition = {"If-None-Match": "*"}
    async with web.get(f"/ipfs/cat/{shelf.put(LARGE)}", headers=condition) as response:
        assert response.status == 304
    async with web.get("/ipfs/cat/none", headers=condition) as response:
        assert response.status == 404
    assert [ask.length for ask in shelf.asks] == [0, 0]


async def test_two_paths_below_a_cid_have_two_tags(web, shelf):
    shelf.put(b"1", "dir/a b")
    shelf.put(b"2", "dir/ü")
    tags = [await header(web, f"/ipfs/cat/dir/{name}", "ETag") for name in ("a%20b", "%C3%BC")]
    assert tags == ['"dir/a%20b"', '"dir/%C3%BC"']


# ---- ranges ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 1),
        ("0-", 0, None),
        ("2-4", 2, 5),
        ("-3", -3, None),
        ("9-9", 9, 10),
        ("8-9999999999", 8, None),
    ],
)
async def test_a_range_is_sent_as_206(web, shelf, content, asked, first, last):
    cid = shelf.put(content)
    async with web.get(f"/ipfs/cat/{cid}", headers={"Range": f"bytes={asked}"}) as response:
        body = await response.read()
        assert response.status == 206
        assert body == content[first:last]
        start = first if first >= 0 else len(content) + first
        assert response.headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        assert response.headers["Content-Length"] == str(len(body))
        assert response.headers["ETag"] == f'"{cid}"'


async def test_a_range_across_chunks_is_exact(web, shelf):
    asked = {"Range": "bytes=262140-1572870"}
    async with web.get(f"/ipfs/cat/{shelf.put(LARGE)}", headers=asked) as response:
        assert await response.read() == LARGE[262140:1572871]


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_suffix_longer_than_the_content_is_all_of_it(web, shelf, content):
    asked = {"Range": "bytes=-999999999"}
    async with web.get(f"/ipfs/cat/{shelf.put(content)}", headers=asked) as response:
        assert (response.status, await response.read()) == (206, content)


@pytest.mark.parametrize("content", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
@pytest.mark.parametrize("asked", ["999999999-", "999999999-9999999999", "-0"])
async def test_a_range_outside_the_content_says_its_size(web, shelf, content, asked):
    cid = shelf.put(content)
    async with web.get(f"/ipfs/cat/{cid}", headers={"Range": f"bytes={asked}"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(content)}"
        assert (await response.json(content_type=None))["size_bytes"] == len(content)


async def test_the_end_of_nothing_is_nothing(web, shelf):
    async with web.get(f"/ipfs/cat/{shelf.put(b'')}", headers={"Range": "bytes=-5"}) as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "bytes=", "bytes=--1", "bytes", "bytes=1-2-3"])
async def test_a_range_that_cannot_be_read_is_refused_by_name(web, shelf, asked):
    async with web.get(f"/ipfs/cat/{shelf.put(SMALL)}", headers={"Range": asked}) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["field"] == "Range"


@pytest.mark.parametrize(
    "asked", ["0-4,2-6", "0-,5-6", "-3,-4", "-3,5-", ",".join(f"{i}-{i}" for i in range(100))]
)
async def test_overlapping_or_many_ranges_are_refused_with_the_limit(web, shelf, asked):
    async with web.get(f"/ipfs/cat/{shelf.put(SMALL)}", headers={"Range": f"bytes={asked}"}) as response:
        problem = await response.json(content_type=None)
        assert (response.status, problem["field"], problem["limit"]) == (416, "Range", 16)


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "items=0-1"])
async def test_what_may_be_ignored_is_answered_by_the_whole(web, shelf, asked):
    async with web.get(f"/ipfs/cat/{shelf.put(SMALL)}", headers={"Range": asked}) as response:
        assert (response.status, await response.read()) == (200, SMALL)


async def test_if_range_gives_the_range_only_of_the_same_content(web, shelf):
    cid = shelf.put(SMALL)
    asked = {"Range": "bytes=0-1"}
    async with web.get(f"/ipfs/cat/{cid}", headers=asked | {"If-Range": f'"{cid}"'}) as response:
        assert (response.status, await response.read()) == (206, b"01")
    for other in ('"else"', f'W/"{cid}"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        async with web.get(f"/ipfs/cat/{cid}", headers=asked | {"If-Range": other}) as response:
            assert (response.status, await response.read()) == (200, SMALL)


async def test_head_has_no_ranges(web, shelf):
    async with web.head(f"/ipfs/cat/{shelf.put(SMALL)}", headers={"Range": "bytes=0-1"}) as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "10")


@pytest.mark.parametrize("asked", ["bytes=9-19", "bytes=0-1", "bytes=-5", "bytes=0-"])
async def test_a_range_has_the_media_type_of_the_file(web, shelf, asked):
    cid = shelf.put(b"\x89PNG\r\n\x1a\n" + bytes(2_000_000))
    assert await header(web, f"/ipfs/cat/{cid}", "Content-Type", headers={"Range": asked}) == "image/png"


# ---- media types and names ---------------------------------------------------------------------------------


async def test_the_name_of_a_path_says_its_type(web, shelf):
    shelf.put(b"body {}", "dir/style.css")
    async with web.get("/ipfs/cat/dir/style.css") as response:
        assert response.headers["Content-Type"] == "text/css; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'inline; filename="style.css"'


async def test_the_query_may_give_a_name_and_ask_to_save(web, shelf):
    cid = shelf.put(SMALL)
    async with web.get(f"/ipfs/cat/{cid}?filename=a.pdf&download=true") as response:
        assert response.headers["Content-Type"] == "application/pdf"
        assert response.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'


async def test_a_hostile_name_stays_inside_its_header(web, shelf):
    cid = shelf.put(SMALL)
    name = "..%2F%22%0D%0AX-Evil:%201%5C%C3%BC.txt"
    async with web.get(f"/ipfs/cat/{cid}?filename={name}") as response:
        assert "X-Evil" not in response.headers
        assert response.headers["Content-Disposition"] == (
            "inline; filename=\"..__X-Evil: 1__.txt\"; filename*=UTF-8''..__X-Evil%3A%201_%C3%BC.txt"
        )


async def test_html_is_sandboxed_and_never_sniffed(web, shelf):
    page = b"<!doctype html><script>alert(1)</script>"
    shelf.put(page, "dir/index.html")
    async with web.get("/ipfs/cat/dir/index.html") as response:
        assert response.content_type == "text/html"
        assert response.headers["Content-Security-Policy"] == "sandbox"
    async with web.get(f"/ipfs/cat/{shelf.put(page)}") as response:
        assert response.content_type == "text/plain"


# ---- blocks and archives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [b"block", LARGE[:1_500_000]], ids=["small", "large"])
async def test_a_block_is_sent_as_it_is_stored(web, shelf, block):
    cid = shelf.put(block)
    async with web.get(f"/ipfs/block/get/{cid}") as response:
        assert await response.read() == block
        assert response.content_type == "application/vnd.ipld.raw"
        assert response.headers["Content-Length"] == str(len(block))
        tag = response.headers["ETag"]
    async with web.get(f"/ipfs/block/get/{cid}", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    async with web.head(f"/ipfs/block/get/{cid}") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(block)))


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_tree_is_sent_as_an_archive(web, shelf, content):
    shelf.put(content, "dir/sub")
    async with web.get("/ipfs/tar/dir/sub") as response:
        assert await response.read() == content
        assert response.content_type == "application/x-tar"
        assert response.headers["Content-Disposition"] == 'attachment; filename="sub.tar"'
    async with web.head("/ipfs/tar/dir/sub") as response:
        assert response.status == 200


# ---- how streams end ---------------------------------------------------------------------------------------


async def test_an_error_in_mid_stream_breaks_the_connection(web):
    async with web.get("/ipfs/cat/breaks") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_client_that_leaves_ends_the_actors_stream(web, shelf):
    response = await web.session.get(web.url("/ipfs/cat/hangs"))
    await response.content.readexactly(1024)
    response.close()
    assert await asyncio.wait_for(shelf.ended.get(), 20) == "hangs"


@pytest.mark.parametrize("settings", [{"write_timeout_s": 0.2}], indirect=True)
async def test_a_client_that_takes_nothing_is_dropped(web, shelf):
    shelf.go.set()
    _reader, writer = await web.raw(b"GET /api/v0/mcp/ipfs/cat/hangs HTTP/1.1\r\nHost: x\r\n\r\n")
    writer.transport.pause_reading()
    assert await asyncio.wait_for(shelf.ended.get(), 20) == "hangs"
    writer.close()


async def test_one_connection_serves_many_answers(web, shelf):
    shelf.put(LARGE, "large")
    shelf.put(SMALL, "small")
    request = b"GET /api/v0/mcp/ipfs/cat/%b HTTP/1.1\r\nHost: x\r\n\r\n"
    reader, writer = await web.raw(request % b"large" + request % b"small" + request % b"none")
    for content in (LARGE, SMALL):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(len(content)) == content
    assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    writer.close()


async def test_the_actor_is_asked_for_exactly_what_the_range_says(web, shelf):
    await header(web, f"/ipfs/cat/{shelf.put(LARGE)}", "ETag", headers={"Range": "bytes=5-9"})
    assert (shelf.asks[0].offset, shelf.asks[0].length) == (5, 5)
    assert isinstance(shelf.asks[0], ipfs.CatRequest)
