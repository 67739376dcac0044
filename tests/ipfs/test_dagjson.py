"""DAG-JSON: one canonical text for each value; links and bytes have a namespace of their own.

The vectors are made by hand from the specification; `dag_json`, another implementation, is asked for its
opinion of random values.
"""

import json
import math

import dag_json
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID as OtherCID

from cidbus.actors.ipfs.codecs import dagjson
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent

LEAF = CID.of(RAW, b"leaf")
OLD = CID.of(DAG_PB, b"old", version=0)

keys = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda text: text != "/")
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=40), keys,
    st.builds(CID.of, st.sampled_from([RAW, DAG_PB, 0x71]), st.binary(max_size=4)),
)  # fmt: skip
floats = st.floats(allow_nan=False, allow_infinity=False)


def trees(leaves):
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
    )  # fmt: skip


@given(trees(scalars | floats))
def test_a_value_is_read_as_it_was_written(value):
    text = dagjson.encode(value)
    assert dagjson.decode(text, canonical=True) == value
    json.loads(text)


@given(trees(scalars))
def test_another_implementation_writes_the_same_text(value):
    assert dagjson.encode(value) == dag_json.encode(as_others(value))


def as_others(value):
    if isinstance(value, CID):
        return OtherCID.decode(bytes(value))
    if isinstance(value, list):
        return [as_others(item) for item in value]
    return {key: as_others(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(floats)
def test_a_float_stays_the_same_float(number):
    read = dagjson.decode(dagjson.encode(number))
    assert (read, math.copysign(1, read), type(read)) == (number, math.copysign(1, number), float)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (0, "0"), (-1, "-1"), ((1 << 64) - 1, "18446744073709551615"), ("", '""'),
        (1.0, "1.0"), (-0.0, "-0.0"), (1e20, "100000000000000000000.0"), (1e21, "1e+21"), (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"), (0.1, "0.1"),
        ([], "[]"), ({}, "{}"), ([1, [], {}], "[1,[],{}]"), ({"b": 1, "a": 2, "aa": 3}, '{"a":2,"aa":3,"b":1}'),
        ({"\U0001f600": 1, "\uffff": 2}, '{"\uffff":2,"\U0001f600":1}'), ("é/\x7f\u2028", '"é/\x7f\u2028"'),
        ('"\\\b\f\n\r\t\0\x1f', '"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f"'),
        (b"", '{"/":{"bytes":""}}'), (b"\0", '{"/":{"bytes":"AA"}}'), (b"\xfb\xff", '{"/":{"bytes":"+/8"}}'),
        (LEAF, f'{{"/":"{LEAF}"}}'), (OLD, f'{{"/":"{OLD}"}}'),
    ],
)  # fmt: skip
def test_each_kind_has_its_text(value, text):
    assert dagjson.encode(value) == text.encode()
    read = dagjson.decode(text.encode(), canonical=True)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", [' {"a":1}', '{"a": 1}', '{"b":1,"a":2}', "1e5", "1.50", "-0", '"\\u0061"', '"\\/"', "1E+30", "[]\n"]
)  # fmt: skip
def test_what_a_user_may_write_is_no_canonical_text(text):
    dagjson.decode(text.encode())
    with pytest.raises(InvalidContent, match="canonical"):
        dagjson.decode(text.encode(), canonical=True)


