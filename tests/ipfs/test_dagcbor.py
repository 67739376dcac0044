"""DAG-CBOR: one block for each value, and no other block is read.

The vectors are made by hand from the specification's strictness rules and RFC 8949, Appendix A; `dag_cbor`,
another implementation, is asked for its opinion of random values.
"""

import math
import struct

import dag_cbor
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID as OtherCID

from cidbus.actors.ipfs.codecs import dagcbor
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent

LEAF = CID.of(RAW, b"leaf")
OLD = CID.of(DAG_PB, b"old", version=0)

keys = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=40), keys,
    st.floats(allow_nan=False, allow_infinity=False),
    st.builds(CID.of, st.sampled_from([RAW, DAG_PB, 0x71]), st.binary(max_size=4)),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


@given(values)
def test_a_value_is_read_as_it_was_written(value):
    assert dagcbor.decode(dagcbor.encode(value)) == value


@given(values)
def test_another_implementation_writes_the_same_block(value):
    assert dagcbor.encode(value) == dag_cbor.encode(as_others(value))


def as_others(value):
    if isinstance(value, CID):
        return OtherCID.decode(bytes(value))
    if isinstance(value, list):
        return [as_others(item) for item in value]
    return {key: as_others(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(values)
def test_the_links_of_a_block_are_those_of_its_value(value):
    assert sorted(dagcbor.links(dagcbor.encode(value))) == sorted(links_in(value))


def links_in(value) -> list[CID]:
    if isinstance(value, CID):
        return [value]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [link for item in below for link in links_in(item)]


def test_links_are_told_in_the_order_of_the_block_and_as_often():
    block = dagcbor.encode({"bb": [OLD, LEAF], "a": LEAF})
    assert dagcbor.links(block) == [LEAF, OLD, LEAF]


@pytest.mark.parametrize(
    ("value", "block"),
    [
        (None, "f6"), (False, "f4"), (True, "f5"), (0, "00"), (23, "17"), (24, "1818"), (255, "18ff"), (256, "190100"),
        (65536, "1a00010000"), (1 << 32, "1b0000000100000000"), ((1 << 64) - 1, "1bffffffffffffffff"), (-1, "20"),
        (-24, "37"), (-25, "3818"), (-(1 << 64), "3bffffffffffffffff"), (1.0, "fb3ff0000000000000"),
        (-0.0, "fb8000000000000000"), (5e-324, "fb0000000000000001"), (b"", "40"), (b"\1\2", "420102"), ("", "60"),
        ("é", "62c3a9"), ([], "80"), ({}, "a0"), ([1, [2]], "82018102"), ({"b": 1, "aa": 2}, "a261620162616102"),
        (LEAF, "d82a582500" + bytes(LEAF).hex()), (OLD, "d82a582300" + bytes(OLD).hex()),
    ],
)  # fmt: skip
def test_each_kind_has_its_bytes(value, block):
    assert dagcbor.encode(value).hex() == block
    read = dagcbor.decode(bytes.fromhex(block))
    assert read == value
    assert type(read) is type(value)


BAD = {
    "nothing": "",
    "a number that is not as short as possible": "1801",
    "a 16-bit number that is not": "1900ff",
    "a 32-bit number that is not": "1a0000ffff",
    "a 64-bit number that is not": "1b00000000ffffffff",
    "a length that is not": "580161",
    "the length of a list that is not": "980101",
    "the length of a map that is not": "b801616101",
    "a tag that is not": "d9002a450001550000",
    "a 16-bit float": "f93c00",
    "a 32-bit float": "fa3f800000",
    "NaN": "fb7ff8000000000000",
    "infinity": "fb7ff0000000000000",
    "minus infinity": "fbfff0000000000000",
    "16-bit NaN": "f97e00",
    "undefined": "f7",
    "a simple value": "e0",
    "a simple value in a byte": "f820",
    "a break": "ff",
    "an indefinite list": "9f01ff",
    "an indefinite map": "bf616101ff",
    "an indefinite string": "7f6161ff",
    "indefinite bytes": "5f4101ff",
    "keys out of order": "a2616201616102",
    "a longer key first": "a262616101616202",
    "a key that stands twice": "a2616101616102",
    "a key that is a number": "a10101",
    "a key that is bytes": "a1416101",
    "a date": "c074323031332d30332d32315432303a30343a30305a",
    "a bignum": "c249010000000000000000",
    "tag 43": "d82b450001550000",
    "a link that is text": "d82a650001550000",
    "a link that is a number": "d82a01",
    "a link without its zero": "d82a4401550000",
    "a link of nothing": "d82a40",
    "a link of zero alone": "d82a4100",
    "a link with bytes behind it": "d82a46000155000001",
    "a link with a digest cut short": "d82a4400015500",
    "a text that is not UTF-8": "61ff",
    "half a surrogate": "63eda080",
    "a second value": "0000",
    "a value cut short": "1901",
    "a list cut short": "8201",
    "a map cut short": "a16161",
    "bytes cut short": "430102",
    "a reserved length": "1c",
    "a list that claims 2^64 items": "9bffffffffffffffff",
    "bytes that claim 2^63": "5b8000000000000000",
}


@pytest.mark.parametrize("name", BAD)
def test_a_block_that_breaks_a_rule_is_refused_with_its_cid(name):
    block = bytes.fromhex(BAD[name])
    cid = CID.of(0x71, block)
    for reader in (dagcbor.decode, dagcbor.links):
        with pytest.raises(InvalidContent) as invalid:
            reader(block, cid)
        assert (invalid.value.field, invalid.value.cid) == ("dag-cbor", str(cid))


@pytest.mark.parametrize(
    "value", [(1, 2), {1}, bytearray(b"x"), {1: 2}, {b"a": 1}, [1, (2,)], {"a": {"b": {None: 1}}}], ids=repr
)
def test_what_is_no_value_is_refused(value):
    with pytest.raises(BadRequest) as refused:
        dagcbor.encode(value)
    assert refused.value.field == "value"


@pytest.mark.parametrize(
    "value", [1 << 64, -(1 << 64) - 1, math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1}, [{"a": ["\ud800"]}]]
)  # fmt: skip
def test_what_cannot_be_written_is_refused(value):
    with pytest.raises(BadRequest) as refused:
        dagcbor.encode(value)
    assert refused.value.field == "value"


def nested(depth: int):
    value = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_256_levels_are_read_and_written_and_no_more():
    block = dagcbor.encode(nested(256))
    assert dagcbor.decode(block) == nested(256)
    with pytest.raises(BadRequest, match="256") as refused:
        dagcbor.encode(nested(257))
    assert refused.value.limit == 256
    with pytest.raises(InvalidContent, match="256") as invalid:
        dagcbor.decode(b"\x81" * 257 + b"\0")
    assert invalid.value.limit == 256


def test_100_000_lists_and_maps_are_read_and_no_more():
    def block(count: int) -> bytes:
        return b"\x9a" + struct.pack(">I", count) + b"\xa0" * count

    assert len(dagcbor.decode(block(99_999))) == 99_999
    with pytest.raises(InvalidContent, match="100000") as invalid:
        dagcbor.decode(block(100_000))
    assert invalid.value.limit == 100_000


def test_bytes_that_look_like_brackets_are_not_counted_as_lists():
    value = {"data": b"\x9a\xff\xff\xff\xff" * 100_000, "list": list(range(1000))}
    assert dagcbor.decode(dagcbor.encode(value)) == value


def test_a_block_of_over_two_mib_is_refused():
    with pytest.raises(InvalidContent) as invalid:
        dagcbor.decode(b"\x5a\x00\x20\x00\x00" + bytes(2 << 20))
    assert invalid.value.limit == 2 << 20
