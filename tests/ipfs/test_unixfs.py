"""UnixFS messages: written as Kubo writes them, read with every claim checked."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import InvalidContent

CHILD = Link(CID.of(RAW, b"child"), "", 5)
SHARD = {"hash_type": 0x22, "fanout": 256}


def read(node: UnixFS, *links: Link):
    block = dagpb.encode(links, unixfs.encode(node))
    return unixfs.decode_node(block, CID.of(DAG_PB, block))[0]


def refused(node: UnixFS, *links: Link) -> str:
    with pytest.raises(InvalidContent) as caught:
        read(node, *links)
    assert caught.value.field == "unixfs"
    assert caught.value.cid
    return caught.value.problem


def test_a_directory_is_two_bytes():
    assert unixfs.encode(UnixFS(unixfs.DIRECTORY)) == b"\x08\x01"


def test_the_empty_directories_have_their_well_known_cids(golden):
    block = dagpb.encode((), unixfs.encode(UnixFS(unixfs.DIRECTORY)))
    known = golden["well_known"]
    assert str(CID.of(DAG_PB, block, version=0)) == known["empty_dir_v0"]
    assert str(CID.of(DAG_PB, block)) == known["empty_dir_v1"]


messages = st.builds(
    UnixFS,
    type=st.integers(0, 5),
    data=st.binary(max_size=50),
    file_size=st.none() | st.integers(0, (1 << 64) - 1),
    block_sizes=st.lists(st.integers(0, (1 << 64) - 1), max_size=5),
    hash_type=st.none() | st.integers(0, 300),
    fanout=st.none() | st.integers(0, 1 << 40),
    mode=st.none() | st.integers(0, (1 << 32) - 1),
    mtime=st.none() | st.tuples(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 999_999_999)),
)


@given(messages)
def test_a_message_is_read_as_it_was_written(message):
    assert unixfs.decode(unixfs.encode(message)) == message


@given(st.binary(max_size=100))
def test_no_bytes_break_the_decoder(raw):
    with contextlib.suppress(InvalidContent):
        unixfs.decode(raw)


def test_packed_block_sizes_are_read():
    assert unixfs.decode(b"\x08\x02\x22\x03\x05\xac\x02").block_sizes == [5, 300]


def test_unknown_fields_are_skipped():
    assert unixfs.decode(b"\x08\x01\x78\x05\x82\x01\x01x\x8d\x01" + bytes(4)).type == unixfs.DIRECTORY


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "no type"),
        (b"\x18\x05", "no type"),
        (b"\x08\x06", "unknown type"),
        (b"\x08\x01\x08\x01", "twice"),
        (b"\x0a\x01\x01", "wire type"),
        (b"\x08\x01\x10\x01", "wire type"),
        (b"\x08\x01\x12\x05ab", "cut short"),
        (b"\x08\x01\x18", "cut short"),
        (b"\x08\x01\x0b", "wire type"),
        (b"\x08\x01\x42\x00", "mtime"),
    ],
)
def test_a_message_that_breaks_the_format_is_refused_with_the_reason(raw, problem):
    with pytest.raises(InvalidContent, match=problem):
        unixfs.decode(raw)


def test_a_file_whose_sizes_add_up_is_accepted():
    assert read(UnixFS(unixfs.FILE, b"ab", 7, [5]), CHILD).size_bytes == 7


def test_a_file_without_a_size_has_the_size_of_its_parts():
    assert read(UnixFS(unixfs.FILE, b"ab", None, [5]), CHILD).size_bytes == 7


def test_a_file_may_not_claim_another_size_than_its_parts():
    assert "claims 8 bytes" in refused(UnixFS(unixfs.FILE, b"ab", 8, [5]), CHILD)


def test_a_file_has_one_block_size_for_each_link():
    assert "2 block sizes for 1 links" in refused(UnixFS(unixfs.FILE, b"", 10, [5, 5]), CHILD)


def test_a_file_may_not_claim_more_than_a_file_can_have():
    assert "2^63" in refused(UnixFS(unixfs.FILE, b"", (1 << 64) - 2, [(1 << 64) - 2]), CHILD)


def test_a_block_without_data_is_not_unixfs():
    block = dagpb.encode([CHILD], None)
    with pytest.raises(InvalidContent, match="no type"):
        unixfs.decode_node(block, CID.of(DAG_PB, block))


def test_a_shard_that_is_possible_is_accepted():
    assert read(UnixFS(unixfs.HAMT_SHARD, b"\x01", **SHARD), CHILD).fanout == 256


@pytest.mark.parametrize("fanout", [None, 0, 1, 4, 7, 100, 255, 2048, 1 << 40])
def test_an_impossible_fanout_is_refused(fanout):
    assert "fanout" in refused(UnixFS(unixfs.HAMT_SHARD, b"", hash_type=0x22, fanout=fanout))


def test_another_hash_than_murmur3_is_refused():
    assert "murmur3" in refused(UnixFS(unixfs.HAMT_SHARD, b"", hash_type=0x12, fanout=256))


def test_a_bitfield_larger_than_the_fanout_is_refused():
    assert "bitfield of 33 bytes" in refused(UnixFS(unixfs.HAMT_SHARD, bytes(33), **SHARD))


def test_a_bitfield_that_counts_other_links_is_refused():
    assert "bitfield" in refused(UnixFS(unixfs.HAMT_SHARD, b"\x03", **SHARD), CHILD)


def test_a_symbolic_link_holds_its_target():
    node, links = unixfs.decode_node(unixfs.symlink_block(b"a/b"), CHILD.cid)
    assert (node.type, node.data, node.size_bytes, len(links)) == (unixfs.SYMLINK, b"a/b", 3, 0)
