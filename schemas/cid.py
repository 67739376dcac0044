"""Content identifiers: parsing them strictly, making them, and naming their codecs and hashes.

A CID is a version, a codec and a multihash (https://github.com/multiformats/cid). What is read here is
bounded before it is decoded: 512 characters of text, 9-byte minimal varints, digests of at most 128 bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from blake3 import blake3

from .errors import BadRequest, NotSupported
from .varint import VarintError, encode_varint, read_varint

__all__ = [
    "CID", "CODECS", "CODEC_NAMES", "DAG_PB", "RAW", "HASH_CODES", "IDENTITY", "SHA2_256",
    "base36_encode", "base58_decode", "base58_encode",
]  # fmt: skip

RAW, DAG_PB = 0x55, 0x70
IDENTITY, SHA2_256 = 0x00, 0x12
MAX_TEXT_CHARS = 512
MAX_DIGEST_BYTES = 128
MIN_DIGEST_BYTES = 20

CODECS = {
    "raw": RAW,
    "dag-pb": DAG_PB,
    "dag-cbor": 0x71,
    "dag-json": 0x0129,
    "cbor": 0x51,
    "json": 0x0200,
    "libp2p-key": 0x72,
    "git-raw": 0x78,
    "dag-jose": 0x85,
}
CODEC_NAMES = {code: name for name, code in CODECS.items()}


class _Twice:
    """SHA2-256 of the SHA2-256: what Bitcoin's blocks are named by."""

    def __init__(self) -> None:
        self._inner = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._inner.update(data)

    def digest(self) -> bytes:
        return hashlib.sha256(self._inner.digest()).digest()


# code → (name, digest size in bytes, constructor or None where the digest is not computed here).
HASHES: dict[int, tuple[str, int, Callable[[], Any] | None]] = {
    IDENTITY: ("identity", MAX_DIGEST_BYTES, None),
    0x11: ("sha1", 20, hashlib.sha1),
    SHA2_256: ("sha2-256", 32, hashlib.sha256),
    0x13: ("sha2-512", 64, hashlib.sha512),
    0x14: ("sha3-512", 64, hashlib.sha3_512),
    0x15: ("sha3-384", 48, hashlib.sha3_384),
    0x16: ("sha3-256", 32, hashlib.sha3_256),
    0x17: ("sha3-224", 28, hashlib.sha3_224),
    0x1A: ("keccak-224", 28, None),
    0x1B: ("keccak-256", 32, None),
    0x1C: ("keccak-384", 48, None),
    0x1D: ("keccak-512", 64, None),
    0x1E: ("blake3", 32, blake3),
    0x20: ("sha2-384", 48, hashlib.sha384),
    0x56: ("dbl-sha2-256", 32, _Twice),
    0x1012: ("sha2-256-trunc254-padded", 32, None),
    0xB220: ("blake2b-256", 32, lambda: hashlib.blake2b(digest_size=32)),
    0xB240: ("blake2b-512", 64, lambda: hashlib.blake2b(digest_size=64)),
    0xB260: ("blake2s-256", 32, lambda: hashlib.blake2s(digest_size=32)),
    0xB401: ("poseidon-bls12_381-a2-fc1", 32, None),
}
HASH_CODES = {name: code for code, (name, _, _) in HASHES.items()}


