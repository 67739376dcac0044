"""DAG-PB blocks: what is written is canonical, what is read is strict and never crashes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link, PBNode, link_size
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import InvalidContent, NotSupported

CHILD = CID.of(RAW, b"child")
HASH = b"\x0a\x24" + bytes(CHILD)
NAME, TSIZE = b"\x12\x01a", b"\x18\x05"

cids = st.builds(
    lambda version, data, codec: CID.of(DAG_PB if version == 0 else codec, data, version=version),
    st.integers(0, 1), st.binary(max_size=8), st.sampled_from([RAW, DAG_PB, 0x71]),
)  # fmt: skip
links = st.builds(
    Link, cids, st.text(st.characters(codec="utf-8"), max_size=200), st.integers(0, (1 << 64) - 1)
)


def framed(tag: bytes, body: bytes) -> bytes:
    assert len(body) < 128
    return tag + bytes([len(body)]) + body


def node(*links: bytes, data: bytes = b"") -> bytes:
    return b"".join(framed(b"\x12", link) for link in links) + data


@given(st.lists(links, max_size=8), st.none() | st.binary(max_size=300))
def test_a_node_is_read_as_it_was_written(links, data):
    assert dagpb.decode(dagpb.encode(links, data)) == PBNode(links, data)


@given(links)
def test_the_size_of_a_link_is_known_before_it_is_written(link):
    block = dagpb.encode([link], None)
    assert link_size(len(bytes(link.cid)), len(link.name.encode()), link.size) == len(block)


def test_links_stand_before_data_in_the_order_hash_name_size():
    block = dagpb.encode([Link(CHILD, "a", 5)], b"data")
    assert block == node(HASH + NAME + TSIZE) + b"\x0a\x04data"


def test_data_before_links_is_read_as_old_blocks_have_it():
    assert dagpb.decode(b"\x0a\x04data" + node(HASH)) == PBNode([Link(CHILD, "", 0)], b"data")


def test_the_empty_block_is_an_empty_node():
    assert dagpb.decode(b"") == PBNode([], None)


def test_empty_data_is_not_missing_data():
    assert dagpb.decode(b"\x0a\x00").data == b""


def test_name_and_size_may_be_missing():
    assert dagpb.decode(node(HASH)).links == [Link(CHILD, "", 0)]


def test_a_name_that_is_not_utf_8_keeps_its_bytes():
    block = node(HASH + b"\x12\x01\xff" + TSIZE)
    links, data = dagpb.decode(block)
    assert dagpb.encode(links, data) == block


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (b"\x0a", "cut short"),
        (b"\x0a\x05data", "cut short"),
        (b"\x12\x26" + HASH[:-1], "cut short"),
        (b"\x0a\x01a\x0a\x01b", "two data fields"),
        (node(HASH) + b"\x0a\x01a" + node(HASH), "before and after"),
        (b"\x1a\x00", "unknown field"),
        (b"\x08\x01a", "unknown field"),
        (b"\x10\x01a", "unknown field"),
        (node(b""), "hash"),
        (node(NAME), "hash"),
        (node(HASH + TSIZE + NAME), "misplaced"),
        (node(HASH + HASH), "repeated"),
        (node(HASH + NAME + NAME), "repeated"),
        (node(HASH + TSIZE + TSIZE), "repeated"),
        (node(HASH + b"\x20\x01"), "unknown"),
        (node(HASH + b"\x10\x01"), "unknown"),
        (node(HASH + b"\x12\x7f"), "cut short"),
        (node(HASH + b"\x18\x80"), "cut short"),
        (node(HASH + b"\x18" + b"\xff" * 10 + b"\x01"), "ten bytes"),
        (node(HASH + b"\x18" + b"\xff" * 9 + b"\x7f"), "64 bits"),
        (node(b"\x0a\x00"), "not a CID"),
        (node(b"\x0a\x04\x01\x55\x12\x20"), "not a CID"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut short"),
        (b"\x0a\x81\x80\x80\x01" + bytes(1 << 21), "larger than"),
    ],
)
def test_a_block_that_breaks_the_format_is_refused_with_the_reason(block, problem):
    with pytest.raises(InvalidContent, match=problem):
        dagpb.decode(block)


def test_the_error_names_the_block():
    with pytest.raises(InvalidContent, match=str(CHILD)):
        dagpb.decode(b"\x0a", CHILD)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(block):
    try:
        links, data = dagpb.decode(block)
    except InvalidContent:
        return
    assert dagpb.decode(dagpb.encode(links, data)) == (links, data)


@given(st.lists(links, min_size=1, max_size=3), st.data())
def test_no_flipped_byte_breaks_the_decoder(links, data):
    block = bytearray(dagpb.encode(links, b"data"))
    block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidContent):
        dagpb.decode(bytes(block))


@given(st.lists(links, max_size=6), st.text(st.characters(codec="utf-8"), max_size=3))
def test_a_link_is_found_by_name_as_by_looking_at_each(links, name):
    for wanted in {name, *(link.name for link in links)}:
        found, _ = dagpb.read(dagpb.encode(links, b"data"))
        assert found.find(wanted) == next((link for link in links if link.name == wanted), None)


def test_a_link_inside_the_name_of_another_is_not_found():
    fake = dagpb.encode([Link(CHILD, "wanted", 1)], None).decode("latin-1")
    real = Link(CID.of(DAG_PB, b"real"), "wanted", 1)
    found, _ = dagpb.read(dagpb.encode([Link(CHILD, fake, 1), real], fake.encode()))
    assert found.find("wanted") == real
    found, _ = dagpb.read(dagpb.encode([Link(CHILD, fake, 1)], fake.encode()))
    assert found.find("wanted") is None


def test_links_are_a_sequence():
    made = [Link(CHILD, name, 1) for name in "abc"]
    found, _ = dagpb.read(dagpb.encode(made, None))
    assert (list(found), found[1], list(found[1:]), len(found)) == (made, made[1], made[1:], 3)


def test_a_broken_link_is_refused_when_it_is_looked_at():
    found, _ = dagpb.read(node(HASH, HASH + HASH), CHILD)
    assert found[0].cid == CHILD
    with pytest.raises(InvalidContent, match=str(CHILD)):
        list(found)


def test_the_children_of_a_node_are_its_links_in_order():
    first, second = CID.of(RAW, b"1"), CID.of(DAG_PB, b"2")
    block = dagpb.encode([Link(first, "a", 1), Link(second, "b", 1), Link(first, "c", 1)], None)
    assert children(CID.of(DAG_PB, block), block) == [first, second, first]


@pytest.mark.parametrize("codec", ["raw", "json", "cbor"])
def test_leaf_codecs_have_no_children(codec):
    assert children(CID.of(CODECS[codec], b"{}"), b"{}") == []


def test_links_of_an_unread_codec_are_not_supported():
    with pytest.raises(NotSupported, match="git-raw"):
        children(CID.of(0x78, b""), b"")
