"""What tar writes, the standard library reads back; what could leave its directory is never written."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.unixfs import tar, unixfs
from cidbus.actors.ipfs.unixfs.directory import build_symlink
from cidbus.actors.ipfs.unixfs.importer import import_bytes
from cidbus.actors.ipfs.unixfs.profiles import PROFILES, V0_2015, V1_2025, Profile
from cidbus.actors.ipfs.unixfs.tar import tar_stream
from cidbus.actors.ipfs.unixfs.tree import Tree
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.errors import BadRequest, InvalidContent, NotAFile, NotFound, TooLarge

SHARDED = Profile("sharded", 1, True, 16, 3, "block-bytes", shard_above_bytes=0)
names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 256
)


def store(blocks, data: bytes, profile: Profile):
    node, made = import_bytes(data, profile)
    for cid, block in made:
        blocks.blocks[cid.multihash] = block
    return node


async def archive(blocks, cid, name="root") -> bytes:
    return b"".join([piece async for piece in tar_stream(blocks, cid, name)])


async def unpacked(blocks, cid, name="root"):
    """{path: content, None for a directory or the target of a link} of an archive."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(await archive(blocks, cid, name))) as file:
        for member in file:
            assert member.name not in found
            body = file.extractfile(member) if member.isfile() else None
            found[member.name] = body.read() if body else member.linkname or None
    return found


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 300_000, 3_000_000])
async def test_a_file_is_one_entry(size, profile, blocks, pattern_of):
    data = pattern_of(size)
    assert await unpacked(blocks, store(blocks, data, profile).cid, "file.bin") == {"file.bin": data}


@settings(max_examples=40, deadline=None)
@given(
    files=st.dictionaries(
        st.lists(names, min_size=1, max_size=3).map("/".join), st.binary(max_size=100), max_size=12
    ),
    profile=st.sampled_from([V0_2015, V1_2025, SHARDED]),
)
async def test_a_tree_is_read_back_as_it_was_added(files, profile, new_blocks):
    blocks, grown, kept = new_blocks(), Tree(profile), {}
    for path, data in files.items():
        try:
            grown.add_file(path, store(blocks, data, profile))
        except BadRequest:
            continue  # A file where a directory is.
        kept[f"root/{path}"] = data
    root = await grown.finish(blocks, wrap=True)
    found = await unpacked(blocks, root.node.cid)
    assert {path: data for path, data in found.items() if data is not None} == kept
    assert "root" in found


async def test_directories_stand_before_their_entries(blocks):
    grown = Tree(V1_2025)
    grown.add_file("a/b/c", store(blocks, b"x", V1_2025))
    grown.add_directory("a/empty")
    root = await grown.finish(blocks)
    assert list(await unpacked(blocks, root.node.cid, "a")) == ["a", "a/b", "a/b/c", "a/empty"]


async def test_symbolic_links_are_kept_wherever_they_point(blocks):
    grown = Tree(V1_2025)
    grown.add_file("a/inside", await build_symlink("file", blocks, V1_2025))
    grown.add_file("a/outside", await build_symlink("../../etc/passwd", blocks, V1_2025))
    root = await grown.finish(blocks)
    found = await unpacked(blocks, root.node.cid)
    assert found == {"root": None, "root/inside": "file", "root/outside": "../../etc/passwd"}


async def test_long_and_foreign_paths_are_kept(blocks):
    path = "/".join(["näme" * 20] * 5)
    grown = Tree(V1_2025)
    grown.add_file(path, store(blocks, b"x", V1_2025))
    root = await grown.finish(blocks, wrap=True)
    assert (await unpacked(blocks, root.node.cid))[f"root/{path}"] == b"x"


async def test_the_same_cid_gives_the_same_bytes(blocks):
    cid = store(blocks, b"x", V1_2025).cid
    assert await archive(blocks, cid) == await archive(blocks, cid)


async def test_mode_and_time_are_kept_without_the_bits_that_give_rights(blocks):
    cid = blocks.node(UnixFS(unixfs.FILE, b"x", 1, mode=0o104755, mtime=(1_700_000_000, 5)))
    with tarfile.open(fileobj=io.BytesIO(await archive(blocks, cid))) as file:
        member = file.getmember("root")
    assert (member.mode, member.mtime, member.uid) == (0o755, 1_700_000_000, 0)


async def test_an_impossible_time_is_no_time(blocks):
    cid = blocks.node(UnixFS(unixfs.FILE, b"x", 1, mtime=(-(1 << 62), 0)))
    with tarfile.open(fileobj=io.BytesIO(await archive(blocks, cid))) as file:
        assert file.getmember("root").mtime == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b"])
async def test_the_top_entry_needs_a_file_name(name, blocks):
    with pytest.raises(BadRequest, match="name"):
        await archive(blocks, store(blocks, b"x", V1_2025).cid, name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\0b"])
async def test_an_entry_that_could_leave_its_directory_is_refused_before_a_byte_of_it(name, blocks):
    secret = store(blocks, b"secret", V1_2025).cid
    root = blocks.directory((name, secret))
    blocks.read.clear()
    with pytest.raises(InvalidContent) as caught:
        await archive(blocks, root)
    assert caught.value.field == "name"
    assert repr(name) in caught.value.message
    assert secret not in blocks.read


async def test_an_entry_that_stands_twice_is_refused(blocks):
    leaf = store(blocks, b"x", V1_2025).cid
    with pytest.raises(InvalidContent, match="two entries"):
        await archive(blocks, blocks.directory(("a", leaf), ("a", leaf)))


async def test_a_missing_block_ends_the_stream_with_its_name(blocks):
    leaf = store(blocks, b"x", V1_2025).cid
    root = blocks.directory(("a", leaf))
    blocks.forget(leaf)
    with pytest.raises(NotFound, match=str(leaf)):
        await archive(blocks, root)


async def test_a_block_of_another_codec_is_not_supported(blocks):
    with pytest.raises(NotAFile, match="dag-cbor"):
        await archive(blocks, blocks.directory(("a", blocks.place(b"\xa0", 0x71))))


async def test_more_entries_than_the_limit_are_refused(blocks, monkeypatch):
    monkeypatch.setattr(tar, "MAX_ENTRIES", 5)
    leaf = store(blocks, b"x", V1_2025).cid
    with pytest.raises(TooLarge, match="5 entries"):
        await archive(blocks, blocks.directory(*((f"{i}", leaf) for i in range(6))))


async def test_directories_that_repeat_within_reason_are_written(blocks, monkeypatch):
    monkeypatch.setattr(tar, "COUNT_AFTER_ENTRIES", 3)
    leaf = store(blocks, b"x", V1_2025).cid
    cid = blocks.directory(("a", leaf), ("b", leaf))
    for _ in range(5):
        cid = blocks.directory(("l", cid), ("r", cid))
    assert len(await unpacked(blocks, cid)) == sum(2**n for n in range(7))


async def test_small_entries_travel_together(blocks):
    leaf = store(blocks, b"x", V1_2025).cid
    root = blocks.directory(*((f"{i:04}", leaf) for i in range(2000)))
    pieces = [len(piece) async for piece in tar_stream(blocks, root, "root")]
    assert len(pieces) < 12
