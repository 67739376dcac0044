"""Who the node is: an Ed25519 key of its own and the libp2p peer ID made from it.

The key is made when the store is first opened and never leaves the file `identity.pem` (0600).
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .cid import base58_encode

__all__ = ["Identity"]

# libp2p's PublicKey message: field 1 is the key type (1 = Ed25519), field 2 the 32 bytes of the key.
_PROTOBUF = b"\x08\x01\x12\x20"
# A multihash of the identity function: the peer ID carries the key itself.
_IDENTITY_HASH = b"\x00\x24"


class Identity:
    """One node's key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def open(cls, path: Path) -> Identity:
        """The key in this file, made if there is none; several processes may do so at once."""
        if not path.exists():
            _make(path)
        key = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        return cls(key)

    @property
    def public_key(self) -> bytes:
        """The libp2p public key, in protobuf."""
        return _PROTOBUF + self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def public_key_base64(self) -> str:
        return base64.b64encode(self.public_key).decode()

    @property
    def peer_id(self) -> str:
        return base58_encode(_IDENTITY_HASH + self.public_key)


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)  # unlike a rename, fails if another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
