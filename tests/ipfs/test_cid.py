"""CIDs are read strictly: one text form per multibase, no slack in varints, digests of the right size."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.cid import CID, CODECS, DAG_PB, RAW
from cidbus.actors.ipfs.varint import VarintError, encode_varint, read_varint
from cidbus.schemas.errors import BadRequest, NotSupported

V0 = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
V1 = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


@pytest.mark.parametrize("text", [V0, V1, "bafkqaaa"])
def test_a_cid_is_written_as_it_was_read(text):
    assert str(CID.parse(text)) == text


def test_the_same_cid_is_read_from_every_multibase():
    raw = bytes(CID.parse(V1))
    alphabet36 = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, base36 = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 36)
        base36 = alphabet36[digit] + base36
    texts = [
        V1,
        "B" + V1[1:].upper(),
        "f" + raw.hex(),
        "F" + raw.hex().upper(),
        "k" + base36,
        "K" + base36.upper(),
    ]
    assert {CID.parse(text) for text in texts} == {CID.parse(V1)}


def test_version_0_becomes_version_1_over_the_same_hash():
    cid = CID.parse(V0)
    assert (cid.to_v1().version, cid.to_v1().codec, cid.to_v1().multihash) == (1, DAG_PB, cid.multihash)
    assert cid.to_v1().to_v1() is cid.to_v1() or cid.to_v1().to_v1() == cid.to_v1()


@given(st.binary(max_size=100), st.sampled_from(sorted(CODECS.values())))
def test_text_and_bytes_both_round_trip(data, codec):
    cid = CID.of(codec, data)
    assert CID.parse(str(cid)) == CID.from_bytes(bytes(cid)) == cid
    assert cid.digest == hashlib.sha256(data).digest()
    assert cid.matches(data)
    assert not cid.matches(data + b"!")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "too short"),
        ("b", "too short"),
        ("!afkqaaa", "multibase"),
        (V1 + "a" * 512, "512"),
        ("b" + V1[1:].upper(), "upper-case"),
        (V1[:-1], "not valid"),
        (V1 + "aa", "follow|canonical"),
        ("Qm" + "0" * 44, "alphabet"),
        ("z" + V0, "multibase prefix"),
        ("f00", "version"),
        ("f0255122000", "version 2"),
        ("f01d500122000", "minimal"),
        ("f01ffffffffffffffffffff", "longer"),
        ("f0155", "cut short"),
        ("f01551220", "cut short"),
        ("f015512047465" + "7374", "at least 20"),
        ("f01551221" + "00" * 33, "33 bytes"),
        ("f0155" + "9901" + "20" + "00" * 32, "unknown hash"),
        ("f015500" + "8101" + "00" * 129, "129 bytes"),
    ],
)
def test_what_is_not_a_cid_is_refused_with_the_reason(text, problem):
    with pytest.raises(BadRequest, match=problem) as caught:
        CID.parse(text)
    assert caught.value.field == "cid"


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text):
    try:
        cid = CID.parse(text)
    except BadRequest:
        return
    assert CID.parse(str(cid)) == cid


@given(st.binary(max_size=60))
def test_no_bytes_break_the_parser(raw):
    try:
        cid = CID.from_bytes(raw)
    except BadRequest:
        return
    assert bytes(cid) == raw


def test_an_identity_cid_carries_its_block():
    cid = CID.parse("bafkqaaa")
    assert cid.is_identity
    assert (cid.codec, cid.digest) == (RAW, b"")
    assert cid.matches(b"")
    assert not cid.matches(b"x")


def test_a_hash_that_cannot_be_computed_is_not_supported():
    blake3 = CID.from_bytes(b"\x01\x55\x1e\x20" + bytes(32))
    with pytest.raises(NotSupported, match="blake3"):
        blake3.matches(b"")


def test_other_hashes_are_computed():
    digest = hashlib.sha512(b"data").digest()
    assert CID.from_bytes(b"\x01\x55\x13\x40" + digest).matches(b"data")


def test_a_truncated_digest_matches_its_beginning():
    digest = hashlib.sha256(b"data").digest()[:20]
    assert CID.from_bytes(b"\x01\x55\x12\x14" + digest).matches(b"data")


@given(st.integers(0, (1 << 63) - 1))
def test_varints_round_trip(number):
    raw = encode_varint(number)
    assert read_varint(b"\xff" + raw + b"\xff", 1) == (number, 1 + len(raw))


@pytest.mark.parametrize("raw", [b"", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x01"])
def test_slack_varints_are_refused(raw):
    with pytest.raises(VarintError):
        read_varint(raw, 0)
