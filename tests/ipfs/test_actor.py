"""The ipfs actor on a real bus: every row of it, and the events that tell of what it did."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cidbus.actors import make_actor
from cidbus.actors.ipfs.backends.embedded import node as node_module
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import BadRequest, Conflict, InvalidContent, NotFound, TooLarge

HELLO = "bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm"


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with (
        nats_server() as server,
        hosted(server, make_actor("ipfs", tmp_path / "ipfs")),
        await connect(server) as connected,
    ):
        yield connected


async def add(bus: Bus, content: bytes | str, **fields: object) -> ipfs.Added:
    source = {"content": content} if isinstance(content, str) else {"data": content}
    return await bus.upload(subjects.ADD, ipfs.AddRequest(**source, **fields))


async def tree(bus: Bus, files: dict[str, bytes]) -> ipfs.Added:
    async def form() -> AsyncIterator[bytes]:
        for path, content in files.items():
            disposition = f'Content-Disposition: form-data; name="file"; filename="{path}"'
            yield f"--b\r\n{disposition}\r\n\r\n".encode() + content + b"\r\n"
        yield b"--b--\r\n"

    return await bus.upload(
        subjects.ADD, ipfs.AddRequest(content_type="multipart/form-data; boundary=b"), form()
    )


async def read(bus: Bus, cid: str, **fields: object) -> bytes:
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid=cid, **fields)) as stream:
        return b"".join([chunk async for chunk in stream])


# ---- content --------------------------------------------------------------------------------------------


async def test_text_has_its_known_cid_and_comes_back_in_one_message(bus):
    added = await add(bus, "Hello, IPFS!", filename="hello.txt")
    assert (added.cid, added.Hash, added.content_size_bytes, added.filename) == (
        HELLO,
        HELLO,
        12,
        "hello.txt",
    )
    stream = await bus.open(subjects.CAT, ipfs.CatRequest(cid=HELLO))
    assert (stream.whole, stream.head) == (b"Hello, IPFS!", None)


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
@pytest.mark.parametrize("size", [0, 1, 262_145, 1_048_577, 5_000_000])
async def test_a_stream_of_any_size_comes_back_whole_and_in_ranges(bus, profile, size):
    content = os.urandom(size)

    async def pieces():
        for start in range(0, size, 70_000):
            yield content[start : start + 70_000]

    added = await bus.upload(subjects.ADD, ipfs.AddRequest(profile=profile), pieces())
    assert added.content_size_bytes == size
    assert await read(bus, added.cid) == content
    if size:
        assert (
            await read(bus, added.cid, offset=size // 2, length=100) == content[size // 2 : size // 2 + 100]
        )
        assert await read(bus, added.cid, offset=-1) == content[-1:]


async def test_a_range_has_a_head_that_tells_the_whole_size(bus):
    await add(bus, "Hello, IPFS!")
    stream = await bus.open(subjects.CAT, ipfs.CatRequest(cid=HELLO, offset=7, length=4))
    assert stream.head == ipfs.FileHead(cid=HELLO, size_bytes=12, offset=7, length=4)


async def test_a_tree_is_listed_read_by_path_and_archived(bus):
    root = await tree(bus, {"d/a.txt": b"a", "d/sub/b.txt": b"bb"})
    assert (root.filename, root.entry_count, root.content_size_bytes) == ("d", 2, 3)
    assert [entry.path for entry in root.entries] == ["d/a.txt", "d/sub/b.txt"]
    listed = [
        (e.name, e.type, e.size_bytes) async for e in bus.items(subjects.LS, ipfs.PathRequest(cid=root.cid))
    ]
    assert listed[0] == ("a.txt", "file", 1)
    assert listed[1][:2] == ("sub", "directory")
    assert await read(bus, root.cid, path="sub/b.txt") == b"bb"
    stat = await bus.request(subjects.STAT, ipfs.PathRequest(cid=root.cid, path="sub/b.txt"))
    assert (stat.type, stat.size_bytes) == ("file", 2)
    async with await bus.open(subjects.GET, ipfs.PathRequest(cid=root.cid, path="sub")) as stream:
        assert stream.head.name == "sub"
        assert (await anext(aiter(stream))).startswith(b"sub")


async def test_one_file_is_wrapped_on_request(bus):
    added = await add(bus, "x", filename="x.txt", wrap=True)
    assert await read(bus, added.cid, path="x.txt") == b"x"
    with pytest.raises(BadRequest) as caught:
        await add(bus, "x", wrap=True)
    assert caught.value.field == "filename"


async def test_a_directory_cannot_be_read_as_a_file(bus):
    root = await tree(bus, {"d/a": b"a"})
    with pytest.raises(BadRequest):
        await read(bus, root.cid)
    with pytest.raises(NotFound):
        await read(bus, root.cid, path="missing")


# ---- blocks ---------------------------------------------------------------------------------------------


async def test_a_block_goes_in_and_out_and_away(bus):
    put = await bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(data=b"Hello, IPFS!"))
    assert (put.cid, put.size_bytes, put.format) == (HELLO, 12, "raw")
    async with await bus.open(subjects.BLOCK_GET, ipfs.BlockRequest(cid=HELLO)) as stream:
        assert stream.head == ipfs.BlockHead(cid=HELLO, size_bytes=12)
        assert [chunk async for chunk in stream] == [b"Hello, IPFS!"]
    assert (await bus.request(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=HELLO))).size_bytes == 12
    assert (await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=HELLO))).removed
    with pytest.raises(NotFound):
        await bus.request(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=HELLO))
    with pytest.raises(NotFound):
        await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=HELLO))
    assert not (await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=HELLO, force=True))).removed


async def test_a_block_that_is_wrong_too_large_or_of_no_codec_is_refused(bus):
    with pytest.raises(InvalidContent):
        await bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(data=b"other", cid=HELLO))
    with pytest.raises(BadRequest) as caught:
        await bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(data=b"x", format="nonsense"))
    assert caught.value.field == "format"

    async def endless():
        while True:
            yield bytes(1 << 20)

    with pytest.raises(TooLarge) as large:
        await bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(), endless())
    assert large.value.limit == ipfs.MAX_BLOCK_BYTES


async def test_a_pinned_block_is_not_removed(bus):
    await add(bus, "Hello, IPFS!")
    with pytest.raises(Conflict):
        await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=HELLO))


# ---- pins and collection --------------------------------------------------------------------------------


async def test_pins_are_named_listed_moved_and_removed(bus):
    one, two = await add(bus, "one", pin_name="first"), await add(bus, "two", pin=False)
    pins = [pin async for pin in bus.items(subjects.PINS, ipfs.PinList(name="first"))]
    assert [(pin.cid, pin.mode) for pin in pins] == [(one.cid, "recursive")]
    moved = await bus.request(subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=one.cid, to_cid=two.cid))
    assert (moved.cid, moved.name) == (two.cid, "first")
    assert not (await bus.request(subjects.UNPIN, ipfs.PinRemove(cid=two.cid))).pinned
    assert [pin async for pin in bus.items(subjects.PINS, ipfs.PinList())] == []


async def test_pinning_what_is_not_here_names_the_block(bus):
    with pytest.raises(NotFound) as caught:
        await bus.request(subjects.PIN, ipfs.PinRequest(cid=HELLO))
    assert (caught.value.what, caught.value.name) == ("block", HELLO)


async def test_collection_keeps_what_is_pinned_and_takes_the_rest(bus):
    kept, gone = await add(bus, "kept"), await add(bus, "gone", pin=False)
    collected = await bus.request(subjects.REPO_GC, ipfs.RepoGc())
    assert (collected.removed_blocks, collected.kept_blocks) == (1, 1)
    assert await read(bus, kept.cid) == b"kept"
    with pytest.raises(NotFound):
        await read(bus, gone.cid)


async def test_the_repository_tells_of_itself_and_verifies(bus):
    await add(bus, "one")
    stat = await bus.request(subjects.REPO_STAT, ipfs.RepoStatRequest())
    assert (stat.blocks, stat.pins, stat.size_bytes) == (1, 1, 3)
    verified = await bus.request(subjects.REPO_VERIFY, ipfs.RepoVerify())
    assert (verified.checked_blocks, verified.bad_blocks) == (1, 0)


async def test_the_node_has_an_identity_that_stays(bus):
    first, second = [await bus.request(subjects.ID, ipfs.IdRequest()) for _ in range(2)]
    assert first.id == second.id
    assert first.id.startswith("12D3KooW")
    assert (await bus.request(subjects.VERSION, ipfs.VersionRequest())).backend == "embedded"


# ---- events ---------------------------------------------------------------------------------------------


async def test_each_change_is_announced_once(bus):
    async with await bus.subscribe() as events:
        await add(bus, "Hello, IPFS!", pin=False)
        await bus.request(subjects.PIN, ipfs.PinRequest(cid=HELLO, name="greeting"))
        await bus.request(subjects.UNPIN, ipfs.PinRemove(cid=HELLO))
        await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=HELLO))
        await bus.request(subjects.REPO_GC, ipfs.RepoGc())
        heard = [await anext(aiter(events)) for _ in range(5)]
    rows = [subjects.ADDED, subjects.PINNED, subjects.UNPINNED, subjects.REMOVED, subjects.COLLECTED]
    assert [name for name, _ in heard] == [row.name for row in rows]
    bodies = [row.event.from_wire(body) for row, (_, body) in zip(rows, heard, strict=True)]
    assert all(body.cid == HELLO for body in bodies[:4])
    assert bodies[1].name == "greeting"


async def test_a_pin_that_expires_is_announced_as_removed(bus, monkeypatch):
    await add(bus, "Hello, IPFS!", pin=False)
    async with await bus.subscribe(subjects.UNPINNED) as events, asyncio.timeout(20):
        await bus.request(subjects.PIN, ipfs.PinRequest(cid=HELLO, expires_in_s=0.01))
        name, body = await anext(aiter(events))
    assert name == "ipfs.unpinned"
    assert ipfs.PinChanged.from_wire(body).cid == HELLO


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired pins are looked for at once, not every fifteen seconds."""
    monkeypatch.setattr(node_module, "UPKEEP_EVERY_S", 0.05)
