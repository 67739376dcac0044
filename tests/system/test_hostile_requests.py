"""Bad input over HTTP: each a 4xx problem that names the field and the limit, soon and in bounded memory."""

from __future__ import annotations

import asyncio
import base64
import io
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.bus import Bus, Credentials
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.ipfs import BlockPut
from cidbus.schemas.subjects import BLOCK_PUT

from .conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20


@pytest_asyncio.fixture(loop_scope="module")
async def system(running: Running) -> AsyncIterator[Running]:
    yield running
    assert (await running.add(b"still here"))["success"]


async def problem(
    system: Running, method: str, path: str, within_s: float = 1.0, **options: Any
) -> dict[str, Any]:
    """The problem document that a request is answered with, within a second."""
    began = time.monotonic()
    async with system.http.request(method, f"{system.api}{path}", **options) as answer:
        document = await answer.json(content_type=None)
        assert answer.content_type == "application/problem+json", (answer.status, document)
        assert 400 <= answer.status < 500, document
        assert document["status"] == answer.status
    assert time.monotonic() - began < within_s
    return document


def b32(raw: bytes) -> str:
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


BAD_CIDS = {
    "no multibase": "!abcdef",
    "unknown multibase": "9abcdef",
    "cut short": "bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nh",
    "oversized varint": b32(b"\x01" + b"\xff" * 12 + b"\x01"),
    "not minimal varint": b32(b"\x01\xd5\x00\x12\x20" + bytes(32)),
    "unknown hash": b32(b"\x01\x55\xff\x7f\x20" + bytes(32)),
    "digest too short": b32(b"\x01\x55\x12\x04" + bytes(4)),
    "identity of 129 bytes": b32(b"\x01\x55\x00\x81\x01" + bytes(129)),
    "bytes after it": b32(b"\x01\x55\x12\x20" + bytes(33)),
    "version 7": b32(b"\x07\x55\x12\x20" + bytes(32)),
    "600 characters": "b" + "a" * 599,
}


async def test_malformed_cids_are_refused_by_every_row(system):
    for cid in BAD_CIDS.values():
        for path in ("ipfs/cat", "ipfs/tar", "ipfs/ls", "ipfs/stat", "ipfs/block/get", "ipfs/block/stat"):
            found = await problem(system, "GET", f"/{path}/{cid}")
            assert found["field"] == "cid", (path, cid, found)
        for path in ("ipfs/pin", "ipfs/unpin", "ipfs/block/rm"):
            assert (await problem(system, "POST", f"/{path}", json={"cid": cid}))["field"] == "cid"


async def test_a_cid_of_a_megabyte_is_refused(system):
    body = io.BytesIO(b'{"cid": "' + b"b" * MIB + b'"}')
    found = await problem(
        system, "POST", "/ipfs/pin", data=body, headers={"Content-Type": "application/json"}
    )
    assert (found["field"], found["limit"]) == ("cid", 512)
    async with system.http.get(f"{system.api}/ipfs/cat/{'b' * MIB}") as answer:
        assert answer.status in (400, 414, 431)


async def test_a_block_that_is_not_its_cid_is_refused(system):
    wrong = str(CID.of(RAW, b"another"))
    body = {"data": base64.b64encode(b"one").decode(), "cid": wrong}
    assert (await problem(system, "POST", "/ipfs/block/put", json=body))["field"] == "data"


async def put(system: Running, cid: CID, block: bytes) -> CID:
    headers = {"Content-Type": "application/vnd.ipld.raw"}
    url = f"{system.api}/ipfs/block/put"
    async with system.http.post(
        url, data=io.BytesIO(block), params={"cid": str(cid)}, headers=headers
    ) as answer:
        assert answer.status == 200, await answer.text()
    return cid


async def put_node(system: Running, node: UnixFS, links: list[Link]) -> CID:
    block = dagpb.encode(links, unixfs.encode(node))
    return await put(system, CID.of(DAG_PB, block), block)


async def test_a_file_that_lies_about_its_sizes_is_refused(system):
    leaf = await put(system, CID.of(RAW, b"12345"), b"12345")
    for sizes, total in (([5], 50), ([50], 50), ([5, 5], 10)):
        node = UnixFS(unixfs.FILE, b"", total, block_sizes=sizes)
        cid = await put_node(system, node, [Link(leaf, "", 5)])
        async with system.http.get(f"{system.api}/ipfs/cat/{cid}") as answer:
            if answer.status == 200:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
            else:
                assert answer.status == 422
                assert "cid" in await answer.json(content_type=None)


