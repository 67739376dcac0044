"""Keys: made, signed with, written and read in the formats that Kubo has; the vectors are libp2p's."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.ipns.keys import KEY_FORMATS, PrivateKey, PublicKey
from cidbus.actors.ipfs.ipns.protobuf import put_bytes, put_number
from cidbus.schemas.errors import BadRequest, BusError, InvalidContent, NotSupported

# The test vectors of https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
PRIVATE = bytes.fromhex(
    "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"
    "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
)
PUBLIC = bytes.fromhex("080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e")
SECP256K1 = bytes.fromhex("08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99")


def test_libp2ps_own_key_is_read_and_written_as_it_is():
    key = PrivateKey.decode(PRIVATE)
    assert key.encode() == PRIVATE
    assert key.public.encode() == PUBLIC
    assert key.kind == "ed25519"


def test_an_old_key_file_with_the_public_half_twice_is_read():
    old = put_number(1, 1) + put_bytes(2, PRIVATE[4:] + PRIVATE[-32:])
    assert PrivateKey.decode(old).encode() == PRIVATE


def test_a_signature_is_the_keys_own_and_over_these_bytes(key, ed25519, rsa):
    signature = key.sign(b"hello")
    assert signature == key.sign(b"hello")
    assert key.public.verifies(signature, b"hello")
    assert not key.public.verifies(signature, b"hellO")
    assert not key.public.verifies(signature[:-1] + bytes([signature[-1] ^ 1]), b"hello")
    assert not key.public.verifies(b"", b"hello")
    other = rsa if key is ed25519 else ed25519
    assert not other.public.verifies(signature, b"hello")


def test_a_short_key_is_its_own_name_and_a_long_one_is_hashed(ed25519, rsa):
    assert ed25519.name.inlined_key == ed25519.public.encode()
    assert ed25519.name.peer_id.startswith("12D3Koo")
    assert rsa.name.multihash == b"\x12\x20" + hashlib.sha256(rsa.public.encode()).digest()
    assert rsa.name.peer_id.startswith("Qm")


@pytest.mark.parametrize("file_format", KEY_FORMATS)
def test_an_exported_key_is_imported_again(key, file_format):
    again = PrivateKey.import_from(key.export(file_format), file_format)
    assert again.encode() == key.encode()
    assert again.name == key.name


def test_a_public_key_is_read_back(key):
    assert PublicKey.decode(key.public.encode()).encode() == key.public.encode()


def test_a_key_does_not_show_its_secret(key):
    assert repr(key) == f"PrivateKey({key.kind}, {key.name})"


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("rsa", 1024), ("rsa", 2047), ("rsa", 4097), ("rsa", 1 << 20), ("ed25519", 256), ("dsa", None)],
)
def test_a_key_that_nobody_should_have_is_not_made(kind, bits):
    with pytest.raises(BadRequest):
        PrivateKey.generate(kind, bits)


def pem(key: object, encryption: object = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_other_types_of_keys_are_not_supported():
    with pytest.raises(NotSupported, match="Ed25519"):
        PrivateKey.import_from(pem(ec.generate_private_key(ec.SECP256R1())), "pem-pkcs8-cleartext")
    with pytest.raises(NotSupported, match="SECP256K1"):
        PublicKey.decode(SECP256K1)


def test_a_weak_rsa_key_is_not_imported():
    weak = pem(rsa.generate_private_key(65537, 1024))
    with pytest.raises(BadRequest, match="1024 bits"):
        PrivateKey.import_from(weak, "pem-pkcs8-cleartext")


def test_an_encrypted_file_is_refused_and_said_so(ed25519):
    secret = pem(ed25519._key, BestAvailableEncryption(b"password"))
    with pytest.raises(BadRequest, match="encrypted"):
        PrivateKey.import_from(secret, "pem-pkcs8-cleartext")


def test_pem_in_the_wrong_format_is_refused_with_a_hint(ed25519):
    with pytest.raises(BadRequest, match="use pem-pkcs8-cleartext"):
        PrivateKey.import_from(ed25519.to_pem())


@pytest.mark.parametrize("read", [PrivateKey.import_from, PrivateKey(PrivateKey.generate()._key).export])
def test_an_unknown_format_is_refused(read):
    with pytest.raises(BadRequest, match="pem-pkcs8-cleartext"):
        read(*([b"x"] if read is PrivateKey.import_from else []), "jwk")


def test_a_large_file_is_refused_before_it_is_read():
    with pytest.raises(BadRequest, match="40000 bytes"):
        PrivateKey.import_from(bytes(40_000))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        PUBLIC[:2],  # no data
        PUBLIC[2:],  # no type
        PUBLIC[:2] + PUBLIC,  # two types
        PUBLIC + PUBLIC[2:],  # two data
        PUBLIC + b"\x18\x01",  # an unknown field
        PUBLIC[:-1],  # cut short
        b"\x08\x01\x12\x00",  # an empty key
        b"\x08\x00" + PUBLIC[2:],  # not RSA
        b"\x08\x07" + PUBLIC[2:],  # no such type
        b"\x08\x81\x00" + PUBLIC[2:],  # a varint that is not minimal
        b"\x0a\x01" + PUBLIC[2:],  # a type of the wrong type
    ],
)
def test_a_broken_public_key_is_refused(broken):
    with pytest.raises(InvalidContent, match="pk"):
        PublicKey.decode(broken, "pk")


def test_halves_that_do_not_belong_together_are_refused():
    with pytest.raises(InvalidContent):
        PrivateKey.decode(PRIVATE[:-1] + b"\0")


@given(
    st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: PRIVATE[: 68 - len(tail) % 68] + tail)
)
def test_any_bytes_are_a_key_or_an_error_of_ours(data):
    for read in (PrivateKey.import_from, PublicKey.decode):
        try:
            read(data)
        except BusError:
            continue
