"""One IPNS name: the multihash of a public key, in all the forms that people write it.

Follows https://specs.ipfs.tech/ipns/ipns-record/#ipns-name and libp2p's peer ID specification: a key of at
most 42 bytes stands in the name itself (an identity multihash), any other is hashed with SHA2-256.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import NamedTuple

from ....schemas.cid import CID, CODECS, IDENTITY, SHA2_256, base36_encode, base58_decode, base58_encode
from ....schemas.errors import BadRequest
from ....schemas.varint import VarintError, read_varint

__all__ = ["BASES", "MAX_INLINE_KEY_BYTES", "IpnsName", "peer_id_of"]

MAX_INLINE_KEY_BYTES = 42
MAX_TEXT_CHARS = 512

_PREFIX = "/ipns/"
_LIBP2P_KEY = CODECS["libp2p-key"]
_SHA256_BYTES = 32


class IpnsName(NamedTuple):
    """One name. `str(name)` is the form `k51…` (CIDv1, libp2p-key, base 36)."""

    multihash: bytes

    @staticmethod
    def parse(text: str) -> IpnsName:
        """The name in a text: `12D3Koo…` or `Qm…` (base 58), or a libp2p-key CID in any base, with or without
        `/ipns/` before it; raises BadRequest(field="name") for anything else."""
        bare = text.removeprefix(_PREFIX)
        if len(bare) > MAX_TEXT_CHARS:
            raise BadRequest("name", f"longer than {MAX_TEXT_CHARS} characters", limit=MAX_TEXT_CHARS)
        try:
            if bare.startswith(("1", "Qm")):
                return IpnsName.of_multihash(base58_decode(bare))
            cid = CID.parse(bare)
        except BadRequest as error:
            raise BadRequest("name", f"{bare!r} is no IPNS name: {error.details['problem']}") from None
        if cid.codec != _LIBP2P_KEY:
            meant = CID(1, _LIBP2P_KEY, cid.multihash).to_base36()
            raise BadRequest("name", f"a CID of {cid.codec_name}; the same hash as libp2p-key is {meant}")
        return IpnsName.of_multihash(cid.multihash)

    @staticmethod
    def of_multihash(multihash: bytes) -> IpnsName:
        """The name of a binary peer ID; raises BadRequest(field="name") for a multihash that names no key."""
        try:
            code, at = read_varint(multihash, 0)
            size, at = read_varint(multihash, at)
        except VarintError as error:
            raise BadRequest("name", f"no multihash: {error}") from None
        if len(multihash) - at != size:
            raise BadRequest("name", f"{len(multihash) - at} bytes of digest where {size} are claimed")
        inline = code == IDENTITY and 0 < size <= MAX_INLINE_KEY_BYTES
        if not inline and (code, size) != (SHA2_256, _SHA256_BYTES):
            raise BadRequest("name", "neither a key of at most 42 bytes nor the SHA2-256 hash of one")
        return IpnsName(multihash)

    @staticmethod
    def of_routing_key(key: bytes) -> IpnsName:
        """The name in a routing key, `/ipns/` and a binary peer ID; raises BadRequest(field="name")."""
        if not key.startswith(_PREFIX.encode()):
            raise BadRequest("name", "a routing key of a name begins with /ipns/")
        return IpnsName.of_multihash(key[len(_PREFIX) :])

    @staticmethod
    def of_public_key(encoded: bytes) -> IpnsName:
        """The name that a public key (libp2p protobuf) makes."""
        if len(encoded) <= MAX_INLINE_KEY_BYTES:
            return IpnsName(bytes((IDENTITY, len(encoded))) + encoded)
        return IpnsName(bytes((SHA2_256, _SHA256_BYTES)) + hashlib.sha256(encoded).digest())

    @property
    def routing_key(self) -> bytes:
        """What records of the name are stored under, here and in routing systems."""
        return _PREFIX.encode() + self.multihash

    @property
    def inlined_key(self) -> bytes | None:
        """The public key (libp2p protobuf) if it stands in the name itself."""
        return self.multihash[2:] if self.multihash[0] == IDENTITY else None

    @property
    def peer_id(self) -> str:
        """The name as libp2p writes it, `12D3Koo…` or `Qm…`."""
        return base58_encode(self.multihash)

    @property
    def cid(self) -> CID:
        return CID(1, _LIBP2P_KEY, self.multihash)

    def text(self, base: str) -> str:
        """The name in one of `BASES`, as Kubo's `--ipns-base`; raises BadRequest(field="ipns-base")."""
        if base == "b58mh":
            return self.peer_id
        encode = BASES.get(_LETTERS.get(base, base))
        if encode is None:
            raise BadRequest("ipns-base", f"{base!r} is not one of b58mh, {', '.join(BASES)}")
        return encode(bytes(self.cid))

    def __str__(self) -> str:
        return self.text("base36")

    def __repr__(self) -> str:
        return f"IpnsName({self})"


def peer_id_of(text: str, field: str = "peer_id") -> str:
    """The peer ID in a text, as libp2p writes it, whichever form it has; raises BadRequest naming `field`."""
    try:
        return IpnsName.parse(text).peer_id
    except BadRequest as error:
        raise BadRequest(field, str(error.details["problem"])) from None


def _unpadded(prefix: str, encode: Callable[[bytes], bytes]) -> Callable[[bytes], str]:
    return lambda raw: prefix + encode(raw).decode().rstrip("=")


# Multibases by name; `text` also takes the letter that a text in them begins with.
BASES: dict[str, Callable[[bytes], str]] = {
    "base36": lambda raw: "k" + base36_encode(raw),
    "base32": lambda raw: _unpadded("b", base64.b32encode)(raw).lower(),
    "base58btc": lambda raw: "z" + base58_encode(raw),
    "base16": lambda raw: "f" + raw.hex(),
    "base64url": _unpadded("u", base64.urlsafe_b64encode),
}
_LETTERS = {"k": "base36", "b": "base32", "z": "base58btc", "f": "base16", "u": "base64url"}
