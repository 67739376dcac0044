"""Who the node is: a key of its own and the libp2p peer ID made from it.

The key is made when the store is first opened and never leaves the file `identity.pem` (0600). It is also
the key that signs under the name `self`.
"""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

from .ipns.keys import PrivateKey
from .secret_files import create_secret

__all__ = ["Identity"]


class Identity:
    """One node's key."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key

    @classmethod
    def open(cls, path: Path) -> Identity:
        """The key in this file, an Ed25519 one made if there is none; several processes may do so at once."""
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                create_secret(path, PrivateKey.generate("ed25519").to_pem())
        return cls(PrivateKey.from_pem(path.read_bytes()))

    @property
    def public_key(self) -> bytes:
        """The libp2p public key, in protobuf."""
        return self.key.public.encode()

    @property
    def public_key_base64(self) -> str:
        return base64.b64encode(self.public_key).decode()

    @property
    def peer_id(self) -> str:
        return self.key.name.peer_id