BAD = {
    "nothing": "",
    "a comma too many": "[1,]",
    "a second value": "1 2",
    "a comment": "1 // one",
    "single quotes": "'a'",
    "NaN": "NaN",
    "infinity": "[Infinity]",
    "minus infinity": "-Infinity",
    "a float beyond its range": "1e309",
    "an integer beyond 64 bits": "18446744073709551616",
    "a negative one": "-18446744073709551617",
    "an integer of many digits": "1" * 5000,
    "a leading zero": "01",
    "a plus": "+1",
    "no digit before the point": ".5",
    "a key that stands twice": '{"a":1,"a":2}',
    "a key that stands twice by an escape": '{"a":1,"\\u0061":2}',
    "a control character": '"\n"',
    "half a surrogate": '"\\ud800"',
    "its other half": '"\\udc00 \\\\ud800"',
    "halves the wrong way round": '"\\udc00\\ud800"',
    "half a surrogate before a pair": '"\\ud800\\ud83d\\ude00"',
    "half a surrogate in a key": '{"\\uDFFF":1}',
    "a string without an end": '"abc',
    "a link to what is no CID": '{"/":"foo"}',
    "a link of nothing": '{"/":""}',
    "a link in another base": '{"/":"zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA"}',
    "a link and more": f'{{"/":"{LEAF}","a":1}}',
    "a link and more, whichever stands first": f'{{"a":1,"/":"{LEAF}"}}',
    "bytes with padding": '{"/":{"bytes":"AA=="}}',
    "bytes with bits to spare": '{"/":{"bytes":"AB"}}',
    "bytes in another alphabet": '{"/":{"bytes":"-_8"}}',
    "bytes with a line end": '{"/":{"bytes":"AA\\n"}}',
    "bytes of one character": '{"/":{"bytes":"A"}}',
    "bytes and more": '{"/":{"bytes":"AA","x":1}}',
    "bytes and more outside": '{"/":{"bytes":"AA"},"x":1}',
}


@pytest.mark.parametrize("name", BAD)
def test_a_text_that_breaks_a_rule_is_refused_with_its_cid(name):
    text = BAD[name].encode()
    for reader in (dagjson.decode, dagjson.links):
        with pytest.raises(InvalidContent) as invalid:
            reader(text, LEAF)
        assert (invalid.value.field, invalid.value.cid) == ("dag-json", str(LEAF))


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbf1", b'"\xff"', b'"\xed\xa0\x80"', '"a"'.encode("utf-16"), b"1\0"]
)
def test_only_utf_8_without_a_mark_is_read(text):
    with pytest.raises(InvalidContent):
        dagjson.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"/":true}', '{"/":1,"a":2}', '{"/":{"bytes":true}}', '{"/":{"bytes":1},"a":2}', '{"/":{}}', '{"/":null}',
        '{"/":{"abar":1,"bytes":"foo"}}', '{"!":1,"/":"foo"}', '{"":1,"/":{"bytes":"foo"}}', '{"/":{"/":"bafkqaaa"}}',
        '{"/":["bafkqaaa"]}', '{"//":"foo"}', '{"/a":"foo"}', '{"bytes":"foo"}', '{"a":"\\ud83d\\ude00"}',
    ],
)  # fmt: skip
def test_maps_outside_the_reserved_namespace_are_maps(text):
    value = dagjson.decode(text.encode())
    assert isinstance(value, dict)
    assert dagjson.decode(dagjson.encode(value), canonical=True) == value


@pytest.mark.parametrize(
    "value",
    [
        {"/": "foo"}, {"/": str(LEAF)}, {"/": "foo", "a": 1}, {"/": {"bytes": "foo"}}, {"/": {"bytes": "", "c": 1}},
        {"/": {"bytes": "AA"}, "a": 1}, (1, 2), {1: 2}, 1 << 64, math.nan, math.inf, "\ud800", {"a": {"\udc00": 1}},
        bytearray(), object(),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_written(value):
    for inside in (value, [value], {"x": value}):
        with pytest.raises(BadRequest) as refused:
            dagjson.encode(inside)
        assert refused.value.field == "value"


def test_links_are_told_in_the_order_of_the_text_and_as_often():
    assert dagjson.links(dagjson.encode({"b": [OLD, LEAF], "a": LEAF})) == [LEAF, OLD, LEAF]


def test_256_levels_are_read_and_written_and_no_more():
    value = "end"
    for _ in range(256):
        value = [value]
    assert dagjson.decode(dagjson.encode(value)) == value
    with pytest.raises(BadRequest, match="256"):
        dagjson.encode([value])
    with pytest.raises(InvalidContent, match="256") as invalid:
        dagjson.decode(b"[" * 257 + b"]" * 257)
    assert invalid.value.limit == 256


def test_brackets_in_strings_are_not_levels():
    value = ["[" * 1000, '"\\' * 500 + "{" * 1000]
    assert dagjson.decode(dagjson.encode(value)) == value


def test_a_text_over_its_limit_is_refused():
    with pytest.raises(InvalidContent) as invalid:
        dagjson.decode(b" " * 100 + b"1", limit_bytes=100)
    assert invalid.value.limit == 100
