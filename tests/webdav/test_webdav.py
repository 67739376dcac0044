"""The tree through WebDAV: what RFC 4918 asks of each method, and what becomes of the tree."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from webdav4.client import Client as DavClient

from cidbus.client import Client
from cidbus.mcp import MCPServer
from cidbus.schemas.errors import NotFound
from cidbus.webdav import BlockingTree, WebDav

from .conftest import open_tree, serving

LOCK = b"""<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>
<locktype><write/></locktype><owner>somebody</owner></lockinfo>"""


def code(dav: httpx.Client, method: str, path: str, **options: object) -> int:
    return dav.request(method, path, **options).status_code  # type: ignore[arg-type]


def to(dav: httpx.Client, path: str, **headers: str) -> dict[str, str]:
    """The headers that name a destination."""
    return {"Destination": str(dav.base_url).rstrip("/") + path, **headers}


def sequence(tree: BlockingTree) -> int:
    stat = tree.stat("/")
    assert stat is not None
    assert stat.sequence is not None
    return stat.sequence


def properties(dav: httpx.Client, path: str, depth: str = "0") -> dict[str, dict[str, str | None]]:
    """By the path of each entry, what PROPFIND says of it."""
    answer = dav.request("PROPFIND", path, headers={"Depth": depth})
    assert answer.status_code == 207
    found = {}
    for response in ElementTree.fromstring(answer.content):
        href = response.findtext("{DAV:}href") or ""
        props = response.find("{DAV:}propstat/{DAV:}prop")
        assert props is not None
        found[href.removeprefix(urlsplit(str(dav.base_url)).path)] = {
            prop.tag.removeprefix("{DAV:}"): prop.text for prop in props
        }
    return found


# ---- files ----------------------------------------------------------------------------------------------


def test_classes_1_and_2_are_offered(dav: httpx.Client):
    assert "1,2" in dav.options("/").headers["DAV"].replace(" ", "")


def test_a_file_is_what_was_put_and_its_etag_its_cid(dav: httpx.Client, tree: BlockingTree):
    content = os.urandom(300_000)
    assert code(dav, "PUT", "/a.bin", content=content) == 201
    answer = dav.get("/a.bin")
    assert answer.content == content
    entry = tree.stat(f"{urlsplit(str(dav.base_url)).path}a.bin")
    assert entry is not None
    assert answer.headers["ETag"] == f'"{entry.cid}"'
    assert code(dav, "PUT", "/a.bin", content=b"other") == 204
    assert dav.get("/a.bin").text == "other"
    assert dav.head("/a.bin").headers["Content-Length"] == "5"


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=70000-", slice(70_000, None)), ("bytes=-5", slice(-5, None))],
)
def test_ranges_are_answered_as_asked(dav: httpx.Client, asked: str, part: slice):
    content = os.urandom(200_000)
    dav.put("/a", content=content)
    answer = dav.get("/a", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, content[part])
    assert code(dav, "GET", "/a", headers={"Range": "bytes=200000-"}) == 416


def test_a_range_of_nothing_cannot_be_answered(dav: httpx.Client):
    dav.put("/a", content=b"12345")
    answer = dav.get("/a", headers={"Range": "bytes=-0"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */5")
    assert code(dav, "GET", "/a", headers={"Range": "bytes=-0", "If-None-Match": "*"}) == 304


@pytest.mark.parametrize(
    "asked", ["bytes=3-2", "bytes=0-1,3-4", "lines=0-1", "bytes=--2", "bytes=", "1-2", f"bytes={'9' * 5000}-"]
)
def test_ranges_that_are_invalid_or_more_than_one_are_ignored(dav: httpx.Client, asked: str):
    dav.put("/a", content=b"12345")
    answer = dav.get("/a", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, b"12345")


def test_a_put_of_unknown_length_is_whole(dav: httpx.Client):
    def pieces() -> Iterator[bytes]:
        yield from (b"x" * 100_000 for _ in range(5))

    assert code(dav, "PUT", "/a", content=pieces()) == 201
    assert dav.get("/a").content == b"x" * 500_000


def test_a_put_that_breaks_off_leaves_what_was_there(dav: httpx.Client):
    dav.put("/a", content=b"before")
    where = urlsplit(str(dav.base_url))
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = f"PUT {where.path}a HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 9000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 5_000_000)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    assert b" 400 " in answer
    assert dav.get("/a").content == b"before"


def test_conditions_hold(dav: httpx.Client):
    first = dav.put("/a", content=b"1").headers["ETag"]
    dav.put("/a", content=b"2")
    assert code(dav, "PUT", "/a", content=b"3", headers={"If-Match": first}) == 412
    assert code(dav, "PUT", "/a", content=b"3", headers={"If-None-Match": "*"}) == 412
    present = dav.head("/a").headers["ETag"]
    assert code(dav, "PUT", "/a", content=b"3", headers={"If-Match": present}) == 204
    assert dav.get("/a").content == b"3"


@pytest.mark.parametrize("method", ["PUT", "MKCOL", "LOCK"])
def test_conditions_hold_of_what_is_not_there(dav: httpx.Client, method: str):
    content = LOCK if method == "LOCK" else b""
    for name, value in (("If-Match", '"x"'), ("If-Match", "*"), ("If", '(["x"])'), ("If", "(<urn:x>)")):
        assert code(dav, method, "/a", content=content, headers={name: value}) == 412
        assert code(dav, "GET", "/a") == 404
    assert code(dav, method, "/a", content=content, headers={"If": "(Not <urn:x>)"}) == 201


def test_a_file_is_only_made_where_none_is(dav: httpx.Client):
    assert code(dav, "PUT", "/a", content=b"1", headers={"If-None-Match": "*"}) == 201
    assert code(dav, "PUT", "/a", content=b"2", headers={"If-None-Match": "*"}) == 412
    assert code(dav, "PUT", "/none/a", content=b"1", headers={"If-Match": "*"}) == 409


@pytest.mark.parametrize("condition", ["garbage", "()", "(<urn:x>", "<http://localhost/a>", "(Not)"])
def test_an_if_header_that_is_none_is_refused(dav: httpx.Client, condition: str):
    for status in (201, 204):
        assert code(dav, "PUT", "/a", content=b"1", headers={"If": condition}) == 400
        assert code(dav, "PUT", "/a", content=b"1") == status


def test_a_property_has_the_etag_that_the_header_has(dav: httpx.Client):
    etag = dav.put("/a", content=b"1").headers["ETag"]
    assert etag.startswith('"')
    assert properties(dav, "/a")["a"]["getetag"] == etag


def test_what_is_not_there_is_not_found(dav: httpx.Client):
    for method in ("GET", "DELETE", "PROPFIND"):
        assert code(dav, method, "/none", headers={"Depth": "0"}) == 404
    assert code(dav, "PUT", "/none/a", content=b"") == 409
    assert code(dav, "PUT", "/" + "x" * 300, content=b"") == 400


# ---- directories ----------------------------------------------------------------------------------------


def test_directories_are_made_once_and_below_another(dav: httpx.Client):
    assert code(dav, "MKCOL", "/d") == 201
    assert code(dav, "MKCOL", "/d") == 405
    assert code(dav, "MKCOL", "/none/d") == 409
    assert code(dav, "PUT", "/d", content=b"") == 405


def test_a_directory_says_what_is_in_it(dav: httpx.Client, tree: BlockingTree):
    dav.put("/a ü.txt", content=b"12345")
    dav.request("MKCOL", "/d")
    found = properties(dav, "/", "1")
    assert set(found) == {"", "a%20%C3%BC.txt", "d/"}
    file = found["a%20%C3%BC.txt"]
    assert (file["getcontentlength"], file["getcontenttype"]) == ("5", "text/plain")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", file["getlastmodified"] or "")
    assert "resourcetype" in found["d/"]
    assert code(dav, "PROPFIND", "/", headers={"Depth": "infinity"}) == 403


def test_links_are_what_they_lead_to(dav: httpx.Client, system: MCPServer):
    base = urlsplit(str(dav.base_url)).path
    dav.put("/a", content=b"12345")

    async def link(client) -> None:
        await client.journal.symlink(f"{base}link", "a")
        await client.journal.symlink(f"{base}nowhere", "none")

    system.blocking(link)
    assert dav.get("/link").content == b"12345"
    assert set(properties(dav, "/", "1")) == {"", "a", "link"}


def test_one_entry_of_the_journal_removes_moves_and_copies_whole_directories(
    dav: httpx.Client, tree: BlockingTree
):
    for path in ("/d", "/d/e", "/d/e/f"):
        dav.request("MKCOL", path)
        dav.put(f"{path}/file", content=path.encode())
    before = sequence(tree)
    assert code(dav, "COPY", "/d", headers=to(dav, "/copy")) == 201
    assert code(dav, "MOVE", "/d", headers=to(dav, "/moved")) == 201
    assert code(dav, "DELETE", "/copy") == 204
    assert sequence(tree) == before + 3
    assert dav.get("/moved/e/f/file").text == "/d/e/f"
    assert (code(dav, "GET", "/d/file"), code(dav, "GET", "/copy/file")) == (404, 404)


def test_what_stands_at_the_destination_is_replaced_or_not_as_asked(dav: httpx.Client):
    for path in ("/a", "/b"):
        dav.request("MKCOL", path)
        dav.put(f"{path}/{path[1:]}", content=b"")
    assert code(dav, "COPY", "/a", headers=to(dav, "/b", Overwrite="F")) == 412
    assert code(dav, "COPY", "/a", headers=to(dav, "/b")) == 204
    assert set(properties(dav, "/b", "1")) == {"b/", "b/a"}
    assert code(dav, "MOVE", "/a", headers=to(dav, "/b/a")) == 204
    assert code(dav, "COPY", "/b", headers=to(dav, "/shallow", Depth="0")) == 201
    assert set(properties(dav, "/shallow", "1")) == {"shallow/"}
    assert code(dav, "COPY", "/b", headers=to(dav, "/b/below")) == 403
    assert code(dav, "MOVE", "/b", headers=to(dav, "/none/b")) == 409


def test_the_tree_itself_is_never_removed_moved_or_replaced(url: str, tree: BlockingTree):
    before = tree.stat("/")
    with httpx.Client(base_url=url) as client:
        client.put("/kept", content=b"1")
        assert code(client, "DELETE", "/") == 403
        assert code(client, "MOVE", "/", headers={"Destination": f"{url}/below"}) == 403
        assert code(client, "COPY", "/", headers={"Destination": f"{url}/below"}) == 403
        for method in ("COPY", "MOVE"):
            for destination in ("/", url, f"{url}/", "/.", "/%2F", f"{url}/kept/.."):
                assert code(client, method, "/kept", headers={"Destination": destination}) == 403
        assert code(client, "DELETE", "/kept") == 204
    after = tree.stat("/")
    assert before is not None
    assert after is not None
    assert after.cid == before.cid


def test_a_path_that_is_not_utf_8_is_refused(dav: httpx.Client):
    for method in ("GET", "PUT", "DELETE", "PROPFIND"):
        assert code(dav, method, "/%ff") == 400
    assert code(dav, "PUT", "/%25ff", content=b"1") == 201
    assert code(dav, "COPY", "/%25ff", headers=to(dav, "/%ff")) == 400
    assert code(dav, "COPY", "/%25ff", headers=to(dav, "/%C3%BC")) == 201
    assert set(properties(dav, "/", "1")) == {"", "%25ff", "%C3%BC"}


def raw(dav: httpx.Client, request: str) -> bytes:
    """What comes back, up to the end of the connection, for a request that no client would send so."""
    where = urlsplit(str(dav.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
        connection.sendall(request.format(host=where.netloc, path=where.path).encode())
        return connection.makefile("rb").read()


@pytest.mark.parametrize("path", ["/../x", "/../../etc/passwd", "/d/%2e%2e/../x"])
def test_a_path_that_leads_out_is_refused_at_once_and_in_full(dav: httpx.Client, path: str):
    answer = raw(dav, f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert f"Content-Length: {len(body)}\r\n".encode() in head
    assert body == b"path: leads out of the tree\n"


def test_a_refused_body_is_never_taken_for_the_next_request(dav: httpx.Client):
    where = urlsplit(str(dav.base_url))
    smuggled = f"DELETE {where.path}a HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n"
    dav.put("/a", content=b"1")
    answer = raw(
        dav,
        "PUT {path}a HTTP/1.1\r\nHost: {host}\r\nIf-None-Match: *\r\nTransfer-Encoding: chunked\r\n\r\n"
        f"{len(smuggled):x}\r\n{smuggled}\r\n0\r\n\r\n"
        "GET {path}a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    )
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"412", b"200"]


@pytest.mark.parametrize("destination", ["http://[", "http://%5B/x", "//[::1/x", "/%2e%2e/x"])
def test_a_destination_that_cannot_be_read_is_refused(dav: httpx.Client, destination: str):
    dav.put("/a", content=b"1")
    for method in ("COPY", "MOVE"):
        assert code(dav, method, "/a", headers={"Destination": destination}) == 400
    assert dav.get("/a").text == "1"


@pytest.mark.parametrize("name", ["b;c", "b%3Bc", "b%3Fc", "b%3F;c%25", "b%23"])
def test_a_destination_may_have_delimiters_in_its_name(dav: httpx.Client, name: str):
    dav.put("/b", content=b"before")
    dav.put("/a", content=b"1")
    assert code(dav, "COPY", "/a", headers=to(dav, f"/{name}")) == 201
    assert code(dav, "COPY", f"/{name}", headers=to(dav, f"/{name}")) == 403
    assert code(dav, "COPY", "/a", headers=to(dav, f"/{name}", Overwrite="F")) == 412
    assert code(dav, "MOVE", "/a", headers=to(dav, f"/{name}")) == 204
    assert (dav.get(f"/{name}").text, dav.get("/b").text) == ("1", "before")


# ---- locks ----------------------------------------------------------------------------------------------


def lock(dav: httpx.Client, path: str, depth: str = "infinity") -> tuple[int, str]:
    answer = dav.request("LOCK", path, content=LOCK, headers={"Timeout": "Second-60", "Depth": depth})
    return answer.status_code, answer.headers.get("Lock-Token", "")


def test_a_lock_keeps_others_out_until_it_is_given_back(dav: httpx.Client):
    dav.put("/a", content=b"1")
    status, token = lock(dav, "/a")
    assert status == 200
    assert code(dav, "PUT", "/a", content=b"2") == 423
    assert code(dav, "DELETE", "/a") == 423
    assert code(dav, "MOVE", "/a", headers=to(dav, "/b")) == 423
    assert lock(dav, "/a")[0] == 423
    assert code(dav, "PUT", "/a", content=b"2", headers={"If": f"({token})"}) == 204
    assert code(dav, "UNLOCK", "/a", headers={"Lock-Token": token}) == 204
    assert code(dav, "PUT", "/a", content=b"3") == 204


def test_a_lock_below_keeps_the_directory_from_going(dav: httpx.Client):
    dav.request("MKCOL", "/d")
    dav.put("/d/a", content=b"1")
    _, token = lock(dav, "/d/a")
    assert code(dav, "DELETE", "/d") == 423
    assert dav.get("/d/a").status_code == 200
    dav.request("UNLOCK", "/d/a", headers={"Lock-Token": token})
    assert code(dav, "DELETE", "/d") == 204


@pytest.mark.parametrize("depth", ["0", "infinity"])
def test_who_has_locked_a_directory_makes_files_in_it(dav: httpx.Client, depth: str):
    dav.request("MKCOL", "/d")
    _, token = lock(dav, "/d", depth)
    assert code(dav, "PUT", "/d/a", content=b"1") == 423
    assert code(dav, "PUT", "/d/a", content=b"1", headers={"If": "(<urn:other>)"}) == 423
    assert code(dav, "PUT", "/d/a", content=b"1", headers={"If": f"({token})"}) == 201
    dav.request("UNLOCK", "/d", headers={"Lock-Token": token})


def test_a_lock_of_what_is_not_there_makes_an_empty_file(dav: httpx.Client):
    status, token = lock(dav, "/new")
    assert status == 201
    assert dav.get("/new").content == b""
    assert code(dav, "PUT", "/new", content=b"1", headers={"If": f"({token})"}) == 204
    dav.request("UNLOCK", "/new", headers={"Lock-Token": token})


# ---- times, states, users -------------------------------------------------------------------------------


def test_the_time_of_a_file_changes_with_its_content_and_can_be_set(dav: httpx.Client, tree: BlockingTree):
    dav.put("/a", content=b"1")
    first = dav.head("/a").headers["Last-Modified"]
    assert dav.head("/a").headers["Last-Modified"] == first
    dav.put("/a", content=b"2", headers={"X-OC-Mtime": "1000000000"})
    assert dav.head("/a").headers["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"


def test_an_earlier_state_is_served_read_only(dav: httpx.Client, system: MCPServer, tree: BlockingTree):
    dav.put("/a", content=b"then")
    then = str(sequence(tree))
    dav.put("/a", content=b"now")
    base = urlsplit(str(dav.base_url)).path
    past = open_tree(system, then)
    try:
        with serving(WebDav(past)) as url:
            assert httpx.get(f"{url}{base}a").text == "then"
            assert httpx.put(f"{url}{base}a", content=b"x").status_code == 405
    finally:
        past.close()
    assert dav.get("/a").text == "now"


def test_a_state_that_the_tree_never_had_is_refused_at_the_start(system: MCPServer):
    with pytest.raises(NotFound, match="journal entry not found: 999999"):
        open_tree(system, "999999")


def test_a_command_for_a_state_that_the_tree_never_had_ends_as_ls_does(system: MCPServer):
    assert system.info is not None
    options = ["--at", "999999", "--data-dir", system.info.data_dir]
    ended = [
        subprocess.run([sys.executable, "-m", "cidbus", "fs", *command, *options], capture_output=True)
        for command in (["webdav", "--port", "0"], ["ls"])
    ]
    webdav, ls = ((command.returncode, command.stdout, command.stderr) for command in ended)
    assert webdav == ls == (1, b"", b"cidbus: journal entry not found: 999999\n")


def test_a_state_that_is_forgotten_while_it_is_served_says_so(
    dav: httpx.Client, tree: BlockingTree, system: MCPServer
):
    then = sequence(tree)
    for content in (b"1", b"2", b"3"):
        dav.put("/a", content=content)

    async def forget(client: Client) -> None:
        await client.journal.checkpoint()
        await client.journal.forget(before=then + 3)

    past = open_tree(system, str(then))
    try:
        with serving(WebDav(past)) as url:
            assert httpx.get(url).status_code == 200
            system.blocking(forget)
            answer = httpx.get(url)
    finally:
        past.close()
    assert answer.status_code == 404
    assert "its tree was let go" in answer.text


def test_only_the_named_user_is_let_in(tree: BlockingTree):
    with serving(WebDav(tree, users={"ada": "secret"})) as url:
        assert httpx.options(url).status_code == 401
        assert httpx.get(f"{url}/none", auth=("ada", "wrong")).status_code == 401
        assert httpx.get(f"{url}/none", auth=("ada", "secret")).status_code == 404
        assert httpx.get(f"{url}/none", auth=httpx.DigestAuth("ada", "secret")).status_code == 404


def test_a_client_library_works_with_it(dav: httpx.Client):
    client = DavClient(str(dav.base_url), http_client=dav)
    client.mkdir("photos")
    client.upload_fileobj(BytesIO(b"jpeg"), "photos/a.jpg")
    client.copy("photos/a.jpg", "photos/b.jpg")
    client.move("photos", "pictures")
    assert sorted(client.ls("pictures", detail=False)) == ["pictures/a.jpg", "pictures/b.jpg"]
    assert client.info("pictures/a.jpg")["content_length"] == 4
    with client.open("pictures/b.jpg", mode="rb") as file:
        assert file.read() == b"jpeg"
    client.remove("pictures")
    assert not client.exists("pictures")


def test_large_files_pass_through_in_little_memory(system: MCPServer):
    assert system.info is not None
    command = [
        sys.executable,
        "-m",
        "cidbus",
        "fs",
        "webdav",
        "--port",
        "0",
        "--data-dir",
        system.info.data_dir,
    ]
    size = 100 << 20
    content = os.urandom(1 << 20)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().split()[-1]
        with httpx.Client(base_url=url, timeout=60) as client:
            client.put("/small", content=b"")
            before = peak_bytes(process.pid)
            assert client.put("/large", content=(content for _ in range(100))).status_code == 201
            with client.stream("GET", "/large") as answer:
                assert sum(len(piece) for piece in answer.iter_raw()) == size
            assert client.get("/large", headers={"Range": f"bytes={size - 5}-"}).content == content[-5:]
            assert peak_bytes(process.pid) - before < 40 << 20
        process.terminate()
        assert process.wait(20) == 0


def peak_bytes(pid: int) -> int:
    """The most memory that a process has ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
