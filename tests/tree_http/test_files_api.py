"""`/ipfs/files/…`: the tree in the documented words."""

from __future__ import annotations

import io
from typing import Any

import pytest

from cidbus.schemas.ipfs import AddRequest
from cidbus.schemas.subjects import ADD

from .conftest import MIB, Web

FILES = "/ipfs/files"


async def post(web: Web, verb: str, **fields: Any) -> tuple[int, Any, Any]:
    return await web.ask("POST", f"{FILES}/{verb}", json=fields)


async def test_a_tree_is_made_read_and_removed(web: Web):
    status, made, headers = await post(web, "mkdir", path="/a/b", parents=True)
    assert (status, made["success"], made["outcomes"][0]["path"]) == (200, True, "/a/b")
    assert made["operation_id"] == headers["X-Operation-ID"]
    status, written, _ = await post(web, "write", path="/a/b/c", content="Hello")
    assert (status, written["outcomes"][0]["size_bytes"]) == (200, 5)
    status, stat, _ = await web.get(f"{FILES}/stat?path=/a/b/c")
    assert (stat["type"], stat["size_bytes"], stat["root"]) == ("file", 5, written["root"])
    assert (await post(web, "stat", path="/a/b/c"))[1]["cid"] == stat["cid"]
    status, listing, _ = await web.get(f"{FILES}/ls?path=/a/b&long=true")
    assert [(e["name"], e["cid"], e["size_bytes"]) for e in listing["entries"]] == [("c", stat["cid"], 5)]
    assert [e["name"] for e in (await post(web, "ls"))[1]["entries"]] == ["a"]
    assert (await web.get(f"{FILES}/read?path=/a/b/c&offset=1&count=3"))[1] == b"ell"
    assert (await post(web, "read", path="/a/b/c"))[1] == b"Hello"
    status, flushed, _ = await web.get(f"{FILES}/flush?path=/a/b/c")
    assert (flushed["cid"], flushed["root"]) == (stat["cid"], written["root"])
    status, problem, _ = await web.ask("DELETE", f"{FILES}/rm?path=/a")
    assert (status, problem["success"]) == (409, False)
    assert (await web.ask("DELETE", f"{FILES}/rm?path=/a&recursive=true"))[0] == 200
    assert await web.names("") == []


async def test_content_comes_in_a_body_or_in_json(web: Web):
    large = bytes(range(256)) * (2 * MIB // 256)
    assert (await web.ask("POST", f"{FILES}/write?path=/f", data=io.BytesIO(large)))[0] == 200
    assert (await web.get(f"{FILES}/read?path=/f"))[1] == large
    await web.ask("POST", f"{FILES}/write?path=/f&offset=4&truncate=false&count=2", data=b"xyz")
    assert (await web.get(f"{FILES}/read?path=/f&count=8"))[1] == b"\0\1\2\3xy\6\7"
    await web.ask("POST", f"{FILES}/write?path=/f", json="text alone")
    await post(web, "write", path="/g", data="AAH/")
    assert (await web.get(f"{FILES}/read?path=/f"))[1] == b"text alone"
    assert (await web.get(f"{FILES}/read?path=/g"))[1] == b"\0\1\xff"


async def test_entries_are_copied_moved_and_described(web: Web):
    cid = (await web.bus.upload(ADD, AddRequest(content="by its CID"))).cid
    assert (await post(web, "cp", source=f"/ipfs/{cid}", destination="/a/f", parents=True))[0] == 200
    assert (await post(web, "cp", source="/a/f", destination="/g"))[0] == 200
    assert (await post(web, "cp", source="/a/f", destination="/g"))[0] == 409
    assert (await post(web, "cp", source="/a/f", destination="/g", force=True))[0] == 200
    assert (await post(web, "mv", source="/g", destination="/a/h"))[0] == 200
    assert await web.names("/a") == ["f", "h"]
    assert (await post(web, "chmod", path="/a/h", mode="0640"))[0] == 200
    assert (await post(web, "touch", path="/a/h", mtime=5))[0] == 200
    stat = (await web.get(f"{FILES}/stat?path=/a/h"))[1]
    assert (stat["mode"], stat["mtime"], stat["size_bytes"]) == (0o640, 5, 10)
    assert (await post(web, "rm", path="/none", force=True))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("GET", "stat?path=/none", None, 404, None),
        ("GET", "read?path=/none", None, 404, None),
        ("GET", "read?path=/", None, 400, None),
        ("GET", "ls?path=relative", None, 400, "path"),
        ("GET", "read", None, 400, "path"),
        ("POST", "mkdir", {"path": "/a/b"}, 404, None),
        ("POST", "mkdir", {"path": "/../a"}, 400, "path"),
        ("POST", "write", {"path": "/f"}, 400, "content"),
        ("POST", "write", {"path": "/f", "content": "", "create": False}, 404, None),
        ("POST", "write", {"path": "/f", "content": "", "count": -1}, 400, "count"),
        ("POST", "chmod", {"path": "/", "mode": "rwx"}, 400, "mode"),
        ("POST", "cp", {"source": "/ipfs/nonsense", "destination": "/f"}, 400, None),
        ("POST", "rm", {"path": "/none"}, 404, None),
        ("PUT", "write?path=/f", None, 405, None),
    ],
)
async def test_what_cannot_be_done_is_a_problem_that_says_why(web: Web, method, path, body, status, field):
    found, problem, headers = await web.ask(method, f"{FILES}/{path}", json=body)
    assert (found, problem["status"], problem["success"]) == (status, status, False)
    assert headers["Content-Type"] == "application/problem+json"
    assert field is None or problem["field"] == field
    assert await web.names("") == []