@pytest.mark.parametrize("fanout", [0, 2**40, 100])
async def test_a_shard_of_an_impossible_fanout_is_refused(system, fanout):
    node = UnixFS(unixfs.HAMT_SHARD, b"\x01", 0, hash_type=0x22, fanout=fanout)
    cid = await put_node(system, node, [])
    found = await problem(system, "GET", f"/ipfs/ls/{cid}")
    assert found["status"] == 422
    assert str(cid) in str(found)


def directory_block(links: list[Link]) -> tuple[CID, bytes]:
    block = dagpb.encode(links, unixfs.encode(UnixFS(unixfs.DIRECTORY, b"", 0)))
    return CID.of(DAG_PB, block), block


async def nested(system: Running, levels: int, width: int) -> CID:
    """`levels` directories in one another, each with `width` links to the same one below."""
    cid = await put(system, *directory_block([]))
    names = [f"d{number}" for number in range(width)]
    for _ in range(levels):
        cid, block = directory_block([Link(cid, name, 100) for name in names])
        await put(system, cid, block)
    return cid


async def test_a_diamond_of_2_to_the_40_paths_is_bounded(system):
    cid = await nested(system, 40, 2)
    assert (await system.get(f"/ipfs/ls/{cid}"))["count"] == 2
    assert (await system.get(f"/ipfs/stat/{cid}"))["type"] == "directory"
    assert (await system.post("/ipfs/pin", cid=str(cid)))["pinned"]
    async with asyncio.timeout(10):
        async with system.http.get(f"{system.api}/ipfs/tar/{cid}") as answer:
            if answer.status == 200:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
            else:
                assert answer.status in (413, 422)


@pytest.mark.slow
async def test_a_dag_100_000_deep_is_pinned_and_everything_else_refuses_it(system):
    cid = await deep(system, 100_000)
    async with asyncio.timeout(60):
        assert (await system.post("/ipfs/pin", cid=str(cid)))["pinned"]
    async with system.http.get(f"{system.api}/ipfs/tar/{cid}") as answer:
        if answer.status == 200:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        else:
            assert answer.status == 422
    found = await problem(system, "GET", f"/ipfs/cat/{cid}/{'d/' * 1000}d")
    assert found["field"] == "path"


async def deep(system: Running, levels: int) -> CID:
    cid, block = directory_block([])
    blocks = [(cid, block)]
    for _ in range(levels):
        cid, block = directory_block([Link(cid, "d", 100)])
        blocks.append((cid, block))
    bodies = iter(blocks)

    async def worker(bus: Bus) -> None:
        for _, block in bodies:
            await bus.upload(BLOCK_PUT, BlockPut(data=block, format="dag-pb"))

    async with await Bus.connect(
        system.info.nats, Credentials("client", Path(system.info.client_seed))
    ) as bus:
        await asyncio.gather(*(worker(bus) for _ in range(64)))
    return cid


async def test_hostile_names_never_leave_as_an_archive(system):
    leaf = await put(system, CID.of(RAW, b"evil"), b"evil")
    for name in ("..", "../../etc/passwd", "/etc/passwd", "a/b", "nul\0nul", "", "."):
        cid, block = directory_block([Link(leaf, name, 4)])
        await put(system, cid, block)
        assert (await system.get(f"/ipfs/ls/{cid}"))["count"] == 1
        async with system.http.get(f"{system.api}/ipfs/tar/{cid}") as answer:
            if answer.status != 200:
                assert answer.status == 422
                continue
            body = b""
            with pytest.raises(aiohttp.ClientPayloadError):
                async for piece in answer.content.iter_any():
                    body += piece
            assert b"evil" not in body


@pytest.mark.parametrize(
    ("range_header", "status"),
    [
        ("bytes=100-", 416),
        ("bytes=5-2", 416),
        ("bytes=-0", 416),
        ("bytes=0-5,3-8", 416),
        ("bytes=--5", 416),
        ("bytes=abc", 416),
    ],
)
async def test_bad_ranges_are_refused(system, range_header, status):
    cid = (await system.add(b"0123456789"))["cid"]
    found = await problem(system, "GET", f"/ipfs/cat/{cid}", headers={"Range": range_header})
    assert found["status"] in (status, 400)
    assert "range" in found["field"].lower()


