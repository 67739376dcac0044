"""DAGs are counted and their links told without holding them, whoever made them and however they are shared."""

import asyncio
from contextlib import aclosing
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb, dagstat, registry
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.codecs.dagstat import Edge, dag_stat, refs
from cidbus.actors.ipfs.codecs.registry import DAG_CBOR
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import InvalidContent, NotFound, NotSupported, TooLarge


def put(blocks, value) -> CID:
    return blocks.place(registry.encode(DAG_CBOR, value), DAG_CBOR)


def size(blocks, *cids: CID) -> int:
    return sum(len(blocks.blocks[cid.multihash]) for cid in cids)


async def listed(blocks, cid, **options) -> list[Edge]:
    return [edge async for edge in refs(blocks, cid, **options)]


async def test_a_block_that_is_reached_twice_is_counted_once(blocks):
    leaf = blocks.place(b"leaf", RAW)
    left, right = put(blocks, ["left", leaf]), put(blocks, ["right", leaf, leaf])
    root = put(blocks, [left, right])
    stat = await dag_stat(blocks, [root])
    assert [(found.cid, found.blocks) for found in stat.roots] == [(root, 4)]
    assert stat.roots[0].size_bytes == stat.unique_size_bytes == size(blocks, leaf, left, right, root)


async def test_what_roots_share_counts_for_each_and_once_for_all(blocks):
    leaf = blocks.place(b"leaf", RAW)
    one, two = put(blocks, [1, leaf]), put(blocks, [2, leaf])
    stat = await dag_stat(blocks, [one, two])
    assert [root.blocks for root in stat.roots] == [2, 2]
    assert (stat.unique_blocks, stat.unique_size_bytes) == (3, size(blocks, leaf, one, two))
    assert stat.total_size_bytes == size(blocks, leaf, one, leaf, two)


async def test_the_same_bytes_under_two_codecs_are_one_block_with_the_links_of_both(blocks):
    leaf = blocks.place(b"leaf", RAW)
    node = put(blocks, [leaf])
    as_raw = CID(1, RAW, node.multihash)
    stat = await dag_stat(blocks, [put(blocks, [as_raw, node])])
    assert stat.unique_blocks == 3


async def test_a_cold_source_is_counted_like_a_warm_one(blocks, cold_blocks):
    leaves = [blocks.place(b"%d" % number, RAW) for number in range(100)]
    root = put(blocks, leaves)
    cold_blocks.blocks = blocks.blocks
    assert await dag_stat(blocks, [root]) == await dag_stat(cold_blocks, [root])


async def test_others_get_their_turn_while_blocks_are_counted(blocks):
    root = put(blocks, [blocks.place(b"%d" % number, RAW) for number in range(1000)])
    counting = asyncio.create_task(dag_stat(blocks, [root]))
    turns = 0
    while not counting.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 20


