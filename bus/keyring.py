"""The nkeys of a system's users: seeds in files of their own, public keys for the server's configuration."""

from __future__ import annotations

import os
from pathlib import Path

import nkeys

from .link import Credentials
from .permissions import USERS

__all__ = ["Keyring", "write_private"]


class Keyring:
    """The seeds under `<data-dir>/secrets`, one `<user>.nk` (0600) for each user; missing ones are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make_missing(self) -> None:
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for user in USERS:
            path = self.seed_path(user)
            if not path.exists():
                write_private(path, bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)))

    def seed_path(self, user: str) -> Path:
        return self.folder / f"{user}.nk"

    def public_key(self, user: str) -> str:
        pair = nkeys.from_seed(bytearray(self.seed_path(user).read_bytes().strip()))
        key: str = pair.public_key.decode()
        pair.wipe()
        return key

    def credentials(self, user: str) -> Credentials:
        return Credentials(user, self.seed_path(user))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
