"""The client does the same over NATS and over HTTP: every test here runs over both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cidbus.client import Client
from cidbus.schemas import ipfs
from cidbus.schemas.errors import BadRequest, Conflict, NotFound, TooLarge

HELLO_CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
DIRECTORY_CID = "bafybeic2va5a3usppb5vy3e46ozmcp67c7kbqrufgqw47wxeru25djyzli"
SOME_BYTES = bytes(range(256)) * 8192  # 2 MiB: several messages


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """photos/{a.txt, b → a.txt, empty/, sub/large, sub/größe €.txt, .hidden}"""
    top = tmp_path / "photos"
    (top / "sub").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a.txt").write_text("a")
    (top / "b").symlink_to("a.txt")
    (top / "sub" / "large").write_bytes(SOME_BYTES)
    (top / "sub" / "größe €.txt").write_text("ß")
    (top / ".hidden").write_text("h")
    return top


async def in_pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


# ---- content in -----------------------------------------------------------------------------------------


async def test_text_is_added_as_utf_8(client: Client):
    added = await client.ipfs.add("hello world")
    assert added == ipfs.Added(
        cid=HELLO_CID,
        content_size_bytes=11,
        dag_size_bytes=11,
        profile="unixfs-v1-2025",
        pinned=True,
    )
    assert await client.ipfs.cat(added.cid).read() == b"hello world"


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 128 * 1024 + 1, len(SOME_BYTES)])
async def test_bytes_of_any_size_come_back_as_they_were(client: Client, size: int):
    added = await client.ipfs.add(SOME_BYTES[:size])
    assert added.content_size_bytes == size
    assert await client.ipfs.cat(added.cid).read() == SOME_BYTES[:size]


async def test_text_that_json_escapes_sixfold_is_added(client: Client):
    added = await client.ipfs.add("\x01" * 128 * 1024)
    assert added.content_size_bytes == 128 * 1024


async def test_the_way_of_adding_does_not_change_the_cid(client: Client, tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(SOME_BYTES)
    added = [
        await client.ipfs.add(SOME_BYTES),
        await client.ipfs.add(memoryview(SOME_BYTES)),
        await client.ipfs.add(in_pieces(SOME_BYTES, 100_000)),
        await client.ipfs.add(file),
    ]
    assert len({one.cid for one in added}) == 1


async def test_a_file_gives_its_name_unless_another_is_given(client: Client, tmp_path: Path):
    file = tmp_path / "file.txt"
    file.write_text("content")
    assert (await client.ipfs.add(file)).filename == "file.txt"
    assert (await client.ipfs.add(file, filename="other")).filename == "other"


async def test_options_travel_with_streamed_content(client: Client):
    added = await client.ipfs.add(
        SOME_BYTES, profile="unixfs-v0-2015", pin=False, filename="a b&c", wrap=True
    )
    assert (added.profile, added.pinned, added.cid[:2]) == ("unixfs-v0-2015", False, "Qm")
    assert [entry.name async for entry in client.ipfs.ls(added.cid)] == ["a b&c"]


async def test_progress_is_told_up_to_the_last_byte(client: Client):
    sent: list[int] = []
    await client.ipfs.add(in_pieces(SOME_BYTES, 500_000), progress=sent.append)
    assert sent == [500_000, 1_000_000, 1_500_000, 2_000_000, len(SOME_BYTES)]
    sent.clear()
    await client.ipfs.add(b"small", progress=sent.append)
    assert sent == [5]


async def test_an_error_of_the_source_is_raised_as_it_is(client: Client):
    async def breaks() -> AsyncIterator[bytes]:
        yield SOME_BYTES
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await client.ipfs.add(breaks())
    assert [pin async for pin in client.ipfs.pin_ls()] == []


# ---- trees ----------------------------------------------------------------------------------------------


async def test_a_directory_is_added_as_a_tree(client: Client, tree: Path):
    added = await client.ipfs.add(tree)
    kinds = {entry.name: entry.type async for entry in client.ipfs.ls(added.cid)}
    assert kinds == {"a.txt": "file", "b": "symlink", "empty": "directory", "sub": "directory"}
    assert await client.ipfs.cat(added.cid, path="sub/large").read() == SOME_BYTES
    assert await client.ipfs.cat(added.cid, path="sub/größe €.txt").read() == "ß".encode()
    assert (await client.ipfs.stat(added.cid, path="b")).target == "a.txt"


async def test_hidden_entries_are_added_on_request_only(client: Client, tree: Path):
    plain, whole = await client.ipfs.add(tree), await client.ipfs.add(tree, hidden=True)
    assert ".hidden" not in [entry.name async for entry in client.ipfs.ls(plain.cid)]
    assert ".hidden" in [entry.name async for entry in client.ipfs.ls(whole.cid)]


async def test_several_paths_are_wrapped_into_one_tree(client: Client, tree: Path):
    added = await client.ipfs.add([tree / "a.txt", tree / "sub"], wrap=True)
    assert [entry.name async for entry in client.ipfs.ls(added.cid)] == ["a.txt", "sub"]


async def test_a_tree_comes_back_as_a_tar(client: Client, tree: Path, tmp_path: Path):
    import io
    import tarfile

    added = await client.ipfs.add(tree)
    archive = await client.ipfs.get(added.cid, path="sub").read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == ["sub", "sub/größe €.txt", "sub/large"]


# ---- content out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(3, None, b"lo"), (1, 3, b"ell"), (-2, None, b"lo"), (0, 0, b""), (4, 100, b"o")],
)
async def test_a_range_of_a_file_is_read(client: Client, offset: int, length: int | None, expected: bytes):
    added = await client.ipfs.add("hello")
    assert await client.ipfs.cat(added.cid, offset=offset, length=length).read() == expected


async def test_a_range_deep_in_a_large_file_is_read(client: Client):
    added = await client.ipfs.add(SOME_BYTES)
    async with client.ipfs.cat(added.cid, offset=1_000_001, length=700_000) as content:
        assert content.head == ipfs.FileHead(
            cid=added.cid, size_bytes=len(SOME_BYTES), offset=1_000_001, length=700_000
        )
        assert b"".join([chunk async for chunk in content]) == SOME_BYTES[1_000_001:1_700_001]


async def test_the_head_of_a_small_file_is_worked_out(client: Client):
    added = await client.ipfs.add("hello")
    content = await client.ipfs.cat(added.cid)
    assert content.head == ipfs.FileHead(cid=added.cid, size_bytes=5, length=5)
    await content.aclose()


async def test_reading_stops_at_its_limit(client: Client):
    added = await client.ipfs.add(SOME_BYTES)
    with pytest.raises(TooLarge) as raised:
        await client.ipfs.cat(added.cid).read(limit_bytes=1_000_000)
    assert raised.value.limit == 1_000_000


async def test_content_that_is_left_early_leaves_the_client_usable(client: Client):
    added = await client.ipfs.add(SOME_BYTES * 8)
    async with client.ipfs.cat(added.cid) as content:
        assert await anext(content)
    assert [chunk async for chunk in content] == []
    assert await client.ipfs.cat(added.cid, length=1).read() == SOME_BYTES[:1]


async def test_many_files_are_read_at_once(client: Client):
    added = [await client.ipfs.add(f"file {number}") for number in range(50)]
    read = await asyncio.gather(*(client.ipfs.cat(one.cid).read() for one in added))
    assert read == [b"file %d" % number for number in range(50)]


# ---- blocks, pins, the repository -----------------------------------------------------------------------


async def test_a_block_is_stored_and_read(client: Client):
    stored = await client.ipfs.block_put(b"block", pin=True)
    assert await client.ipfs.block_get(stored.cid).read() == b"block"
    assert await client.ipfs.block_stat(stored.cid) == stored
    assert [pin.cid async for pin in client.ipfs.pin_ls()] == [stored.cid]


async def test_a_large_block_is_stored_as_a_stream(client: Client):
    stored = await client.ipfs.block_put(SOME_BYTES, format="raw")
    assert stored.size_bytes == len(SOME_BYTES)


async def test_a_block_takes_no_directory(client: Client, tree: Path):
    with pytest.raises(BadRequest) as raised:
        await client.ipfs.block_put(tree)
    assert raised.value.field == "source"


async def test_a_pin_is_named_listed_moved_and_removed(client: Client):
    one, two = await client.ipfs.add("one", pin=False), await client.ipfs.add("two", pin=False)
    pinned = await client.ipfs.pin_add(one.cid, name="my pin", expires_in_s=3600)
    assert (pinned.mode, pinned.name, pinned.expires_at is not None) == ("recursive", "my pin", True)
    assert [pin.cid async for pin in client.ipfs.pin_ls(name="my pin")] == [one.cid]
    await client.ipfs.pin_update(one.cid, two.cid)
    assert [pin.cid async for pin in client.ipfs.pin_ls(type="recursive")] == [two.cid]
    assert not (await client.ipfs.pin_rm(two.cid)).pinned
    assert [pin async for pin in client.ipfs.pin_ls()] == []


async def test_a_long_list_comes_item_by_item(client: Client):
    # Three messages' worth.
    blocks = (client.ipfs.block_put(b"%d" % number, pin=True) for number in range(1500))
    cids = {stored.cid for stored in await asyncio.gather(*blocks)}
    assert {pin.cid async for pin in client.ipfs.pin_ls()} == cids


async def test_garbage_is_collected_and_counted(client: Client):
    await client.ipfs.add("kept")
    await client.ipfs.add("garbage", pin=False)
    assert (await client.ipfs.repo_gc()).removed_blocks == 1
    assert (await client.ipfs.repo_stat()).blocks == 1
    assert (await client.ipfs.repo_verify()).bad_blocks == 0


async def test_the_node_says_who_it_is(client: Client):
    assert (await client.ipfs.id()).id.startswith("12D3KooW")
    assert (await client.ipfs.version()).version


# ---- errors ---------------------------------------------------------------------------------------------


async def test_an_error_is_of_its_own_class_and_keeps_its_facts(client: Client):
    with pytest.raises(NotFound) as raised:
        await client.ipfs.stat(HELLO_CID)
    assert (raised.value.what, raised.value.name) == ("block", HELLO_CID)
    assert raised.value.message == f"block not found: {HELLO_CID}"


async def test_a_missing_file_is_told_when_its_content_is_opened(client: Client):
    with pytest.raises(NotFound):
        await client.ipfs.cat(HELLO_CID)
    with pytest.raises(NotFound):
        await client.ipfs.cat(HELLO_CID).read()


async def test_a_missing_directory_is_told_at_the_first_item(client: Client):
    with pytest.raises(NotFound):
        await anext(client.ipfs.ls(DIRECTORY_CID))


async def test_a_field_beyond_its_limit_is_named_before_anything_is_sent(client: Client):
    with pytest.raises(BadRequest) as raised:
        await client.ipfs.pin_add(HELLO_CID, name="x" * 256)
    assert (raised.value.field, raised.value.limit) == ("name", 255)


async def test_a_field_that_the_actor_refuses_is_named(client: Client):
    with pytest.raises(BadRequest) as raised:
        await client.ipfs.cat("not-a-cid").read()
    assert raised.value.field == "cid"


async def test_a_conflict_stays_a_conflict(client: Client):
    added = await client.ipfs.add("kept")
    with pytest.raises(Conflict):
        await client.ipfs.block_rm(added.cid)


# ---- events and statistics ------------------------------------------------------------------------------


async def test_events_are_heard_from_the_moment_of_listening(client: Client):
    async with client.events() as events:
        added = await client.ipfs.add("news", filename="news.txt")
        happened = await anext(events)
    assert (happened.type, happened.cid) == ("ipfs.added", added.cid)
    assert isinstance(happened.event, ipfs.ContentAdded)
    assert (happened.event.filename, happened.event.size_bytes) == ("news.txt", 4)


@pytest.mark.parametrize("types", ["ipfs.unpinned", ["pin_removed"], ("ipfs.unpinned", "ipfs.removed")])
async def test_events_are_filtered_by_type_in_either_spelling(client: Client, types: str | list[str]):
    async with client.events(types) as events:
        added = await client.ipfs.add("news")
        await client.ipfs.pin_rm(added.cid)
        assert (await anext(events)).type == "ipfs.unpinned"


async def test_events_are_filtered_by_the_beginning_of_the_cid(client: Client):
    one, two = await client.ipfs.add("one"), await client.ipfs.add("two")
    async with client.events(cid_prefix=two.cid[:-5]) as events:
        await client.ipfs.pin_rm(one.cid)
        await client.ipfs.pin_rm(two.cid)
        assert (await anext(events)).cid == two.cid


async def test_an_event_type_that_does_not_exist_is_refused(client: Client):
    with pytest.raises(BadRequest, match="content_eaten") as raised:
        client.events("content_eaten")
    assert raised.value.field == "types"


async def test_statistics_count_requests_and_errors_by_subject(client: Client):
    await client.ipfs.add("one")
    with pytest.raises(NotFound):
        await client.ipfs.stat(HELLO_CID)
    (stats,) = await client.stats()
    assert stats.actor == "ipfs"
    found = {endpoint.subject: endpoint for endpoint in stats.endpoints}
    assert (found["cidbus.ipfs.add"].requests, found["cidbus.ipfs.add"].errors) == (1, 0)
    assert (found["cidbus.ipfs.stat"].requests, found["cidbus.ipfs.stat"].errors) == (1, 1)
    assert found["cidbus.ipfs.stat"].last_error == "404:NotFound"
    heard = found["cidbus.event.ipfs.announced"].requests  # what the node says of itself, it hears too
    assert (stats.requests - heard, stats.errors) == (2, 1)