async def test_what_has_been_seen_outgrows_memory(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(dagstat, "MEMORY_KEYS", 10)
    root = put(blocks, [blocks.place(b"%d" % (number % 70), RAW) for number in range(200)])
    assert (await dag_stat(blocks, [root], temp_folder=tmp_path)).unique_blocks == 71
    assert len(await listed(blocks, root, recursive=True, unique=True, temp_folder=tmp_path)) == 70
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_block_ends_the_count_with_its_name(blocks):
    away = CID.of(RAW, b"away")
    with pytest.raises(NotFound, match=str(away)):
        await dag_stat(blocks, [put(blocks, [away])])


async def test_a_broken_block_ends_the_count_with_its_name(blocks):
    broken = blocks.place(b"\xff", DAG_CBOR)
    with pytest.raises(InvalidContent, match=str(broken)):
        await dag_stat(blocks, [put(blocks, [broken])])
    with pytest.raises(NotSupported, match="git-raw"):
        await dag_stat(blocks, [blocks.place(b"", CODECS["git-raw"])])


async def test_too_many_links_at_once_are_refused(blocks):
    root = put(blocks, [CID.of(RAW, b"", hash_name="identity")] * 200_001)
    with pytest.raises(TooLarge) as refused:
        await dag_stat(blocks, [root])
    assert refused.value.limit == 200_000
    with pytest.raises(TooLarge):
        await listed(blocks, root)


async def test_refs_are_the_links_of_a_block_in_its_order(blocks):
    a, b = blocks.place(b"a", RAW), blocks.directory(("deep", blocks.place(b"c", RAW)))
    root = blocks.directory(("b", b), ("a", a), ("a2", a))
    assert await listed(blocks, root) == [Edge(root, b, "b"), Edge(root, a, "a"), Edge(root, a, "a2")]
    assert await listed(blocks, root, unique=True) == [Edge(root, b, "b"), Edge(root, a, "a")]


async def test_recursive_refs_go_down_before_they_go_on(blocks):
    a, c = blocks.place(b"a", RAW), blocks.place(b"c", RAW)
    b = blocks.directory(("c", c))
    root = blocks.directory(("b", b), ("a", a), ("again", b))
    down = [Edge(root, b, "b"), Edge(b, c, "c"), Edge(root, a, "a"), Edge(root, b, "again"), Edge(b, c, "c")]
    assert await listed(blocks, root, recursive=True) == down
    assert await listed(blocks, root, recursive=True, unique=True) == down[:3]
    assert await listed(blocks, root, recursive=True, max_depth=0) == []
    assert await listed(blocks, root, recursive=True, max_depth=1) == [down[0], down[2], down[3]]


async def test_a_block_seen_far_down_is_gone_through_again_from_higher_up(blocks):
    end = blocks.place(b"end", RAW)
    shared = put(blocks, [end])
    root = put(blocks, [put(blocks, [shared]), shared])
    found = await listed(blocks, root, recursive=True, unique=True, max_depth=2)
    assert [edge.cid for edge in found] == [put(blocks, [shared]), shared, end]


@given(st.integers(1, 6), st.lists(st.lists(st.integers(0, 8), max_size=4), min_size=1, max_size=9))
def test_unique_refs_are_what_lies_within_the_depth(new_blocks, max_depth, recipe):
    blocks, cids = new_blocks(), []
    for number, below in enumerate(recipe):
        cids.append(put(blocks, [number, *(cids[other] for other in below if other < number)]))
    wanted, level = set(), {cids[-1]}
    for _ in range(max_depth):
        level = {link for cid in level for link in registry.links(cid, blocks.blocks[cid.multihash])}
        wanted |= level
    found = asyncio.run(listed(blocks, cids[-1], recursive=True, unique=True, max_depth=max_depth))
    assert len(found) == len({edge.cid for edge in found})
    assert {edge.cid for edge in found} == wanted


async def test_endless_refs_are_a_stream_that_can_be_left(blocks):
    cid = blocks.place(b"end", RAW)
    for number in range(60):
        cid = put(blocks, [number, cid, cid])
    async with aclosing(refs(blocks, cid, recursive=True)) as edges:
        seen = [edge async for edge, _ in _zipped(edges, 1000)]
    assert len(seen) == 1000
    assert len(await listed(blocks, cid, recursive=True, unique=True)) == 60
    assert (await dag_stat(blocks, [cid])).unique_blocks == 61


async def _zipped(stream, count):
    numbers = islice(range(count), count)
    async for item in stream:
        if (number := next(numbers, None)) is None:
            return
        yield item, number


async def test_a_dag_pb_link_of_another_codec_is_followed(blocks):
    leaf = blocks.place(b"leaf", RAW)
    root = blocks.place(dagpb.encode([Link(put(blocks, {"leaf": leaf}), "n", 0)], None), DAG_PB)
    assert [edge.cid for edge in await listed(blocks, root, recursive=True)][-1] == leaf