class CID(NamedTuple):
    """One content identifier. Equal CIDs have the same version, codec and multihash.

    `multihash` is the whole multihash (code, length, digest) in its binary form: the store's key. A tuple,
    because directories are read and trees kept as millions of these.
    """

    version: int
    codec: int
    multihash: bytes

    @staticmethod
    @lru_cache(maxsize=8192)
    def parse(text: str) -> CID:
        """The CID that a text names; raises BadRequest(field="cid") if it names none."""
        if len(text) > MAX_TEXT_CHARS:
            raise BadRequest("cid", f"longer than {MAX_TEXT_CHARS} characters", limit=MAX_TEXT_CHARS)
        if len(text) == 46 and text.startswith("Qm"):
            return CID.from_bytes(base58_decode(text))
        if len(text) < 2:
            raise BadRequest("cid", "too short to be a CID")
        decode = _MULTIBASES.get(text[0])
        if decode is None:
            raise BadRequest("cid", f"unknown multibase prefix {text[0]!r}")
        raw = decode(text[1:])
        if raw[:1] == b"\x12":
            raise BadRequest("cid", "a version 0 CID takes no multibase prefix")
        return CID.from_bytes(raw)

    @staticmethod
    def from_bytes(raw: bytes) -> CID:
        """The CID of exactly these bytes; raises BadRequest(field="cid") if they are not one."""
        if len(raw) == 36 and raw[0] == 1 and raw[1] < 0x80 and raw[2:4] == b"\x12\x20":
            return CID(1, raw[1], raw[2:])  # what nearly every link is, without the general parser
        cid, end = CID.read(raw, 0)
        if end != len(raw):
            raise BadRequest("cid", f"{len(raw) - end} bytes follow the CID")
        return cid

    @staticmethod
    def read(raw: bytes | memoryview, start: int) -> tuple[CID, int]:
        """The CID that begins at `start`, and where it ends; raises BadRequest(field="cid")."""
        if bytes(raw[start : start + 2]) == b"\x12\x20":
            digest = bytes(raw[start : start + 34])
            if len(digest) != 34:
                raise BadRequest("cid", "the digest is cut short")
            return CID(0, DAG_PB, digest), start + 34
        try:
            version, at = read_varint(raw, start)
            if version != 1:
                raise BadRequest("cid", f"unknown CID version {version}")
            codec, at = read_varint(raw, at)
            hash_at = at
            hash_code, at = read_varint(raw, at)
            size, at = read_varint(raw, at)
        except VarintError as error:
            raise BadRequest("cid", str(error)) from None
        _check_digest(hash_code, size)
        end = at + size
        if end > len(raw):
            raise BadRequest("cid", "the digest is cut short")
        return CID(1, codec, bytes(raw[hash_at:end])), end

    @staticmethod
    def of(codec: int, data: bytes, *, version: int = 1, hash_name: str = "sha2-256") -> CID:
        """The CID of a block under a hash of HASH_CODES.

        Raises BadRequest(field="hash") for an unknown hash and for `identity` over more than 128 bytes, and
        NotSupported for a hash that is known only by name.
        """
        if hash_name == "sha2-256":
            return CID(version, codec, b"\x12\x20" + hashlib.sha256(data).digest())
        digest = _digest(hash_name, data)
        return CID(version, codec, encode_varint(HASH_CODES[hash_name]) + encode_varint(len(digest)) + digest)

    @staticmethod
    def of_digest(codec: int, sha256: bytes, *, version: int = 1) -> CID:
        """The CID of a block whose SHA2-256 digest is known."""
        return CID(version, codec, b"\x12\x20" + sha256)

    @property
    def hash_code(self) -> int:
        return read_varint(self.multihash, 0)[0]

    @property
    def digest(self) -> bytes:
        _, at = read_varint(self.multihash, 0)
        _, at = read_varint(self.multihash, at)
        return self.multihash[at:]

    @property
    def is_identity(self) -> bool:
        """Whether the CID carries its block inside; `digest` then is the block."""
        return self.multihash[0] == IDENTITY

    @property
    def codec_name(self) -> str:
        return CODEC_NAMES.get(self.codec, hex(self.codec))

    def to_base36(self) -> str:
        """The text of a version 1 CID that is shorter than base32: what IPNS names are written in."""
        return "k" + base36_encode(bytes(self.to_v1()))

    def matches(self, data: bytes) -> bool:
        """Whether a block is the one this CID names; raises NotSupported for a hash not computed here."""
        if self.multihash[:2] == b"\x12\x20":
            return hashlib.sha256(data).digest() == self.multihash[2:]
        code, digest = self.hash_code, self.digest
        if code == IDENTITY:
            return data == digest
        return _digest(HASHES[code][0], data)[: len(digest)] == digest

    def to_v1(self) -> CID:
        """The same block under version 1."""
        return self if self.version == 1 else CID(1, self.codec, self.multihash)

    def __bytes__(self) -> bytes:
        return self.multihash if self.version == 0 else b"\x01" + encode_varint(self.codec) + self.multihash

    def __str__(self) -> str:
        if self.version == 0:
            return base58_encode(self.multihash)
        return "b" + base64.b32encode(bytes(self)).decode().lower().rstrip("=")

    def __repr__(self) -> str:
        return f"CID({self})"


