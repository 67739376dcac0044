"""The file tree over Kubo's RPC: what goes over the wire, and what Kubo's own clients never ask.

What a whole session of calls gives is compared with Kubo's results in tests/interop/test_files_session.py.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from .conftest import ABSENT, HELLO, HELLO_CID, NOT_HERE, TREE, TREE_CID, Rpc, form

MIB = 1 << 20


async def write(rpc: Rpc, path: str, content: bytes, **options: object) -> None:
    answer = await rpc("files/write", path, files={"data": content}, **{"create": True, **options})
    assert (answer.status, answer.body) == (200, b"")


async def read(rpc: Rpc, path: str, **options: object) -> bytes:
    answer = await rpc("files/read", path, **options)
    assert answer.status == 200, answer.body
    return answer.body


async def names(rpc: Rpc, path: str) -> list[str]:
    return [entry["Name"] for entry in (await rpc("files/ls", path)).json["Entries"] or []]


# ---- reading ----------------------------------------------------------------------------------------------


async def test_a_directory_is_one_document_of_its_entries(tree_rpc):
    await tree_rpc.add(TREE)
    assert (await tree_rpc("files/ls")).body == b'{"Entries":null}\n'
    await tree_rpc("files/cp", f"/ipfs/{TREE_CID}", "/d")
    answer = await tree_rpc("files/ls", "/d")
    assert answer.body == (
        b'{"Entries":[{"Name":"a.txt","Type":0,"Size":0,"Hash":""},'
        b'{"Name":"sub","Type":0,"Size":0,"Hash":""}]}\n'
    )
    assert answer.headers["Content-Type"] == "application/json"
    entries = (await tree_rpc("files/ls", "/d", l="")).json["Entries"]
    assert [(entry["Name"], entry["Type"], entry["Size"]) for entry in entries] == [
        ("a.txt", 0, len(HELLO)),
        ("sub", 1, 0),
    ]
    assert entries[0]["Hash"] == HELLO_CID


async def test_a_directory_of_many_entries_is_listed_whole(tree_rpc):
    await tree_rpc.add({f"many/{number:04}": b"%d" % number for number in range(600)})
    [added] = [entry for entry in await tree_rpc.add(TREE) if entry["Name"] == "d"]
    assert added["Hash"] == TREE_CID
    lines = await tree_rpc.add({f"many/{number:04}": b"%d" % number for number in range(600)})
    await tree_rpc("files/cp", f"/ipfs/{lines[-1]['Hash']}", "/many")
    assert await names(tree_rpc, "/many") == [f"{number:04}" for number in range(600)]


async def test_bytes_are_a_stream_and_their_cids_are_written_as_asked(tree_rpc):
    await write(tree_rpc, "/f", HELLO)
    answer = await tree_rpc("files/read", "/f", o=7, n=4)
    assert (answer.body, answer.headers["X-Stream-Output"]) == (b"IPFS", "1")
    for command in ("files/stat", "files/flush"):
        found = (await tree_rpc(command, "/f", cid_base="base36")).json
        assert (found.get("Hash") or found["Cid"]).startswith("k2")


async def test_stat_tells_whether_all_is_here(tree_rpc):
    await write(tree_rpc, "/f", bytes(3 * MIB))
    found = (await tree_rpc("files/stat", "/", with_local=True)).json
    assert found["WithLocality"]
    assert found["Local"]
    assert 0 < found["SizeLocal"] <= found["CumulativeSize"]


async def test_what_cannot_be_had_is_placed_all_the_same_and_told_as_missing(tree_rpc):
    links = [{"Hash": {"/": ABSENT}, "Name": "gone", "Tsize": 10}]
    node = json.dumps({"Data": {"/": {"bytes": "CAE"}}, "Links": links}).encode()
    folder = (await tree_rpc("dag/put", files={"n": node}, store_codec="dag-pb")).json["Cid"]["/"]
    assert (await tree_rpc("files/cp", f"/ipfs/{folder}", "/partial")).status == 200
    assert await names(tree_rpc, "/partial") == ["gone"]
    found = (await tree_rpc("files/stat", "/partial", with_local=True)).json
    assert found["WithLocality"]
    assert "Local" not in found
    assert (await tree_rpc("files/read", "/partial/gone")).error == NOT_HERE


async def test_stat_of_content_that_is_no_file_says_so(tree_rpc):
    node = (await tree_rpc("dag/put", files={"n": b'{"a":1}'})).json["Cid"]["/"]
    assert (await tree_rpc("files/stat", f"/ipfs/{node}")).status >= 400
    answer = await tree_rpc("files/cp", f"/ipfs/{node}", "/node")
    assert answer.error == "cp: source must be a valid UnixFS (dag-pb or raw codec)"
    assert await names(tree_rpc, "/") == []


# ---- writing ----------------------------------------------------------------------------------------------


async def test_a_large_body_is_streamed_into_the_tree_and_the_cid_is_that_of_an_add(tree_rpc):
    piece = hashlib.shake_128(b"piece").digest(MIB // 4)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield piece

    writer = aiohttp.MultipartWriter("form-data")
    writer.append(pieces()).set_content_disposition("form-data", name="data", filename="data")
    query = [("arg", "/large"), ("create", "true"), ("count", str(9 * MIB + 1))]
    url = URL(f"{tree_rpc.url}/api/v0/files/write").with_query(query)
    async with tree_rpc.session.post(url, data=writer) as response:
        assert response.status == 200, await response.read()
    content = (piece * 48)[: 9 * MIB + 1]
    assert await read(tree_rpc, "/large") == content
    body = io.BytesIO(content)
    async with tree_rpc.session.post(f"{tree_rpc.url}/api/v0/mcp/ipfs/add", data=body) as response:
        added = await response.json()
    assert (await tree_rpc("files/stat", "/large")).json["Hash"] == added["cid"]
    await write(tree_rpc, "/large", b"across", offset=MIB - 3)
    assert await read(tree_rpc, "/large", offset=MIB - 5, count=10) == (
        content[MIB - 5 : MIB - 3] + b"across" + content[MIB + 3 : MIB + 5]
    )


@pytest.mark.parametrize("settings", [{"max_upload_bytes": MIB}], indirect=True)
async def test_a_body_over_the_limit_changes_nothing(tree_rpc):
    writer = form({"data": bytes(MIB // 2)})
    answer = await tree_rpc.post(
        "files/write", ("/f",), {"create": True, "offset": MIB, "truncate": True}, writer
    )
    assert (answer.status, answer.error) == (400, f"data: more than {MIB} bytes")
    assert await names(tree_rpc, "/") == []


async def test_files_have_the_form_that_is_asked_for(tree_rpc):
    await write(tree_rpc, "/plain", HELLO)
    await write(tree_rpc, "/v0", HELLO, cid_version=0, raw_leaves=False)
    await write(tree_rpc, "/hashed", HELLO, hash="blake2b-256")
    entries = {e["Name"]: e["Hash"] for e in (await tree_rpc("files/ls", "/", long=True)).json["Entries"]}
    assert entries["plain"].startswith("bafkrei")
    assert entries["v0"] == HELLO_CID
    assert entries["hashed"].startswith("bafk2b")
    for name in entries:
        assert await read(tree_rpc, f"/{name}") == HELLO


async def test_mode_and_time_may_be_given_with_what_is_made(tree_rpc):
    await write(tree_rpc, "/f", HELLO, mode="0640", mtime=1_700_000_000, mtime_nsecs=250_000_000)
    await tree_rpc("files/mkdir", "/d", mode="0750", mtime=5)
    file, folder = [(await tree_rpc("files/stat", path)).json for path in ("/f", "/d")]
    assert (file["Mode"], file["Mtime"], file["MtimeNsecs"]) == ("0640", 1_700_000_000, 250_000_000)
    assert (folder["Mode"], folder["Mtime"]) == ("20000000750", 5)  # with Go's bit for a directory
    await tree_rpc("files/chmod", "600", "/f")
    await write(tree_rpc, "/f", b"J")
    assert (await tree_rpc("files/stat", "/f")).json["Mode"] == "0600"
    assert await read(tree_rpc, "/f") == b"J" + HELLO[1:]


async def test_touch_sets_the_time_to_now_unless_another_is_given(tree_rpc):
    await write(tree_rpc, "/f", HELLO)
    assert "Mtime" not in (await tree_rpc("files/stat", "/f")).json
    await tree_rpc("files/touch", "/f")
    assert (await tree_rpc("files/stat", "/f")).json["Mtime"] > 1_700_000_000
    assert await read(tree_rpc, "/f") == HELLO


# ---- the tree ---------------------------------------------------------------------------------------------


async def test_what_cannot_be_removed_is_told_line_by_line_and_in_the_trailer(tree_rpc):
    await tree_rpc("files/mkdir", "/d")
    await write(tree_rpc, "/f", HELLO)
    head, body = await tree_rpc.raw(
        "POST /api/v0/files/rm?arg=/f&arg=/d&arg=/none HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 0\n\n"
    )
    assert b"200 OK" in head
    assert b'"/d: path is a directory, use -r to remove directories"\n' in body
    assert b'"/none: file does not exist"\n' in body
    assert body.endswith(b"0\r\nX-Stream-Error: can't remove some files\r\n\r\n")
    assert await names(tree_rpc, "/") == ["d"]


async def test_a_form_that_the_tree_does_not_have_is_refused(tree_rpc):
    for command, options in (("mkdir", {"cid_version": 0}), ("chcid", {"hash": "sha2-512"})):
        answer = await tree_rpc(f"files/{command}", "/" if command == "chcid" else "/d", **options)
        assert answer.status == 501
        assert "cid-version, hash" in answer.error
    assert await names(tree_rpc, "/") == []


@pytest.mark.parametrize("path", ["/" + "n" * 256, "/a\0b", "/" + "/".join("d" * 300), "/" + "e" * 200 * 30])
async def test_a_path_that_no_tree_can_have_is_refused(tree_rpc, path):
    for command in ("files/mkdir", "files/stat", "files/ls"):
        answer = await tree_rpc(command, path, parents=True)
        assert 400 <= answer.status < 500
        assert "path" in answer.error
    assert await names(tree_rpc, "/") == []


async def test_a_directory_does_not_go_into_itself(tree_rpc):
    await tree_rpc("files/mkdir", "/a/b", parents=True)
    for command in ("files/mv", "files/cp"):
        await tree_rpc(command, "/a", "/a/b/c")
    assert await names(tree_rpc, "/") == ["a"]
    assert (await tree_rpc("files/mv", "/a", "/a/b/d")).status >= 400
    assert await names(tree_rpc, "/a") == ["b"]


# ---- add --to-files ---------------------------------------------------------------------------------------


async def test_what_is_added_may_be_placed_in_the_tree_at_once(tree_rpc):
    await tree_rpc("files/mkdir", "/new")
    await tree_rpc.add({"a": HELLO}, to_files="/new/")
    await tree_rpc.add({"a": HELLO}, to_files="/new/b")
    await tree_rpc.add(TREE, to_files="/new/")
    assert await names(tree_rpc, "/new") == ["a", "b", "d"]
    assert await read(tree_rpc, "/new/b") == HELLO
    assert await read(tree_rpc, "/new/d/sub/b") == b"b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"to_files": "/none/"},
            'to-files: MFS destination directory "/none/" does not exist: file does not exist',
        ),
        ({"to_files": "relative"}, "to-files: paths must start with a leading slash"),
        ({"to_files": "/x", "only_hash": True}, "only-hash and to-files options are not compatible"),
        (
            {"to_files": "/x", "wrap_with_directory": True},
            "wrap-with-directory and to-files options are not compatible",
        ),
    ],
)
async def test_what_cannot_be_placed_is_told(tree_rpc, options, message):
    assert (await tree_rpc("add", files={"a": HELLO}, **options)).error == message
    assert await names(tree_rpc, "/") == []
