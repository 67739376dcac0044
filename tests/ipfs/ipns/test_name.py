"""One name in all its forms; the examples are libp2p's and Kubo's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.ipns.name import BASES, IpnsName
from cidbus.schemas.errors import BadRequest

# From the peer ID specification: the same two IDs as CIDs and in base 58.
FORMS = [
    (
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
        "bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l",
    ),
    (
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe",
    ),
]


@pytest.mark.parametrize(("peer_id", "cid"), FORMS)
def test_a_name_is_the_same_in_every_form(peer_id, cid):
    name = IpnsName.parse(peer_id)
    assert name.peer_id == peer_id
    assert str(name.cid) == name.text("base32") == cid
    for text in (cid, str(name), f"/ipns/{name}", name.text("base16"), name.text("z"), str(name).upper()):
        assert IpnsName.parse(text) == name
    assert str(name).startswith("k")
    assert IpnsName.of_routing_key(name.routing_key) == name


def test_the_short_form_is_what_kubo_says():
    name = IpnsName.parse("12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d")
    assert str(name) == "k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam"


def test_only_a_short_key_stands_in_its_name():
    assert IpnsName.parse(FORMS[0][0]).inlined_key is not None
    assert IpnsName.parse(FORMS[1][0]).inlined_key is None


@pytest.mark.parametrize("base", ["b58mh", *BASES, "k", "b", "z", "f", "u"])
def test_every_base_is_read_back(base):
    name = IpnsName.parse(FORMS[0][0])
    assert IpnsName.parse(name.text(base)) == name


def test_an_unknown_base_is_refused():
    with pytest.raises(BadRequest, match="b58mh, base36"):
        IpnsName.parse(FORMS[0][0]).text("base2")


@pytest.mark.parametrize(
    "text",
    ["", "k", "self", "12D3KooW", "1" * 60, "Qm", "k51" + "q" * 600, "example.com", "QmI0", "b", "zQmfoo"],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(BadRequest) as caught:
        IpnsName.parse(text)
    assert caught.value.field == "name"


@pytest.mark.parametrize(
    "multihash",
    [
        b"",
        b"\0",
        b"\0\0",
        b"\0\x05abcd",
        b"\0\x2b" + bytes(43),
        b"\x12\x1f" + bytes(31),
        b"\x13\x20" + bytes(32),
    ],
)
def test_a_multihash_that_names_no_key_is_refused(multihash):
    with pytest.raises(BadRequest):
        IpnsName.of_multihash(multihash)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_bad_request(text):
    try:
        name = IpnsName.parse(text)
    except BadRequest:
        return
    assert IpnsName.parse(str(name)) == name
