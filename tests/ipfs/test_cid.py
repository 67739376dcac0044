"""CIDs are read strictly: one text form per multibase, no slack in varints, digests of the right size."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, NotSupported
from cidbus.schemas.varint import VarintError, encode_varint, read_varint

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
    keccak = CID.from_bytes(b"\x01\x55\x1b\x20" + bytes(32))
    with pytest.raises(NotSupported, match="keccak-256"):
        keccak.matches(b"")
    with pytest.raises(NotSupported, match="keccak-256"):
        CID.of(RAW, b"", hash_name="keccak-256")


# Of the empty block; blake3's from its specification's test vectors, the others from the standards.
EMPTY_DIGESTS = {
    "blake3": "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    "dbl-sha2-256": "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456",
    "sha2-256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha3-256": "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    "blake2b-256": "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
    "identity": "",
}


@pytest.mark.parametrize("name", EMPTY_DIGESTS)
def test_a_cid_is_made_under_a_chosen_hash(name):
    cid = CID.of(RAW, b"", hash_name=name)
    assert cid.digest.hex() == EMPTY_DIGESTS[name]
    assert CID.parse(str(cid)) == cid
    assert cid.matches(b"")
    assert not cid.matches(b"x")


def test_an_identity_cid_holds_128_bytes_and_no_more():
    assert CID.of(RAW, bytes(128), hash_name="identity").digest == bytes(128)
    with pytest.raises(BadRequest, match="identity") as refused:
        CID.of(RAW, bytes(129), hash_name="identity")
    assert refused.value.limit == 128


def test_an_unknown_hash_is_refused_by_its_name():
    with pytest.raises(BadRequest, match="md5") as refused:
        CID.of(RAW, b"", hash_name="md5")
    assert refused.value.field == "hash"


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