def _digest(hash_name: str, data: bytes) -> bytes:
    if hash_name not in HASH_CODES:
        raise BadRequest("hash", f"unknown hash function {hash_name!r}")
    code = HASH_CODES[hash_name]
    _, limit, new = HASHES[code]
    if code == IDENTITY:
        if len(data) > limit:
            raise BadRequest("hash", f"{len(data)} bytes do not fit in an identity CID", limit=limit)
        return data
    if new is None:
        raise NotSupported(f"cannot compute {hash_name} here", field="hash", hash=hash_name)
    hasher = new()
    hasher.update(data)
    digest: bytes = hasher.digest()
    return digest


def _check_digest(code: int, size: int) -> None:
    if code not in HASHES:
        raise BadRequest("cid", f"unknown hash function {code:#x}")
    name, full, _ = HASHES[code]
    if size > full:
        raise BadRequest("cid", f"a {name} digest of {size} bytes", limit=full)
    if code != IDENTITY and size < min(full, MIN_DIGEST_BYTES):
        raise BadRequest("cid", f"a {name} digest of {size} bytes, at least {MIN_DIGEST_BYTES} are needed")


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def _big_base_decode(alphabet: str, text: str) -> bytes:
    number = 0
    for char in text:
        value = alphabet.find(char)
        if value < 0:
            raise BadRequest("cid", f"{char!r} is not in its alphabet")
        number = number * len(alphabet) + value
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58_decode(text: str) -> bytes:
    """The bytes of a base58 text without a multibase prefix; raises BadRequest(field="cid")."""
    return _big_base_decode(_BASE58, text)


def base58_encode(raw: bytes) -> str:
    return _big_base_encode(_BASE58, raw)


def base36_encode(raw: bytes) -> str:
    return _big_base_encode(_BASE36, raw)


def _big_base_encode(alphabet: str, raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    chars = []
    while number:
        number, rest = divmod(number, len(alphabet))
        chars.append(alphabet[rest])
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return alphabet[0] * zeros + "".join(reversed(chars))


def _rfc4648(
    decode: Callable[[str], bytes], encode: Callable[[bytes], bytes], group: int
) -> Callable[[str], bytes]:
    """Unpadded RFC 4648, refusing stray characters and non-zero trailing bits by encoding back."""

    def strict(text: str) -> bytes:
        try:
            raw = decode(text + "=" * (-len(text) % group))
        except (binascii.Error, ValueError):
            raise BadRequest("cid", "not valid in its multibase") from None
        if encode(raw).decode().rstrip("=") != text:
            raise BadRequest("cid", "not canonical in its multibase")
        return raw

    return strict


_base32 = _rfc4648(base64.b32decode, base64.b32encode, 8)
_base16 = _rfc4648(base64.b16decode, base64.b16encode, 2)


def _lower(decode: Callable[[str], bytes]) -> Callable[[str], bytes]:
    def lower(text: str) -> bytes:
        if text != text.lower() or not text.isascii():  # some other letters have an ASCII capital
            raise BadRequest("cid", "upper-case letters under a lower-case multibase")
        return decode(text.upper())

    return lower


_MULTIBASES: dict[str, Callable[[str], bytes]] = {
    "b": _lower(_base32),
    "B": _base32,
    "f": _lower(_base16),
    "F": _base16,
    "z": base58_decode,
    "k": lambda text: _big_base_decode(_BASE36, text),
    "K": lambda text: _big_base_decode(_BASE36.upper(), text),
    "m": _rfc4648(base64.b64decode, base64.b64encode, 4),
    "u": _rfc4648(base64.urlsafe_b64decode, base64.urlsafe_b64encode, 4),
}
