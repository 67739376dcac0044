"""Keys: Ed25519 and RSA pairs in libp2p's form, and the files that Kubo exports and imports.

Follows https://specs.ipfs.tech/ipns/ipns-record/#ipns-keys. A key on the wire is a protobuf of its type and
data: for Ed25519 the raw key (a private one followed by its public half), for RSA a DER document (PKIX
public, PKCS #1 private). RSA signs with PKCS #1 v1.5 and SHA-256.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from ....schemas.errors import BadRequest, InvalidContent, NotSupported
from .name import IpnsName
from .protobuf import fields, put_bytes, put_number

__all__ = ["KEY_FORMATS", "KeyFormat", "KeyKind", "PrivateKey", "PublicKey"]

KeyKind = Literal["ed25519", "rsa"]
KeyFormat = Literal["libp2p-protobuf-cleartext", "pem-pkcs8-cleartext"]
KEY_FORMATS: tuple[KeyFormat, ...] = get_args(KeyFormat)

RSA_BITS = range(2048, 4096 + 1)  # of the keys made here
MAX_RSA_BITS = 8192  # of the keys read, as in libp2p
MAX_RSA_EXPONENT = 1 << 31
DEFAULT_RSA_BITS = 2048
MAX_KEY_FILE_BYTES = 32 * 1024


class _Type(IntEnum):
    RSA = 0
    ED25519 = 1
    SECP256K1 = 2
    ECDSA = 3


class PublicKey:
    """The half of a key that checks signatures."""

    def __init__(self, key: Ed25519PublicKey | RSAPublicKey) -> None:
        self._key = key

    @staticmethod
    def decode(encoded: bytes, field: str = "public key") -> PublicKey:
        """The key in a libp2p protobuf; raises InvalidContent(field=`field`), and NotSupported for ECDSA and
        Secp256k1 keys."""
        kind, data = _decode(encoded, field)
        try:
            if kind == _Type.ED25519:
                return PublicKey(Ed25519PublicKey.from_public_bytes(data))
            key = load_der_public_key(data)
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidContent(field, f"its data are not an {kind.name} public key") from None
        if not isinstance(key, RSAPublicKey):
            raise InvalidContent(field, "its data are not of the type it names")
        _check_rsa(key, field)
        return PublicKey(key)

    def encode(self) -> bytes:
        """The libp2p protobuf of the key; two equal keys have the same."""
        if isinstance(self._key, Ed25519PublicKey):
            return _encode(_Type.ED25519, self._key.public_bytes(Encoding.Raw, PublicFormat.Raw))
        return _encode(_Type.RSA, self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def name(self) -> IpnsName:
        return IpnsName.of_public_key(self.encode())

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A pair of keys. Nothing but `encode` and `to_pem` tells its secret."""

    def __init__(self, key: Ed25519PrivateKey | RSAPrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @staticmethod
    def generate(kind: KeyKind = "ed25519", bits: int | None = None) -> PrivateKey:
        """A new key. An RSA key of 4096 bits takes seconds: make it in a thread. Raises BadRequest."""
        if kind == "ed25519":
            if bits is not None:
                raise BadRequest("size", "an Ed25519 key has but one size; leave it out")
            return PrivateKey(Ed25519PrivateKey.generate())
        if kind != "rsa":
            raise BadRequest("type", f"{kind!r} is not one of {', '.join(get_args(KeyKind))}")
        bits = DEFAULT_RSA_BITS if bits is None else bits
        if bits not in RSA_BITS:
            raise BadRequest("size", f"an RSA key of {bits} bits", limit=[RSA_BITS.start, RSA_BITS.stop - 1])
        return PrivateKey(generate_private_key(65537, bits))

    @staticmethod
    def of_seed(seed: bytes) -> PrivateKey:
        """The Ed25519 key of these 32 bytes, always the same: for keys that need not be secret."""
        return PrivateKey(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def kind(self) -> KeyKind:
        return "ed25519" if isinstance(self._key, Ed25519PrivateKey) else "rsa"

    @property
    def name(self) -> IpnsName:
        """The IPNS name that the key makes; its `peer_id` is the key's too."""
        return self.public.name

    def sign(self, message: bytes) -> bytes:
        """The same message always has the same signature."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, PKCS1v15(), SHA256())

    # ---- files ------------------------------------------------------------------------------------------

    @staticmethod
    def import_from(data: bytes, file_format: str = KEY_FORMATS[0]) -> PrivateKey:
        """The key in a file that Kubo (or, for PEM, OpenSSL) wrote; raises BadRequest(field="key" or
        "format"), and NotSupported for types other than Ed25519 and RSA."""
        if len(data) > MAX_KEY_FILE_BYTES:
            raise BadRequest("key", f"{len(data)} bytes", limit=MAX_KEY_FILE_BYTES)
        if file_format == "pem-pkcs8-cleartext":
            return PrivateKey.from_pem(data)
        if file_format != "libp2p-protobuf-cleartext":
            raise BadRequest("format", f"{file_format!r} is not one of {', '.join(KEY_FORMATS)}")
        try:
            return PrivateKey.decode(data)
        except InvalidContent as error:
            hint = "; it looks like PEM: use pem-pkcs8-cleartext" if data.startswith(b"-----") else ""
            raise BadRequest("key", f"{error.details['problem']}{hint}") from None

    def export(self, file_format: str = KEY_FORMATS[0]) -> bytes:
        """The secret, in the clear, in a format that Kubo imports; raises BadRequest(field="format")."""
        if file_format == "pem-pkcs8-cleartext":
            return self.to_pem()
        if file_format != "libp2p-protobuf-cleartext":
            raise BadRequest("format", f"{file_format!r} is not one of {', '.join(KEY_FORMATS)}")
        return self.encode()

    @staticmethod
    def decode(encoded: bytes, field: str = "key") -> PrivateKey:
        """The key in a libp2p protobuf; raises InvalidContent(field=`field`) and NotSupported."""
        kind, data = _decode(encoded, field)
        try:
            if kind == _Type.ED25519:
                return PrivateKey(_ed25519_pair(data))
            key = load_der_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InvalidContent(field, f"its data are not an {kind.name} private key") from None
        if not isinstance(key, RSAPrivateKey):
            raise InvalidContent(field, "its data are not of the type it names")
        _check_rsa(key.public_key(), field)
        return PrivateKey(key)

    def encode(self) -> bytes:
        """The secret as a libp2p protobuf."""
        if isinstance(self._key, Ed25519PrivateKey):
            public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return _encode(_Type.ED25519, self._key.private_bytes_raw() + public)
        der = self._key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return _encode(_Type.RSA, der)

    @staticmethod
    def from_pem(pem: bytes) -> PrivateKey:
        """The key in a PKCS #8 PEM file; raises BadRequest(field="key") and NotSupported."""
        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError:
            raise BadRequest("key", "is encrypted; only clear text is read") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BadRequest("key", "is not a private key in PKCS #8 PEM") from None
        if isinstance(key, RSAPrivateKey):
            _check_rsa(key.public_key(), "key", error=BadRequest)
        elif not isinstance(key, Ed25519PrivateKey):
            raise NotSupported("keys are Ed25519 or RSA", field="key")
        return PrivateKey(key)

    def to_pem(self) -> bytes:
        """The secret in PKCS #8 PEM."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"PrivateKey({self.kind}, {self.name})"


def _ed25519_pair(data: bytes) -> Ed25519PrivateKey:
    """The key of a seed, its public half, and in old files that half once more; raises ValueError."""
    seed, halves = data[:32], data[32:]
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if halves not in (public, public * 2):
        raise ValueError("the halves do not belong together")
    return key


def _check_rsa(
    key: RSAPublicKey, field: str, *, error: type[BadRequest | InvalidContent] = InvalidContent
) -> None:
    if not RSA_BITS.start <= key.key_size <= MAX_RSA_BITS:
        raise error(field, f"an RSA key of {key.key_size} bits", limit=[RSA_BITS.start, MAX_RSA_BITS])
    # A long exponent makes checking a signature expensive.
    if key.public_numbers().e >= MAX_RSA_EXPONENT:
        raise error(field, "an RSA key with an exponent of more than 31 bits", limit=MAX_RSA_EXPONENT - 1)


def _encode(kind: _Type, data: bytes) -> bytes:
    return put_number(1, kind) + put_bytes(2, data)


def _decode(encoded: bytes, field: str) -> tuple[_Type, bytes]:
    kind: int | None = None
    data: bytes | None = None
    for part in fields(encoded, field):
        if part.id == 1 and part.number is not None and kind is None:
            kind = part.number
        elif part.id == 2 and part.data is not None and data is None:
            data = part.data
        else:
            raise InvalidContent(field, f"field {part.id} does not belong there")
    if kind is None or data is None:
        raise InvalidContent(field, "it has no type or no data")
    if kind not in (_Type.RSA, _Type.ED25519):
        if kind in (_Type.SECP256K1, _Type.ECDSA):
            raise NotSupported(
                f"{_Type(kind).name} keys are not supported: only Ed25519 and RSA", field=field
            )
        raise InvalidContent(field, f"no key type has the number {kind}")
    return _Type(kind), data
