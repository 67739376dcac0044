"""The keys of a node: a folder (0700) with one file (0600) for each, and `self` beside them.

Files are named and written as Kubo names and writes them (`key_` and the name in base 32; the libp2p
protobuf), so a folder of Kubo's can be taken over. Several processes may share the folder: nothing is
remembered, every file appears whole, and changes are made one at a time under a lock.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ....schemas.errors import BadRequest, Conflict, InvalidContent, NotFound, NotSupported
from ...disk import sync_folder
from ..secret_files import create_secret
from ..store.disk import FOLDER_MODE
from ..store.locks import FileLock
from .keys import KEY_FORMATS, KeyKind, PrivateKey
from .name import IpnsName

__all__ = ["SELF", "Keystore", "NamedKey", "check_key_name"]

log = logging.getLogger(__name__)

SELF = "self"
MAX_NAME_CHARS = 128
# What base 32 makes of more would be too long for a file's name.
MAX_NAME_BYTES = 156
MAX_KEYS = 10_000

_PREFIX = "key_"


class NamedKey(NamedTuple):
    """A key, and what its owner calls it."""

    name: str
    key: PrivateKey


class Keystore:
    """The keys in a folder. Methods read or write small files, and loading an RSA key takes milliseconds:
    call them in a thread."""

    def __init__(self, folder: Path, own: PrivateKey) -> None:
        """`own` is the node's own key, called `self`; it is neither kept in the folder nor changed here."""
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        self._folder = folder
        self._own = own

    def get(self, name: str) -> PrivateKey:
        """The key of that name; raises NotFound(what="key") and BadRequest(field="name")."""
        if name == SELF:
            return self._own
        return self._read(name)

    def find(self, text: str) -> NamedKey:
        """The key of that name, or the one that makes this IPNS name; raises NotFound(what="key")."""
        try:
            return NamedKey(text, self.get(text))
        except (NotFound, BadRequest):
            pass
        try:
            wanted = IpnsName.parse(text)
        except BadRequest:
            raise NotFound("key", text) from None
        return self.find_owner(wanted)

    def find_owner(self, name: IpnsName) -> NamedKey:
        """The key that signs for an IPNS name; raises NotFound(what="key"). Reads every key."""
        for owned in self.list():
            if owned.key.name == name:
                return owned
        raise NotFound("key", str(name))

    def list(self) -> Iterator[NamedKey]:
        """`self` first, then the others in the order of their names; what cannot be read is left out."""
        yield NamedKey(SELF, self._own)
        for name in sorted(filter(None, (_name_of(path) for path in self._folder.iterdir()))):
            try:
                yield NamedKey(name, self._read(name))
            except NotFound:
                continue  # removed since the folder was read
            except (InvalidContent, NotSupported) as error:
                log.warning("a key is left out: %s", error)

    def generate(self, name: str, kind: KeyKind = "ed25519", bits: int | None = None) -> PrivateKey:
        """Make a key; raises Conflict if the name is taken, and BadRequest."""
        check_key_name(name)
        self._refuse_taken(name)
        key = PrivateKey.generate(kind, bits)
        self.add(name, key)
        return key

    def add(self, name: str, key: PrivateKey) -> None:
        """Keep a key; raises Conflict if the name is taken, BadRequest for a wrong one."""
        path = self._path(name)
        with self._changing():
            self._refuse_taken(name)
            if sum(1 for _ in self._folder.iterdir()) > MAX_KEYS:
                raise Conflict(f"the key store has its {MAX_KEYS} keys", limit=MAX_KEYS)
            create_secret(path, key.encode())

    def import_key(self, name: str, data: bytes, file_format: str = KEY_FORMATS[0]) -> PrivateKey:
        """Keep a key from a file of Kubo's; raises as `PrivateKey.import_from` and `add` do."""
        check_key_name(name)
        key = PrivateKey.import_from(data, file_format)
        self.add(name, key)
        return key

    def export(self, name: str, file_format: str = KEY_FORMATS[0]) -> bytes:
        """The key with its secret; raises as `get` does, and BadRequest for `self`."""
        check_key_name(name)
        return self.get(name).export(file_format)

    def rename(self, old: str, new: str, *, force: bool = False) -> bool:
        """Give a key another name; whether it replaced a key, which `force` allows and which is then lost.

        Raises NotFound(what="key"), Conflict if the new name is taken, BadRequest for a wrong name.
        """
        source, target = self._path(old), self._path(new)
        with self._changing():
            if not source.exists():
                raise NotFound("key", old)
            if old == new:
                return False
            replaces = target.exists()
            if replaces and not force:
                raise _taken(new)
            source.replace(target)
            sync_folder(self._folder)
        return replaces

    def remove(self, name: str) -> PrivateKey:
        """Remove a key for good; raises NotFound(what="key"), and BadRequest for `self`."""
        path = self._path(name)
        with self._changing():
            key = self._read(name)
            path.unlink()
            sync_folder(self._folder)
        return key

    def _read(self, name: str) -> PrivateKey:
        try:
            encoded = self._path(name).read_bytes()
        except FileNotFoundError:
            raise NotFound("key", name) from None
        return PrivateKey.decode(encoded, f"key {name!r}")

    def _path(self, name: str) -> Path:
        check_key_name(name)
        return self._folder / (_PREFIX + base64.b32encode(name.encode()).decode().rstrip("=").lower())

    def _refuse_taken(self, name: str) -> None:
        if self._path(name).exists():
            raise _taken(name)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        lock = FileLock(self._folder / ".lock")
        try:
            fcntl.flock(lock.fd, fcntl.LOCK_EX)
            yield
        finally:
            lock.close()


def check_key_name(name: str) -> None:
    """Raises BadRequest(field="name") for a name that no key may have, and for `self`."""
    if name == SELF:
        raise BadRequest(
            "name", "`self` is the node's own key: it is not made, imported, exported or changed"
        )
    if not name or name.startswith(".") or "/" in name or not name.isprintable():
        raise BadRequest(
            "name", f"{name!r} is no name for a key: no `/`, no leading `.`, only what can be read"
        )
    if len(name) > MAX_NAME_CHARS or len(name.encode()) > MAX_NAME_BYTES:
        problem = f"longer than {MAX_NAME_CHARS} characters or {MAX_NAME_BYTES} bytes"
        raise BadRequest("name", problem, limit=MAX_NAME_CHARS)


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a key called {name!r}", name=name)


def _name_of(path: Path) -> str | None:
    """The key that a file holds, or None for what is no key file."""
    encoded = path.name.removeprefix(_PREFIX)
    if encoded == path.name:
        return None
    try:
        name = base64.b32decode(encoded.upper() + "=" * (-len(encoded) % 8)).decode()
        check_key_name(name)
    except (binascii.Error, UnicodeDecodeError, BadRequest):
        return None
    return name
