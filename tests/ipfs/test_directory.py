"""Directories and trees: built from any order of paths, sharded at the profile's size, listed as built."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link, link_size
from cidbus.actors.ipfs.codecs.traversal import locate
from cidbus.actors.ipfs.unixfs import tree, unixfs
from cidbus.actors.ipfs.unixfs.directory import DIRECTORY_DATA, build_directory, build_symlink, is_sharded
from cidbus.actors.ipfs.unixfs.hamt import name_hash
from cidbus.actors.ipfs.unixfs.importer import import_bytes
from cidbus.actors.ipfs.unixfs.listing import ls, stat
from cidbus.actors.ipfs.unixfs.profiles import PROFILES, V0_2015, V1_2025, Profile
from cidbus.actors.ipfs.unixfs.tree import Tree
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported, TooLarge

SHARD_ALL = Profile("sharded", 1, True, 1024, 1024, "block-bytes", shard_above_bytes=0)
SHARD_ALL_8 = Profile("sharded-8", 1, True, 1024, 1024, "block-bytes", shard_above_bytes=0, shard_fanout=8)

names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


def small(text: str = "x", profile: Profile = V1_2025):
    return import_bytes(text.encode(), profile)[0]


async def listed(blocks, cid, **options):
    return [entry async for entry in ls(blocks, cid, **options)]


def store(blocks, data: bytes, profile: Profile = V1_2025):
    node, made = import_bytes(data, profile)
    for cid, block in made:
        blocks.blocks[cid.multihash] = block
    return node


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_entries_are_sorted_by_the_bytes_of_their_names(profile, blocks):
    names = ["b", "a", "Ä", "ab", "\U0001f600", "\uffff", "B"]
    root = await build_directory([(name, small(name)) for name in names], blocks, profile)
    found = [entry.name for entry in await listed(blocks, root.cid)]
    assert found == sorted(names, key=str.encode)


async def test_the_same_entries_in_any_order_give_the_same_directory(blocks):
    entries = [(f"file {i}", small(str(i))) for i in range(100)]
    assert await build_directory(entries, blocks, V1_2025) == await build_directory(
        entries[::-1], blocks, V1_2025
    )


def links_estimated_at(profile: Profile, estimate: int) -> list[Link]:
    """The links of a directory whose estimated size is exactly `estimate` bytes."""
    cid = small(profile=profile).cid
    by_names = profile.size_estimation == "links-bytes"

    def weight(name_bytes: int) -> int:
        raw = len(bytes(cid))
        return raw + name_bytes if by_names else link_size(raw, name_bytes, 1)

    rest = estimate if by_names else estimate - len(dagpb.encode((), DIRECTORY_DATA))
    count = rest // weight(200) - 1
    rest -= count * weight(200)
    last = next(size for size in range(1, 600) if weight(size) == rest)
    return [Link(cid, name, 1) for name in (*(f"{i:0200d}" for i in range(count)), "x" * last)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_directory_is_sharded_only_above_the_threshold(profile):
    at_most = links_estimated_at(profile, 262144)
    over = links_estimated_at(profile, 262145)
    assert (is_sharded(at_most, profile), is_sharded(over, profile)) == (False, True)


def test_the_newer_profile_estimates_the_exact_size_of_the_block():
    assert len(dagpb.encode(links_estimated_at(V1_2025, 262144), DIRECTORY_DATA)) == 262144


@settings(max_examples=40, deadline=None)
@given(found=st.sets(names, max_size=60), profile=st.sampled_from([V0_2015, V1_2025, SHARD_ALL, SHARD_ALL_8]))
async def test_every_entry_is_listed_and_found_again(found, profile, new_blocks):
    blocks = new_blocks()
    nodes = {name: small(name, V1_2025) for name in found}
    root = await build_directory(nodes.items(), blocks, profile)
    assert {entry.name: entry.cid for entry in await listed(blocks, root.cid)} == {
        name: node.cid for name, node in nodes.items()
    }
    for name, node in nodes.items():
        assert (await locate(blocks, root.cid, name)).cid == node.cid
    with pytest.raises(NotFound):
        await locate(blocks, root.cid, "no such name in there")


async def test_a_large_sharded_directory_lists_in_the_order_of_its_hashes(blocks):
    root = await build_directory([(f"{i}", small(str(i))) for i in range(20_000)], blocks, V1_2025)
    found = [entry.name for entry in await listed(blocks, root.cid)]
    assert len(found) == 20_000
    assert found == sorted(found, key=name_hash)


async def test_one_name_of_a_sharded_directory_is_found_with_few_blocks(blocks):
    root = await build_directory([(f"{i}", small(str(i))) for i in range(20_000)], blocks, V1_2025)
    blocks.read.clear()
    await locate(blocks, root.cid, "12345")
    assert len(blocks.read) <= 4


async def test_names_that_collide_in_every_bit_cannot_share_a_shard(blocks, monkeypatch):
    monkeypatch.setattr("cidbus.actors.ipfs.unixfs.hamt.name_hash", lambda name: 42)
    with pytest.raises(BadRequest, match="same hash"):
        await build_directory([("a", small()), ("b", small())], blocks, SHARD_ALL)


async def test_a_tree_is_the_same_whatever_the_order_of_its_paths(blocks):
    paths = ["a/b/c.txt", "a/d", "e", "a/b/f", "g/h/i"]
    roots = set()
    for order in (paths, paths[::-1], sorted(paths)):
        grown = Tree(V1_2025)
        for path in order:
            grown.add_file(path, small(path))
        roots.add((await grown.finish(blocks)).node)
    ((root),) = roots
    assert [entry.name for entry in await listed(blocks, root.cid)] == ["a", "e", "g"]
    assert (await locate(blocks, root.cid, "a/b/c.txt")).cid == small("a/b/c.txt").cid
    assert (await locate(blocks, root.cid, "/a//b/f/")).cid == small("a/b/f").cid


async def test_a_single_top_entry_is_the_root_unless_wrapped(blocks):
    grown = Tree(V1_2025)
    grown.add_file("only/file", small())
    bare, wrapped = await grown.finish(blocks), await grown.finish(blocks, wrap=True)
    assert (bare.name, bare.is_directory, wrapped.name) == ("only", True, None)
    assert (await locate(blocks, wrapped.node.cid, "only")).cid == bare.node.cid


async def test_a_single_file_is_its_own_root_unless_wrapped(blocks):
    grown = Tree(V1_2025)
    grown.add_file("file", small())
    bare = await grown.finish(blocks)
    assert (bare.node, bare.name, bare.is_directory) == (small(), "file", False)
    assert (await grown.finish(blocks, wrap=True)).is_directory


async def test_an_empty_tree_is_the_empty_directory(blocks, golden):
    root = await Tree(V0_2015).finish(blocks)
    assert str(root.node.cid) == golden["well_known"]["empty_dir_v0"]


async def test_an_empty_directory_stays(blocks, golden):
    grown = Tree(V1_2025)
    grown.add_directory("a/empty")
    grown.add_directory("a")
    grown.add_file("a/file", small())
    root = await grown.finish(blocks)
    assert str((await locate(blocks, root.node.cid, "empty")).cid) == golden["well_known"]["empty_dir_v1"]


async def test_each_directory_is_heard_of_children_first(blocks):
    grown, heard = Tree(V1_2025), []
    grown.add_file("a/b/c", small())
    grown.add_file("d", small())
    await grown.finish(blocks, on_directory=lambda path, node: heard.append(path))
    assert heard == ["a/b", "a", ""]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "a//b",
        "/a",
        "a/",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "a\0b",
        "a" * 256,
        "é" * 128,
        "\udc80",
        "a/" * 64 + "a",
    ],
)
def test_a_path_that_is_no_path_is_refused(path):
    with pytest.raises(BadRequest) as caught:
        Tree(V1_2025).add_file(path, small())
    assert caught.value.field == "path"


def test_names_and_depth_up_to_the_limit_are_accepted():
    Tree(V1_2025).add_file("/".join(["é" * 127] * 64), small())


def test_the_error_of_a_long_name_states_the_limit():
    with pytest.raises(BadRequest) as caught:
        Tree(V1_2025).add_directory("a" * 256)
    assert caught.value.limit == 255


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("a/b", "a"), ("a", "a/b"), ("a/b/c", "a/b/c"), ("a/b", "a/b/c")]
)
def test_two_files_at_one_path_or_on_each_others_way_are_refused(first, second):
    grown = Tree(V1_2025)
    grown.add_file(first, small())
    with pytest.raises(BadRequest, match="path"):
        grown.check_file(second)
    with pytest.raises(BadRequest, match="path"):
        grown.add_file(second, small())
    assert grown.entry_count == first.count("/") + 1


def test_a_directory_may_not_stand_where_a_file_is():
    grown = Tree(V1_2025)
    grown.add_file("a", small())
    with pytest.raises(BadRequest, match="file and a directory"):
        grown.add_directory("a")


def test_a_tree_of_too_many_entries_is_refused(monkeypatch):
    monkeypatch.setattr(tree, "MAX_ENTRIES", 3)
    grown = Tree(V1_2025)
    grown.add_file("a/b/c", small())
    with pytest.raises(TooLarge, match="3"):
        grown.add_file("a/d", small())


async def test_a_symbolic_link_is_listed_with_the_size_of_its_target(blocks):
    link = await build_symlink("target/é", blocks, V1_2025)
    root = await build_directory([("link", link)], blocks, V1_2025)
    assert [(e.name, e.type, e.size_bytes) for e in await listed(blocks, root.cid)] == [
        ("link", "symlink", 9)
    ]


@pytest.mark.parametrize("target", ["", "a\0b", "a" * 4097])
async def test_a_target_that_no_link_can_have_is_refused(target, blocks):
    with pytest.raises(BadRequest, match="target"):
        await build_symlink(target, blocks, V1_2025)


async def test_a_path_through_a_symbolic_link_is_not_followed(blocks):
    link = await build_symlink("elsewhere", blocks, V1_2025)
    root = await build_directory([("link", link)], blocks, V1_2025)
    assert (await locate(blocks, root.cid, "link")).cid == link.cid
    with pytest.raises(NotSupported, match="symbolic link"):
        await locate(blocks, root.cid, "link/file")


async def test_each_step_of_a_path_is_known(blocks):
    grown = Tree(V1_2025)
    grown.add_file("a/b", store(blocks, b"x"))
    root = (await grown.finish(blocks, wrap=True)).node.cid
    a = (await locate(blocks, root, "a")).cid
    assert (await locate(blocks, root, "a/b")).roots == [root, a, small().cid]
    assert (await locate(blocks, root)).roots == [root]


@pytest.mark.parametrize("path", ["nothing", "a/nothing", "a/b/c", "a/b/c/d"])
async def test_a_path_that_leads_nowhere_is_not_found(path, blocks):
    grown = Tree(V1_2025)
    grown.add_file("a/b", store(blocks, b"x"))
    root = (await grown.finish(blocks, wrap=True)).node.cid
    with pytest.raises(NotFound) as caught:
        await locate(blocks, root, path)
    assert (caught.value.what, caught.value.name) == ("path", path)


@pytest.mark.parametrize("path", ["..", "a/../a", ".", "a/" * 257])
async def test_dots_and_endless_paths_are_refused(path, blocks):
    root = await build_directory([("a", small())], blocks, V1_2025)
    with pytest.raises(BadRequest, match="path"):
        await locate(blocks, root.cid, path)


async def test_entries_have_their_type_and_size(blocks, add_file, pattern_of):
    large = await add_file(blocks, pattern_of(3 << 20), V1_2025)
    inner = await build_directory([("large", large)], blocks, V1_2025)
    leaf = store(blocks, b"wrapped", V0_2015)
    entries = [("dir", inner), ("large", large), ("leaf", leaf), ("raw", store(blocks, b"12345"))]
    root = await build_directory(entries, blocks, V1_2025)
    assert [(e.name, e.type, e.size_bytes) for e in await listed(blocks, root.cid)] == [
        ("dir", "directory", inner.dag_size_bytes),
        ("large", "file", 3 << 20),
        ("leaf", "file", 7),
        ("raw", "file", 5),
    ]


async def test_entries_whose_blocks_are_missing_or_broken_are_listed_by_their_links(blocks):
    gone = store(blocks, b"wrapped", V0_2015)
    broken = blocks.place(b"\x0a\x02\x08\x02\x0a")
    root = blocks.directory(("broken", broken), ("gone", gone.cid), size=33)
    blocks.forget(gone.cid)
    assert [(e.name, e.type, e.size_bytes) for e in await listed(blocks, root)] == [
        ("broken", "file", 33),
        ("gone", "file", 33),
    ]


async def test_a_listing_without_details_opens_no_entry(blocks):
    inner = await build_directory([], blocks, V1_2025)
    root = await build_directory([("dir", inner)], blocks, V1_2025)
    blocks.forget(inner.cid)
    assert [entry.name for entry in await listed(blocks, root.cid, details=False)] == ["dir"]


async def test_a_name_that_is_not_utf_8_is_listed_with_marks(blocks):
    root = blocks.directory((b"caf\xe9".decode("utf-8", "surrogateescape"), small().cid))
    assert [entry.name for entry in await listed(blocks, root)] == ["caf\ufffd"]


async def test_a_file_cannot_be_listed(blocks):
    for node in (store(blocks, b"x"), store(blocks, b"x", V0_2015)):
        with pytest.raises(BadRequest, match="not a directory"):
            await listed(blocks, node.cid)


async def test_a_block_of_another_codec_cannot_be_listed(blocks):
    with pytest.raises(BadRequest, match="not a directory"):
        await listed(blocks, blocks.place(b"\xa0", 0x71))


async def test_stat_tells_what_a_cid_is(blocks, add_file, pattern_of):
    large = await add_file(blocks, pattern_of(3 << 20), V1_2025)
    link = await build_symlink("large", blocks, V1_2025)
    root = await build_directory([("large", large), ("link", link)], blocks, V1_2025)
    file, target, top = [
        await stat(blocks, (await locate(blocks, root.cid, path)).cid) for path in ("large", "link", "")
    ]
    assert (file.type, file.size_bytes, file.dag_size_bytes, file.links, file.codec) == (
        "file", 3 << 20, large.dag_size_bytes, 3, "dag-pb",
    )  # fmt: skip
    assert (target.type, target.target, target.size_bytes) == ("symlink", "large", 5)
    assert (top.type, top.links, top.dag_size_bytes) == ("directory", 2, root.dag_size_bytes)


async def test_stat_of_what_is_no_file_tells_its_block(blocks):
    for cid in (blocks.place(b"\xa0", 0x71), blocks.place(b"\x0a\x01\xff"), blocks.node(unixfs.UnixFS(3))):
        found = await stat(blocks, cid)
        assert (found.type, found.size_bytes) == ("block", len(blocks.blocks[cid.multihash]))


async def test_stat_of_a_raw_leaf_is_a_file(blocks):
    found = await stat(blocks, store(blocks, b"12345").cid)
    assert (found.type, found.size_bytes, found.dag_size_bytes, found.codec) == ("file", 5, 5, "raw")


async def test_a_directory_with_a_missing_block_on_the_path_says_which(blocks):
    root = await build_directory([("a", small())], blocks, V1_2025)
    blocks.forget(root.cid)
    with pytest.raises(NotFound) as caught:
        await locate(blocks, root.cid, "a")
    assert (caught.value.what, caught.value.name) == ("block", str(root.cid))


async def test_broken_dag_pb_is_invalid_content(blocks):
    cid = blocks.place(b"\x0a")
    with pytest.raises(InvalidContent, match=str(cid)):
        await stat(blocks, cid)


def test_cids_of_version_0_stay_version_0_through_directories():
    assert CID.parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").version == 0
