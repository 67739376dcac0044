"""Paths go through nodes of any codec, inside blocks and across links, and say where they ended."""

import pytest

from cidbus.actors.ipfs.codecs import dagpb, registry
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.codecs.registry import DAG_CBOR, DAG_JSON
from cidbus.actors.ipfs.codecs.traversal import locate, resolve
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.hamt import build_shards
from cidbus.actors.ipfs.unixfs.profiles import profile_named
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, CODECS, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported


def put(blocks, value, codec: int = DAG_CBOR) -> CID:
    return blocks.place(registry.encode(codec, value), codec)


async def test_a_path_of_nothing_is_the_block_itself(blocks):
    cid = put(blocks, {"a": 1})
    found = await resolve(blocks, cid)
    assert found[:5] == (cid, DAG_CBOR, "", {"a": 1}, [cid])


async def test_keys_and_places_lead_into_a_block(blocks):
    cid = put(blocks, {"a": [{"b": "here"}]})
    found = await resolve(blocks, cid, "/a/0/b/")
    assert found[:5] == (cid, DAG_CBOR, "a/0/b", "here", [cid])


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON])
async def test_a_link_on_the_way_leads_to_its_block(blocks, codec):
    child = put(blocks, {"name": "child", "list": [1, 2]}, codec)
    cid = put(blocks, {"links": [child]}, codec)
    found = await resolve(blocks, cid, "links/0/list/1")
    assert found[:5] == (child, codec, "list/1", 2, [cid, child])


async def test_a_link_at_the_end_is_the_block_behind_it(blocks):
    child = put(blocks, {"a": 1})
    cid = put(blocks, {"child": child})
    assert (await resolve(blocks, cid, "child"))[:5] == (child, DAG_CBOR, "", {"a": 1}, [cid, child])


async def test_the_block_behind_the_last_link_is_not_read_to_locate_it(blocks):
    away = CID.of(DAG_CBOR, b"elsewhere")
    cid = put(blocks, {"away": away})
    assert (await locate(blocks, cid, "away")) == (away, "", [cid, away])
    assert blocks.read == [cid]
    with pytest.raises(NotFound) as missing:
        await resolve(blocks, cid, "away")
    assert (missing.value.what, missing.value.name) == ("block", str(away))


async def test_where_nothing_stands_is_told_with_the_name_and_the_block(blocks):
    child = put(blocks, [1, 2])
    cid = put(blocks, {"a": child, "text": "b"})
    for path, name, at in (("b", "b", cid), ("a/2", "2", child), ("text/x", "x", cid), ("a/-1", "-1", child)):
        with pytest.raises(NotFound) as missing:
            await locate(blocks, cid, path)
        assert (missing.value.what, missing.value.name) == ("path", path)
        assert (missing.value.missing, missing.value.cid) == (name, str(at))


@pytest.mark.parametrize("name", ["00", "01", "+1", "1 ", "٣", "1e0", "4294967296", "9" * 3000, "length"])
async def test_only_plain_numbers_are_places(blocks, name):
    cid = put(blocks, list(range(10)))
    with pytest.raises(NotFound):
        await locate(blocks, cid, name)


async def test_a_name_below_a_unixfs_directory_is_an_entry(blocks):
    data = put(blocks, {"authors": [{"name": "Ada"}]})
    inner = blocks.directory(("b", data))
    cid = blocks.directory(("Links", blocks.directory()), ("a", inner))
    found = await resolve(blocks, cid, "a/b/authors/0/name")
    assert found[:5] == (data, DAG_CBOR, "authors/0/name", "Ada", [cid, inner, data])
    assert (await locate(blocks, cid, "Links")).cid == blocks.directory()


async def test_a_sharded_directory_is_one_step_and_each_of_its_shards_is_read_once(blocks):
    entries = [Link(blocks.place(b"%d" % number, RAW), f"n{number}", 1) for number in range(2000)]
    profile = profile_named("unixfs-v1-2025")
    for shard, block, _ in build_shards(entries, profile):
        blocks.blocks[shard.multihash] = block
        cid = shard
    found = await locate(blocks, cid, "n1234")
    assert (found.cid, found.roots) == (entries[1234].cid, [cid, entries[1234].cid])
    assert len(blocks.read) == len(set(blocks.read)) > 1


