"""The tree as paths with methods: what a user of curl sees."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from cidbus.schemas import ipfs
from cidbus.schemas.subjects import ADD

from .conftest import MIB, Web


async def cid_of(web: Web, content: bytes) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return (await web.bus.upload(ADD, ipfs.AddRequest(), pieces())).cid


async def test_a_body_becomes_a_file_that_is_read_back_under_its_name(web: Web):
    status, placed, headers = await web.put("/fs/notes/today.txt", b"hello")
    assert status == 201
    assert placed["path"] == "/notes/today.txt"
    assert headers["ETag"] == f'"{await cid_of(web, b"hello")}"' == f'"{placed["cid"]}"'
    status, content, headers = await web.get("/fs/notes/today.txt")
    assert (status, content) == (200, b"hello")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cidbus-Root"] == placed["root"]
    assert headers["Cidbus-Sequence"] == str(placed["sequence"])
    assert headers["Cache-Control"] == "no-cache"


async def test_a_second_body_replaces_the_first(web: Web):
    await web.put("/fs/a.txt", b"a long first version")
    status, placed, _ = await web.put("/fs/a.txt", b"short")
    assert status == 200
    assert not placed["created"]
    assert (await web.get("/fs/a.txt"))[1] == b"short"


async def test_a_large_body_goes_past_the_journal_and_has_the_cid_of_a_plain_add(web: Web):
    content = os.urandom(3 * MIB + 17)
    status, placed, _ = await web.put("/fs/deep/er/large.bin", content)
    assert status == 201
    assert placed["cid"] == await cid_of(web, content)
    _, back, _ = await web.get("/fs/deep/er/large.bin")
    assert back == content


async def test_bytes_are_written_at_an_offset_and_at_the_end(web: Web):
    await web.put("/fs/f", b"0123456789")
    await web.put("/fs/f?offset=3", b"abc")
    assert (await web.get("/fs/f"))[1] == b"012abc6789"
    await web.put("/fs/f?append", b"!")
    assert (await web.get("/fs/f"))[1] == b"012abc6789!"
    large = os.urandom(MIB)
    await web.put("/fs/f?offset=2", large)
    assert (await web.get("/fs/f"))[1] == b"01" + large
    await web.put("/fs/f?append", large)
    assert (await web.get("/fs/f"))[1] == b"01" + large + large


async def test_a_range_of_a_file_is_that_range(web: Web):
    await web.put("/fs/r.bin", bytes(range(256)) * 4096)
    status, part, headers = await web.get("/fs/r.bin", headers={"Range": "bytes=256-511"})
    assert (status, part) == (206, bytes(range(256)))
    assert headers["Content-Range"] == "bytes 256-511/1048576"
    status, nothing, _ = await web.get("/fs/r.bin", headers={"If-None-Match": headers["ETag"]})
    assert (status, nothing) == (304, b"")


async def test_head_says_what_get_would(web: Web):
    await web.put("/fs/x/h.txt", b"hello")
    status, body, headers = await web.ask("HEAD", "/fs/x/h.txt")
    assert (status, body, headers["Content-Length"], headers["Cidbus-Type"]) == (200, b"", "5", "file")
    status, _, headers = await web.ask("HEAD", "/fs/x")
    assert (status, headers["Cidbus-Type"]) == (200, "directory")


async def test_content_that_has_a_cid_is_placed_without_being_sent_again(web: Web):
    cid = await cid_of(web, b"already here")
    status, placed, _ = await web.put(f"/fs/in/place.txt?cid={cid}")
    assert (status, placed["cid"]) == (201, cid)
    assert (await web.get("/fs/in/place.txt"))[1] == b"already here"


async def test_directories_are_listed_searched_and_removed(web: Web):
    for path in ("a/1.txt", "a/2.md", "a/b/3.txt"):
        await web.put(f"/fs/{path}", path.encode())
    assert sorted(await web.names("/a")) == ["1.txt", "2.md", "b"]
    _, found, _ = await web.get("/fs/a?glob=*.txt")
    assert sorted(entry["path"] for entry in found["entries"]) == ["/a/1.txt", "/a/b/3.txt"]
    _, whole, _ = await web.get("/fs/?recursive")
    assert {entry["path"] for entry in whole["entries"]} >= {"/a", "/a/b", "/a/b/3.txt"}
    status, problem, _ = await web.ask("DELETE", "/fs/a")
    assert status == 409, problem
    status, _, _ = await web.ask("DELETE", "/fs/a?recursive")
    assert status == 200
    assert await web.names("/") == []


async def test_entries_are_moved_and_copied(web: Web):
    await web.put("/fs/one.txt", b"1")
    await web.put("/fs/two.txt", b"2")
    status, moved, _ = await web.ask("MOVE", "/fs/one.txt", headers={"Destination": "/api/v0/mcp/fs/uno.txt"})
    assert status in (200, 201), moved
    status, problem, _ = await web.ask(
        "COPY", "/fs/uno.txt", headers={"Destination": web.base + "/fs/two.txt", "Overwrite": "F"}
    )
    assert status == 412, problem
    await web.ask("COPY", "/fs/uno.txt", headers={"Destination": web.base + "/fs/two.txt"})
    assert sorted(await web.names("/")) == ["two.txt", "uno.txt"]
    assert (await web.get("/fs/two.txt"))[1] == b"1"


async def test_a_directory_at_the_destination_is_replaced_unless_overwrite_is_f(web: Web):
    for path in ("a/new", "b/old", "c/other"):
        await web.put(f"/fs/{path}", path.encode())
    to_b = {"Destination": "/api/v0/mcp/fs/b"}
    for method in ("MOVE", "COPY"):
        status, problem, _ = await web.ask(method, "/fs/a", headers=to_b | {"Overwrite": "F"})
        assert status == 412, problem
    assert await web.names("/b") == ["old"]
    _, before, _ = await web.get("/fs/?stat")
    status, copied, headers = await web.ask("COPY", "/fs/a", headers=to_b)
    assert (status, copied["op"], copied["path"], copied["created"]) == (200, "copy", "/b", False)
    assert copied["sequence"] == before["sequence"] + 1
    assert headers["ETag"] == f'"{copied["cid"]}"'
    assert await web.names("/b") == ["new"]
    assert (await web.ask("MOVE", "/fs/c/other", headers=to_b))[0] == 200
    assert (await web.get("/fs/b"))[1] == b"c/other"
    assert await web.names("/c") == []


async def test_nothing_is_moved_over_itself_or_what_holds_it(web: Web):
    await web.put("/fs/a/b/c", b"1")
    _, before, _ = await web.get("/fs/?stat")
    for method in ("MOVE", "COPY"):
        for target in ("/a/b/c", "/a/b/", "/a", "/", ""):
            headers = {"Destination": f"/api/v0/mcp/fs{target}"}
            status, problem, _ = await web.ask(method, "/fs/a/b/c", headers=headers)
            assert (status, problem["field"]) == (403, "Destination"), target
        headers = {"Destination": "/api/v0/mcp/fs/a/b/c"}
        assert (await web.ask(method, "/fs/none", headers=headers))[0] == 404
        assert (await web.ask(method, "/fs/none", headers={"Destination": "/api/v0/mcp/fs/a"}))[0] == 404
        headers = {"Destination": "/api/v0/mcp/fs/no/parent"}
        assert (await web.ask(method, "/fs/a", headers=headers))[0] == 404
    assert (await web.get("/fs/?stat"))[1]["root"] == before["root"]


async def test_a_directory_does_not_go_into_itself(web: Web):
    await web.post("/fs/a/b", op="mkdir", parents=True)
    for method in ("MOVE", "COPY"):
        status, problem, _ = await web.ask(method, "/fs/a", headers={"Destination": "/api/v0/mcp/fs/a/b/c"})
        assert status == 400, problem
    assert await web.names("/a/b") == []


async def test_operations_are_posted_by_name(web: Web):
    assert (await web.post("/fs/d", op="mkdir"))[0] == 201
    assert (await web.post("/fs/d/l", op="symlink", target="f"))[0] == 201
    assert (await web.post("/fs/d/f", op="write", content="through a link"))[0] == 201
    assert (await web.get("/fs/d/l"))[1] == b"through a link"
    assert (await web.post("/fs/d/f", op="metadata", mode=0o600, mtime=1.5))[0] == 200
    _, entry, _ = await web.get("/fs/d/f?stat")
    assert (entry["mode"], entry["mtime"], entry["size_bytes"]) == (0o600, 1.5, 14)


async def test_the_files_of_a_form_go_into_the_directory(web: Web):
    form = aiohttp.FormData()
    form.add_field("file", b"one", filename="1.txt")
    form.add_field("file", b"two", filename="sub/2.txt")
    status, answer, _ = await web.ask("POST", "/fs/from-form", data=form)
    assert status == 200, answer
    assert sorted(await web.names("/from-form")) == ["1.txt", "sub"]
    assert (await web.get("/fs/from-form/sub/2.txt"))[1] == b"two"


async def test_a_change_may_depend_on_what_is_there(web: Web):
    _, first, headers = await web.put("/fs/c", b"1", headers={"If-None-Match": "*"})
    assert first["created"]
    status, problem, _ = await web.put("/fs/c", b"2", headers={"If-None-Match": "*"})
    assert status == 412, problem
    status, _, _ = await web.put("/fs/c", b"2", headers={"If-Match": headers["ETag"]})
    assert status == 200
    status, problem, _ = await web.put("/fs/c", b"3", headers={"If-Match": headers["ETag"]})
    assert status == 412, problem
    status, problem, _ = await web.put(f"/fs/c?if_root={first['root']}", b"3")
    assert status == 409
    assert (await web.get("/fs/c"))[1] == b"2"


async def test_a_star_is_whatever_is_there_and_a_tag_that_no_entry_can_have_matches_nothing(web: Web):
    there = {"If-Match": "*"}
    assert (await web.put("/fs/s", b"1", headers=there))[0] == 412
    assert (await web.ask("DELETE", "/fs/s?missing_ok", headers=there))[0] == 412
    await web.put("/fs/s", b"1")
    for method in ("PUT", "DELETE"):
        status, problem, _ = await web.ask(method, "/fs/s", headers={"If-Match": '"bogus"'})
        assert (status, problem["expected"]) == (412, "bogus")
    assert (await web.put("/fs/s", b"2", headers=there))[0] == 200
    assert (await web.get("/fs/s"))[1] == b"2"
    assert (await web.ask("DELETE", "/fs/s", headers=there))[0] == 200


async def test_what_is_no_moment_is_refused_with_what_is_one(web: Web):
    for moment in ("abc", "-1", "1e3", "2026-13-99", "@soon"):
        status, problem, _ = await web.get(f"/fs/?at={moment}")
        assert (status, problem["field"]) == (400, "at"), problem
        assert "a sequence, `@` and a Unix time, or a root CID" in problem["detail"]


async def test_an_operation_that_there_is_not_is_refused_with_those_there_are(web: Web):
    for body in ({}, {"op": "chmod"}, {"op": ["mkdir"]}):
        status, problem, _ = await web.post("/fs/x", **body)
        assert (status, problem["field"]) == (400, "op")
        assert "mkdir, put, write, truncate, remove, move, copy, symlink, metadata" in problem["detail"]
    status, problem, _ = await web.post("/fs/x", op="truncate")
    assert (status, problem["field"]) == (400, "size_bytes")
    assert (await web.post("/fs/x", op="write", data="aGVsbG8="))[0] == 201
    assert (await web.post("/fs/x", op="copy", destination="/y"))[0] == 201
    assert (await web.get("/fs/y"))[1] == b"hello"


async def test_earlier_states_are_read_by_sequence_time_and_root(web: Web):
    _, first, _ = await web.put("/fs/t", b"before")
    await web.put("/fs/t", b"after")
    assert (await web.get(f"/fs/t?at={first['sequence']}"))[1] == b"before"
    assert (await web.get(f"/fs/t?at={first['root']}"))[1] == b"before"
    assert (await web.get("/fs/t?at=@4102444800"))[1] == b"after"
    status, problem, _ = await web.get("/fs/t?at=@1")
    assert status in (404, 409), problem


async def test_a_transaction_is_seen_by_nobody_else_before_it_is_committed(web: Web):
    _, begun, _ = await web.post("/journal/begin")
    inside = f"transaction={begun['transaction']}"
    await web.put(f"/fs/in?{inside}", b"inside")
    await web.put(f"/fs/big?{inside}", os.urandom(MIB))
    assert (await web.get(f"/fs/in?{inside}"))[1] == b"inside"
    assert (await web.get("/fs/in"))[0] == 404
    status, committed, _ = await web.post("/journal/commit", transaction=begun["transaction"])
    assert status == 200, committed
    assert sorted(await web.names("/")) == ["big", "in"]


BAD_PATHS = (
    "/fs/a/%2E%2E/b",
    "/fs/a%00b",
    "/fs/" + "n" * 10_000,
    "/fs/" + "d/" * 300,
    "/fs/%ff",
    "/fs/a%",
    "/fs/%zz",
)


async def test_a_path_that_can_be_none_is_refused_by_name(web: Web):
    for path in BAD_PATHS:
        status, problem, _ = await web.put(URL(web.base + path, encoded=True))
        assert (status, problem["field"]) == (400, "path"), path[:50]
    assert await web.names("/") == []


async def test_a_name_may_have_a_percent_sign(web: Web):
    assert (await web.put(URL(web.base + "/fs/%25ff", encoded=True), b"1"))[0] == 201
    for target, status in (("/fs/%ff", 400), ("/fs/5%", 400), ("/fs/5%25", 201)):
        answer = await web.ask("COPY", "/fs/%25ff", headers={"Destination": "/api/v0/mcp" + target})
        assert answer[0] == status
        assert status == 201 or answer[1]["field"] == "Destination"
    assert sorted(await web.names("/")) == ["%ff", "5%"]


async def test_a_link_to_a_directory_is_a_way_and_lists_what_it_leads_to(web: Web):
    await web.put("/fs/real/f", b"1")
    await web.post("/fs/link", op="symlink", target="real")
    await web.post("/fs/nowhere", op="symlink", target="gone")
    assert await web.names("/link") == ["f"]
    assert (await web.get("/fs/link/f"))[1] == b"1"
    status, stat, _ = await web.get("/fs/link/f?stat")
    assert (status, stat["path"], stat["type"]) == (200, "/real/f", "file")
    assert (await web.get("/fs/link?stat"))[1]["type"] == "symlink"
    for path in ("/fs/nowhere", "/fs/nowhere/f?stat", "/fs/nowhere?recursive"):
        assert (await web.get(path))[0] == 404


async def test_what_is_wrong_is_called_by_its_own_name(web: Web):
    await web.put("/fs/f", b"1")
    status, problem, _ = await web.get("/journal/diff?before=x")
    assert (status, problem["field"]) == (400, "before")
    status, problem, _ = await web.get("/journal/diff?before=0&after=@x")
    assert (status, problem["field"]) == (400, "after")
    status, problem, _ = await web.post("/fs/f", op="write", content="a", if_cid="x")
    assert (status, problem["field"]) == (400, "if_cid")
    status, problem, _ = await web.get("/journal/transactions?status=x")
    assert (status, problem["field"]) == (400, "status")
    assert "rolled_back" in problem["detail"]
    status, problem, _ = await web.put("/fs/f?mtime=nan", b"1")
    assert (status, problem["field"]) == (400, "mtime")
    assert "finite" in problem["detail"]
    for path in ("/tmp/x\0y", "~nobody-has-this-name/x", "/" + "n" * 5000):
        status, problem, _ = await web.post("/cli/fs/enable-journaling", journal_base_path=path)
        assert (status, problem["field"]) == (400, "journal_base_path"), problem


async def test_links_do_not_lead_out_of_the_tree(web: Web):
    for target in ("/etc/passwd", "../../etc/passwd", "a/../../../x"):
        status, problem, _ = await web.post("/fs/link", op="symlink", target=target)
        assert (status, problem["field"]) == (400, "target")


async def test_a_destination_is_below_the_tree_on_this_server(web: Web):
    await web.put("/fs/a", b"1")
    for given in ("http://elsewhere.example/api/v0/mcp/fs/b", "/api/v0/mcp/other", "", "http://["):
        status, problem, _ = await web.ask("MOVE", "/fs/a", headers={"Destination": given})
        assert (status, problem["field"]) == (400, "Destination")
    assert await web.names("/") == ["a"]