async def test_a_form_of_hostile_parts_is_refused(system):
    def form(*parts: str, end: bool = True) -> bytes:
        body = "".join(f"--x\r\n{part}\r\n" for part in parts)
        return (body + ("--x--\r\n" if end else "")).encode()

    named = 'Content-Disposition: form-data; name="file"; filename="{}"\r\n\r\ncontent'
    bombs = {
        "path": form(named.format("../../etc/passwd")),
        "path ": form(named.format("a"), named.format("a")),
        "path  ": form(named.format("a"), named.format("a/b")),
        "path   ": form(named.format("d/" * 500 + "x")),
        "form": form(named.format("a"), end=False),
        "form ": form("X: " + "y" * 20_000 + "\r\n\r\nz"),
        "form  ": b"no boundary at all" * 1000,
        "content": form(),
    }
    for field, body in bombs.items():
        found = await problem(
            system,
            "POST",
            "/ipfs/add",
            data=io.BytesIO(body),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert found["field"] == field.strip(), found


async def test_an_endless_header_of_a_part_is_refused_while_it_comes(system):
    async def endless():
        yield b"--x\r\n"
        while True:
            yield b"X-Header: " + b"y" * 65536

    with pytest.raises((aiohttp.ClientError, AssertionError)) as caught:
        await problem(
            system,
            "POST",
            "/ipfs/add",
            data=endless(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        raise AssertionError("refused")
    assert "refused" in str(caught.value) or isinstance(caught.value, aiohttp.ClientError)


async def test_a_json_body_of_a_gigabyte_is_refused_at_once(system):
    async def endless():
        yield b'{"content": "'
        for _ in range(1 << 10):
            yield b"x" * MIB

    headers = {"Content-Type": "application/json"}
    before = memory(system)
    began = time.monotonic()
    try:
        async with system.http.post(f"{system.api}/ipfs/add", data=endless(), headers=headers) as answer:
            assert answer.status == 413
            found = await answer.json(content_type=None)
            assert found["limit"] == 16 * MIB
    except aiohttp.ClientOSError:
        pass  # the connection was closed while the rest was still being sent
    assert time.monotonic() - began < 2
    assert max(after - before[pid] for pid, after in memory(system).items()) < 100 * MIB


def memory(system: Running) -> dict[int, int]:
    """What each process has in memory now."""
    return {process.pid: process.memory_info().rss for process in system.processes()}


async def test_unknown_and_misspelt_fields_are_refused_by_name(system):
    assert (await problem(system, "POST", "/ipfs/add", json={"contents": "x"}))["field"] == "contents"
    assert (await problem(system, "POST", "/ipfs/pin", json={"cid": "bafkqaaa", "recursiv": True}))[
        "field"
    ] == "recursiv"
    assert (await problem(system, "GET", "/ipfs/pins?typ=all"))["field"] == "typ"


async def test_a_get_of_a_tree_with_extractable_names_is_a_good_archive(system):
    form = aiohttp.FormData()
    for name in ("a.txt", "sub/b.txt"):
        form.add_field("file", name.encode(), filename=name)
    async with system.http.post(f"{system.api}/ipfs/add", data=form) as answer:
        cid = (await answer.json())["cid"]
    async with system.http.get(f"{system.api}/ipfs/tar/{cid}") as answer:
        with tarfile.open(fileobj=io.BytesIO(await answer.read())) as archive:
            assert sorted(archive.getnames()) == [cid, f"{cid}/a.txt", f"{cid}/sub", f"{cid}/sub/b.txt"]


async def test_a_name_with_a_newline_is_reached_by_its_path(system):
    leaf = await put(system, CID.of(RAW, b"odd"), b"odd")
    cid, block = directory_block([Link(leaf, "new\nline", 3)])
    await put(system, cid, block)
    async with system.http.get(URL(f"{system.api}/ipfs/cat/{cid}/new%0Aline", encoded=True)) as answer:
        assert await answer.read() == b"odd"
    assert (await problem(system, "GET", "/nothing%0Ahere"))["status"] == 404
