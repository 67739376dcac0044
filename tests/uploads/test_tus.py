"""The tus protocol, section by section (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from email.utils import parsedate_to_datetime

import orjson
import pytest
from waiting import until

from cidbus.http_bridge.uploading.headers import metadata
from cidbus.schemas.errors import BadRequest

from .conftest import API, BYTES, ORIGIN, TUS, Web, pattern, plain_cid, stream


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


# ---- core -----------------------------------------------------------------------------------------------


async def test_an_upload_in_two_goes_has_the_cid_of_a_plain_add(web: Web):
    content = pattern(3_000_000)
    path = await web.begin(len(content), **{"Upload-Metadata": f"filename {b64('ä.bin')},is_private"})
    assert await web.offset(path) == 0
    half = await web.patch(path, 0, content[:1_000_000])
    assert (half.status, half.headers["Upload-Offset"]) == (204, "1000000")
    assert "Cidbus-Cid" not in half.headers
    done = await web.patch(path, 1_000_000, io.BytesIO(content[1_000_000:]))
    cid = await plain_cid(content)
    head = await web.ask("HEAD", path, headers=TUS)
    for answer in (done, head):
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Cidbus-Cid"] == cid
        assert answer.headers["X-Ipfs-Path"] == f"/ipfs/{cid}"
    assert head.headers["Cache-Control"] == "no-store"
    assert head.headers["Upload-Length"] == "3000000"
    assert head.headers["Upload-Metadata"] == f"filename {b64('ä.bin')},is_private"
    said = orjson.loads((await web.ask("GET", path)).body)
    assert (said["cid"], said["complete"], said["filename"]) == (cid, True, "ä.bin")
    assert (await web.ask("GET", f"/ipfs/cat/{cid}")).body == content


async def test_options_tell_what_the_server_can(web: Web):
    for path in ("/uploads", "/uploads/x"):
        answer = await web.ask("OPTIONS", path)
        assert answer.status == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Max-Size"] == str(1 << 30)
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,md5,crc32"
        assert set(answer.headers["Tus-Extension"].split(",")) == {
            "creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "termination",
        }  # fmt: skip


async def test_a_request_of_another_version_is_refused(web: Web):
    path = await web.begin(3)
    for version in ({}, {"Tus-Resumable": "0.2.2"}):
        for method, where in (("POST", "/uploads"), ("HEAD", path), ("PATCH", path), ("DELETE", path)):
            answer = await web.ask(method, where, headers=version)
            assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert await web.offset(path) == 0


@pytest.mark.parametrize("offset", ["1", "4", "9007199254740992"])
async def test_an_offset_that_lies_is_a_conflict(web: Web, offset: str):
    path = await web.begin(10)
    await web.patch(path, 0, b"abc")
    answer = await web.patch(path, 0, b"x", **{"Upload-Offset": offset})
    assert answer.status == 409
    assert orjson.loads(answer.body)["offset"] == 3
    assert await web.offset(path) == 3


@pytest.mark.parametrize("offset", ["-1", "1.5", "x", "", "0x3", "9" * 30, "٣"])
async def test_what_is_no_offset_is_refused(web: Web, offset: str):
    path = await web.begin(10)
    answer = await web.patch(path, 0, b"x", **{"Upload-Offset": offset})
    assert (answer.status, orjson.loads(answer.body)["field"]) == (400, "Upload-Offset")


async def test_bytes_of_another_type_or_without_an_offset_are_refused(web: Web):
    path = await web.begin(3)
    answer = await web.patch(path, 0, b"abc", **{"Content-Type": "application/octet-stream"})
    assert answer.status == 415
    assert (await web.ask("PATCH", path, data=b"abc", headers=BYTES)).status == 400
    assert await web.offset(path) == 0


async def test_more_bytes_than_were_promised_are_refused(web: Web):
    path = await web.begin(3)
    assert (await web.patch(path, 0, b"abcd")).status == 413
    assert await web.offset(path) == 0
    assert (await web.patch(path, 0, b"abc")).status == 204
    assert (await web.patch(path, 3, b"d")).status == 413


async def test_an_upload_that_is_not_there_is_not_found(web: Web):
    for method in ("HEAD", "PATCH", "DELETE", "GET"):
        answer = await web.ask(method, "/uploads/nothing", headers=BYTES | {"Upload-Offset": "0"})
        assert answer.status == 404
        assert "Upload-Offset" not in answer.headers
    assert (await web.ask("PUT", "/uploads/nothing")).status == 405
    assert (await web.ask("POST", "/uploads/nothing", headers=TUS)).status == 405


async def test_a_proxy_that_lets_only_post_through_is_no_obstacle(web: Web):
    path = await web.begin(3)
    headers = BYTES | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await web.ask("POST", path, data=b"abc", headers=headers)).status == 204
    head = await web.ask("POST", path, headers=TUS | {"X-HTTP-Method-Override": "HEAD"})
    assert (head.status, head.headers["Upload-Offset"]) == (200, "3")
    assert (await web.ask("POST", path, headers=TUS | {"X-HTTP-Method-Override": "DELETE"})).status == 204
    assert (await web.ask("HEAD", path, headers=TUS)).status == 404


# ---- creation -------------------------------------------------------------------------------------------


async def test_the_first_bytes_may_come_with_the_request_for_the_upload(web: Web):
    answer = await web.ask("POST", "/uploads", data=b"abc", headers=BYTES | {"Upload-Length": "6"})
    assert (answer.status, answer.headers["Upload-Offset"]) == (201, "3")
    done = await web.patch(answer.headers["Location"], 3, b"def")
    assert done.headers["Cidbus-Cid"] == await plain_cid(b"abcdef")
    whole = await web.ask("POST", "/uploads", data=b"abc", headers=BYTES | {"Upload-Length": "3"})
    assert whole.headers["Cidbus-Cid"] == await plain_cid(b"abc")
    empty = await web.ask("POST", "/uploads", headers=TUS | {"Upload-Length": "0"})
    assert empty.headers["Cidbus-Cid"] == await plain_cid(b"")


async def test_an_upload_whose_first_bytes_are_refused_is_not_begun(web: Web):
    answer = await web.ask("POST", "/uploads", data=b"abc", headers=BYTES | {"Upload-Length": "2"})
    assert answer.status == 413
    assert orjson.loads((await web.ask("GET", "/ipfs/upload/ls")).body)["uploads"] == []


async def test_the_length_may_be_told_later_and_once(web: Web):
    path = await web.begin(None)
    head = await web.ask("HEAD", path, headers=TUS)
    assert head.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in head.headers
    await web.patch(path, 0, b"abc")
    answer = await web.patch(path, 3, b"de", **{"Upload-Length": "6"})
    assert (answer.status, answer.headers["Upload-Length"]) == (204, "6")
    assert (await web.patch(path, 5, b"f", **{"Upload-Length": "7"})).status == 409
    assert (await web.patch(path, 5, b"f")).headers["Cidbus-Cid"] == await plain_cid(b"abcdef")


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({}, "Upload-Length"),
        ({"Upload-Length": "3", "Upload-Defer-Length": "1"}, "Upload-Length"),
        ({"Upload-Length": "-3"}, "Upload-Length"),
        ({"Upload-Defer-Length": "2"}, "Upload-Defer-Length"),
        ({"Upload-Length": "3", "Upload-Metadata": "a b c"}, "Upload-Metadata"),
        ({"Upload-Length": "3", "Upload-Metadata": "a YQ==,a Yg=="}, "Upload-Metadata"),
        ({"Upload-Length": "3", "Upload-Metadata": f"profile {b64('no such')}"}, "profile"),
        ({"Upload-Length": "3", "Upload-Metadata": f"filename {b64('n' * 300)}"}, "filename"),
        ({"Upload-Length": "3", "Upload-Metadata": f"path {b64('/a/../b')}"}, "path"),
    ],
)
async def test_a_creation_that_makes_no_sense_is_refused_by_name(
    web: Web, headers: dict[str, str], field: str
):
    answer = await web.ask("POST", "/uploads", headers=TUS | headers)
    assert (answer.status, orjson.loads(answer.body)["field"]) == (400, field)


async def test_an_upload_above_the_limit_is_refused(web: Web):
    answer = await web.ask("POST", "/uploads", headers=TUS | {"Upload-Length": str((1 << 30) + 1)})
    assert answer.status == 413


async def test_profile_and_pin_are_taken_from_the_metadata(web: Web):
    said = f"profile {b64('unixfs-v0-2015')},pin {b64('false')}"
    path = await web.begin(3, **{"Upload-Metadata": said})
    done = await web.patch(path, 0, b"abc")
    assert done.headers["Cidbus-Cid"] == await plain_cid(b"abc", "unixfs-v0-2015")
    assert orjson.loads((await web.ask("GET", "/ipfs/pin/ls")).body)["pins"] == []


# ---- checksum, expiration, termination ------------------------------------------------------------------


async def test_bytes_that_do_not_match_their_checksum_are_not_kept(web: Web):
    path = await web.begin(6)
    right = f"sha1 {b64(hashlib.sha1(b'abc').digest())}"
    assert (await web.patch(path, 0, b"abd", **{"Upload-Checksum": right})).status == 460
    assert await web.offset(path) == 0
    assert (await web.patch(path, 0, b"abc", **{"Upload-Checksum": "sha3 AAAA"})).status == 400
    assert (await web.patch(path, 0, b"abc", **{"Upload-Checksum": right})).status == 204


async def test_an_upload_says_when_it_expires(web: Web):
    path = await web.begin(6)
    head = await web.ask("HEAD", path, headers=TUS)
    patched = await web.patch(path, 0, b"abc")
    for answer in (head, patched):
        assert parsedate_to_datetime(answer.headers["Upload-Expires"]).tzinfo is not None


async def test_a_deleted_upload_is_gone(web: Web):
    path = await web.begin(6)
    await web.patch(path, 0, b"abc")
    assert (await web.ask("DELETE", path, headers=TUS)).status == 204
    assert (await web.ask("HEAD", path, headers=TUS)).status == 404
    assert (await web.patch(path, 3, b"def")).status == 404


# ---- connections that break -----------------------------------------------------------------------------


def patch_head(path: str, length: int, *lines: str) -> bytes:
    head = [f"PATCH {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", "Upload-Offset: 0"]
    return "\r\n".join(
        [*head, *(f"{name}: {value}" for name, value in BYTES.items()), *lines, "", ""]
    ).encode()


async def test_every_byte_counts_that_came_before_the_connection_broke(web: Web):
    content = pattern(700_000)
    path = await web.begin(1_000_000)
    _, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(patch_head(path, 1_000_000) + content)
    await writer.drain()
    writer.close()
    await until(lambda: reached(web, path, 700_000))
    said = orjson.loads((await web.ask("GET", path)).body)
    assert said["cid"] == await plain_cid(content)


async def test_half_of_what_has_a_checksum_is_not_kept(web: Web):
    path = await web.begin(6)
    right = f"Upload-Checksum: sha1 {b64(hashlib.sha1(b'abcdef').digest())}"
    _, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(patch_head(path, 6, right) + b"abc")
    await writer.drain()
    writer.close()
    answer = await until(lambda: patched(web, path))
    assert answer.headers["Upload-Offset"] == "6"


async def patched(web: Web, path: str):
    """The answer to an append from the start, once no other one is running."""
    answer = await web.patch(path, 0, b"abcdef")
    assert answer.status in (204, 423)
    return answer if answer.status == 204 else None


async def reached(web: Web, path: str, offset: int) -> bool:
    return await web.offset(path) == offset


async def test_a_second_request_is_told_that_the_upload_is_locked(web: Web):
    path = await web.begin(6)
    go = asyncio.Event()

    async def body():
        yield b"abc"
        await go.wait()
        yield b"def"

    first = asyncio.create_task(web.patch(path, 0, body()))
    second = await until(lambda: refused(web, path))
    assert second.status == 423
    go.set()
    assert (await first).headers["Cidbus-Cid"] == await plain_cid(b"abcdef")


async def refused(web: Web, path: str):
    # Before the first request has arrived this one is at the wrong offset.
    answer = await web.patch(path, 1, b"x")
    assert answer.status in (409, 423)
    return answer if answer.status == 423 else None


# ---- browsers -------------------------------------------------------------------------------------------


async def test_pages_of_allowed_origins_may_upload_and_read_every_header(web: Web):
    wanted = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "upload-offset"}
    before = await web.ask("OPTIONS", "/uploads", headers=wanted | {"Origin": ORIGIN})
    assert before.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "PATCH" in before.headers["Access-Control-Allow-Methods"]
    taken = before.headers["Access-Control-Allow-Headers"].lower()
    for name in ("tus-resumable", "upload-offset", "upload-length", "upload-metadata", "content-type"):
        assert name in taken
    made = await web.ask("POST", "/uploads", headers=TUS | {"Upload-Length": "3", "Origin": ORIGIN})
    shown = made.headers["Access-Control-Expose-Headers"].lower()
    assert made.status == 201
    for name in ("location", "upload-offset", "upload-expires", "cidbus-cid"):
        assert name in shown
    path = made.headers["Location"]
    wrong = await web.patch(path, 2, b"x", Origin=ORIGIN)
    assert (wrong.status, wrong.headers["Access-Control-Allow-Origin"]) == (409, ORIGIN)


async def test_pages_of_other_origins_may_not(web: Web):
    headers = TUS | {"Upload-Length": "3", "Origin": "https://evil.example"}
    assert (await web.ask("POST", "/uploads", headers=headers)).status == 403
    before = await web.ask("OPTIONS", "/uploads", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in before.headers


# ---- metadata -------------------------------------------------------------------------------------------


def test_metadata_are_read_as_tus_writes_them():
    assert metadata(f"filename {b64('ä')},empty,  other {b64('x')}") == {
        "filename": "ä",
        "empty": "",
        "other": "x",
    }
    assert metadata(f"binary {b64(bytes([255]))}") == {}
    assert metadata("") == {}
    for wrong in (",", "a,,b", "a b", "ä YQ==", "a YQ==\r\nSet-Cookie: x", "a Y"):
        with pytest.raises(BadRequest):
            metadata(wrong)


async def test_metadata_that_no_header_can_have_are_left_out(web: Web):
    made = await web.ask("POST", "/ipfs/upload/create", json={"metadata": "a\r\nSet-Cookie: x"})
    path = f"{API}/uploads/{orjson.loads(made.body)['id']}"
    head = await web.ask("HEAD", path, headers=TUS)
    assert head.status == 200
    assert not {"Upload-Metadata", "Set-Cookie"} & set(head.headers)
    assert (await web.patch(path, 0, stream(b"abc"))).status == 204
