"""Every codec behind one door: by its code and its name, with its links, and with what it cannot hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.codecs import dagpb, pbmodel, registry
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.codecs.registry import DAG_CBOR, DAG_JSON
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, InvalidContent, NotSupported, TooLarge

LEAF = CID.of(RAW, b"leaf")
OLD = CID.of(DAG_PB, b"old", version=0)
JSON, CBOR = CODECS["json"], CODECS["cbor"]


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (RAW, b"bytes"), (DAG_CBOR, {"a": [LEAF, b"x"]}), (DAG_JSON, {"a": [LEAF, b"x"]}), (JSON, {"a": [1, None, 1.5]}),
        (CBOR, {"a": [b"x", 1.5]}), (DAG_PB, {"Data": b"", "Links": [{"Hash": LEAF, "Name": "a", "Tsize": 5}]}),
    ],
)  # fmt: skip
def test_a_value_goes_through_its_codec_and_back(codec, value):
    assert registry.decode(codec, registry.encode(codec, value)) == value


@pytest.mark.parametrize("name", ["raw", "dag-pb", "dag-cbor", "dag-json", "json", "cbor"])
def test_a_codec_is_known_by_its_name(name):
    assert registry.codec_named(name) == CODECS[name]


def test_a_name_that_is_no_codec_is_refused_with_its_field():
    with pytest.raises(BadRequest, match="protobuf") as refused:
        registry.codec_named("protobuf", field="format")
    assert refused.value.field == "format"
    with pytest.raises(NotSupported, match="git-raw"):
        registry.codec_named("git-raw")


@pytest.mark.parametrize("codec", [CODECS["git-raw"], CODECS["libp2p-key"], 0x1234])
def test_a_codec_that_cannot_be_read_is_not_supported(codec):
    with pytest.raises(NotSupported):
        registry.decode(codec, b"")
    with pytest.raises(NotSupported):
        registry.encode(codec, b"")


def test_a_value_that_makes_a_block_over_two_mib_is_too_large():
    with pytest.raises(TooLarge) as refused:
        registry.encode(DAG_JSON, "x" * (2 << 20))
    assert refused.value.limit == 2 << 20


@pytest.mark.parametrize("codec", [DAG_PB, DAG_CBOR, DAG_JSON])
def test_the_links_of_every_codec_that_has_them_are_told(codec):
    links = [{"Hash": LEAF}, {"Hash": OLD}, {"Hash": LEAF}]
    block = registry.encode(codec, {"Links": links})
    assert children(CID.of(codec, block), block) == [LEAF, OLD, LEAF]


@pytest.mark.parametrize("name", ["raw", "json", "cbor", "libp2p-key"])
def test_codecs_without_links_are_not_even_read(name):
    assert children(CID.of(CODECS[name], b"\xff"), b"\xff") == []


@pytest.mark.parametrize("codec", [JSON, CBOR])
def test_a_codec_without_links_refuses_them(codec):
    with pytest.raises(BadRequest) as refused:
        registry.encode(codec, {"a": [LEAF]})
    assert refused.value.field == "value"


def test_plain_json_has_no_bytes():
    with pytest.raises(BadRequest, match="bytes"):
        registry.encode(JSON, [b"x"])


def test_a_link_in_a_plain_cbor_block_is_refused():
    with pytest.raises(InvalidContent, match="tag 42"):
        registry.decode(CBOR, registry.encode(DAG_CBOR, LEAF))


def test_what_looks_like_a_link_in_plain_json_is_a_map():
    value = {"/": "foo", "a": {"/": {"bytes": "A"}}}
    assert registry.decode(JSON, registry.encode(JSON, value)) == value
    assert registry.encode(JSON, {"b": 1, "a": [2]}) == b'{"a":[2],"b":1}'


@pytest.mark.parametrize("text", [b"", b"{'a':1}", b'{"a":1,"a":1}', b"NaN", b"[1] 2", b'"\\ud800"'])
def test_plain_json_is_read_strictly_too(text):
    with pytest.raises(InvalidContent) as invalid:
        registry.decode(JSON, text)
    assert invalid.value.field == "json"


def test_raw_holds_bytes_alone():
    with pytest.raises(BadRequest, match="string"):
        registry.encode(RAW, "text")


names = st.text(st.characters(codec="utf-8"), max_size=20)
links = st.builds(Link, st.sampled_from([LEAF, OLD]), names, st.integers(0, (1 << 64) - 1))


@given(st.lists(links, max_size=8), st.none() | st.binary(max_size=50))
def test_a_dag_pb_node_is_the_same_in_the_data_model(links, data):
    links.sort(key=lambda link: link.name.encode())
    block = dagpb.encode(links, data)
    value = pbmodel.decode(block)
    assert value.get("Data") == data
    assert [(link["Hash"], link["Name"], link["Tsize"]) for link in value["Links"]] == links
    assert pbmodel.encode(value) == block


@pytest.mark.parametrize(
    "link",
    [{"Hash": LEAF}, {"Hash": LEAF, "Name": ""}, {"Hash": LEAF, "Tsize": 0}, {"Hash": OLD, "Name": "a"}],
)
def test_what_a_link_lacks_is_not_what_is_empty(link):
    value = {"Links": [link]}
    assert pbmodel.decode(pbmodel.encode(value)) == value


def test_links_are_written_in_the_order_of_their_names_bytes():
    value = {
        "Links": [{"Hash": OLD, "Name": name} for name in ("b", "\U0001f600", "a", "\uffff")]
        + [{"Hash": LEAF}]
    }
    found = [link.get("Name") for link in pbmodel.decode(pbmodel.encode(value))["Links"]]
    assert found == [None, "a", "b", "\uffff", "\U0001f600"]


def test_links_of_the_same_name_keep_their_order():
    value = {"Links": [{"Hash": OLD, "Name": "a"}, {"Hash": LEAF, "Name": "a"}]}
    assert pbmodel.decode(pbmodel.encode(value)) == value


def test_links_are_read_in_the_order_of_their_block():
    block = dagpb.encode([Link(LEAF, "b", 0), Link(LEAF, "a", 0)], None)
    assert [link["Name"] for link in pbmodel.decode(block)["Links"]] == ["b", "a"]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "value"), ({}, "value"), ({"Links": [], "More": 1}, "value"), ({"Data": "text", "Links": []}, "value.Data"),
        ({"Data": None, "Links": []}, "value.Data"), ({"Links": {}}, "value.Links"), ({"Links": [LEAF]}, "value.Links.0"),
        ({"Links": [{"Hash": LEAF}, {}]}, "value.Links.1"), ({"Links": [{"Hash": str(LEAF)}]}, "value.Links.0.Hash"),
        ({"Links": [{"Hash": LEAF, "Name": None}]}, "value.Links.0.Name"),
        ({"Links": [{"Hash": LEAF, "Tsize": -1}]}, "value.Links.0.Tsize"),
        ({"Links": [{"Hash": LEAF, "Tsize": True}]}, "value.Links.0.Tsize"),
        ({"Links": [{"Hash": LEAF, "Tsize": 1 << 64}]}, "value.Links.0.Tsize"),
        ({"Links": [{"Hash": LEAF, "Name": "\ud800"}]}, "value.Links.0.Name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_node_outside_the_logical_format_is_refused_with_its_field(value, field):
    with pytest.raises(BadRequest) as refused:
        pbmodel.encode(value)
    assert refused.value.field == field