async def test_with_bare_pathing_a_directory_is_a_node(blocks):
    leaf = blocks.place(b"leaf", RAW)
    cid = blocks.directory(("a", leaf))
    found = await resolve(blocks, cid, "Links/0/Name", pathing="dag")
    assert (found.cid, found.remainder, found.value) == (cid, "Links/0/Name", "a")
    assert (await resolve(blocks, cid, "Links/0/Hash", pathing="dag")).value == b"leaf"
    assert (await resolve(blocks, cid, "a", pathing="dag")).cid == leaf


async def test_a_node_that_is_no_directory_is_a_node_without_being_asked(blocks):
    leaf = blocks.place(b"leaf", RAW)
    cid = blocks.place(dagpb.encode([Link(leaf, "named", 4)], b"not unixfs"))
    assert (await resolve(blocks, cid, "Data")).value == b"not unixfs"
    assert (await resolve(blocks, cid, "Links/0/Hash")).cid == leaf
    assert (await resolve(blocks, cid, "named")).cid == leaf
    with pytest.raises(NotFound):
        await resolve(blocks, cid, "other")


async def test_a_file_is_a_node(blocks):
    cid = blocks.node(UnixFS(unixfs.FILE, b"abc", 3))
    assert (await resolve(blocks, cid, "Links")).value == []
    with pytest.raises(NotFound):
        await resolve(blocks, cid, "x")


async def test_no_path_goes_through_a_symbolic_link_by_name(blocks):
    cid = blocks.directory(("link", blocks.node(UnixFS(unixfs.SYMLINK, b"target"))))
    with pytest.raises(NotSupported, match="symbolic link"):
        await locate(blocks, cid, "link/x")


async def test_a_link_in_plain_json_is_a_map(blocks):
    cid = blocks.place(b'{"/": "bafkqaaa"}', CODECS["json"])
    assert (await resolve(blocks, cid)).value == {"/": "bafkqaaa"}


async def test_no_path_goes_into_a_codec_that_cannot_be_read(blocks):
    cid = blocks.place(b"tree 0\0", CODECS["git-raw"])
    assert (await locate(blocks, cid)).cid == cid
    with pytest.raises(NotSupported, match="git-raw"):
        await locate(blocks, cid, "x")


async def test_a_broken_block_on_the_way_is_named(blocks):
    broken = blocks.place(b"\xff", DAG_CBOR)
    cid = put(blocks, {"a": broken})
    with pytest.raises(InvalidContent) as invalid:
        await locate(blocks, cid, "a/b")
    assert invalid.value.cid == str(broken)


async def test_a_block_that_is_only_a_link_is_gone_through(blocks):
    end = put(blocks, {"a": 1})
    cid = put(blocks, put(blocks, end))
    assert (await resolve(blocks, cid, "a")).value == 1
    assert (await resolve(blocks, cid)).cid == cid


async def test_a_chain_of_such_blocks_ends_after_256(blocks):
    cid = put(blocks, {"a": 1})
    for _ in range(256):
        cid = put(blocks, cid)
    assert (await resolve(blocks, cid, "a")).value == 1
    with pytest.raises(BadRequest, match="256") as refused:
        await locate(blocks, put(blocks, cid), "a")
    assert (refused.value.field, refused.value.limit) == ("path", 256)


@pytest.mark.parametrize("path", ["a/../b", "./a", "x/" * 257])
async def test_dots_and_endless_paths_are_refused(blocks, path):
    with pytest.raises(BadRequest) as refused:
        await locate(blocks, put(blocks, {}), path)
    assert refused.value.field == "path"


async def test_a_path_of_256_names_is_followed(blocks):
    value = "end"
    for _ in range(256):
        value = [value]
    found = await resolve(blocks, put(blocks, value), "0/" * 256)
    assert found.value == "end"
