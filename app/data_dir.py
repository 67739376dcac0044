"""Where a system keeps what it owns, and how its parts find one another.

<data-dir>/secrets/         nkey seeds (0600)
<data-dir>/nats/            the embedded server's configuration, log and JetStream store
<data-dir>/<actor>/         what that actor owns
<data-dir>/ipfs/node        the name of the node whose content this is, among the nodes of a cluster
<data-dir>/run/info.json    the running system: its URLs and processes
<data-dir>/run/lock         held by the process that runs the system
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from secrets import token_hex

from cidbus.schemas.errors import Conflict
from cidbus.schemas.wire import Reply

__all__ = ["DEFAULT_DATA_DIR", "DataDir", "Info", "ProcessInfo"]

DEFAULT_DATA_DIR = Path("~/.cidbus")


class ProcessInfo(Reply):
    name: str
    pid: int


class Info(Reply):
    """A running system. `actors` lists every process: actors by name, and `bridge` and `nats`."""

    http: str
    nats: str
    client_seed: str
    data_dir: str
    actors: list[ProcessInfo]
    node: str | None = None


class DataDir:
    """One system's folder; made (0700) when a system first starts in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @property
    def info_path(self) -> Path:
        return self.path / "run" / "info.json"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def client_seed(self) -> Path | None:
        """The file of the seed that clients of this system have, None if there is none here."""
        path = self.secrets / "client.nk"
        return path if path.exists() else None

    def of_actor(self, name: str) -> Path:
        return self.path / name

    @property
    def node(self) -> str | None:
        """The name of the node whose content is in this folder, None if there is none yet."""
        try:
            return self._node_path.read_text().strip()
        except FileNotFoundError:
            return None

    def make_node(self) -> str:
        """The name of the node, made up if there is none; several processes may do so at once."""
        path = self._node_path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".node.{os.getpid()}")
        draft.write_text(token_hex(8))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)  # unlike a rename, fails if another process was first
        draft.unlink()
        return path.read_text().strip()

    @property
    def _node_path(self) -> Path:
        return self.of_actor("ipfs") / "node"

    def make(self) -> None:
        (self.path / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def lock(self) -> int:
        """Claim the folder until the process ends; raises Conflict if a running system has it."""
        descriptor = os.open(self.path / "run" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Conflict(f"another system is running in {self.path}", data_dir=str(self.path)) from None
        return descriptor

    def read_info(self) -> Info | None:
        """The running system, or None if none runs here; what a killed one has left does not count."""
        try:
            os.close(self.lock())
            return None
        except (Conflict, FileNotFoundError):
            pass
        try:
            return Info.from_wire(self.info_path.read_bytes())
        except FileNotFoundError:
            return None

    def write_info(self, info: Info) -> None:
        draft = self.info_path.with_suffix(".new")
        draft.write_bytes(info.to_wire())
        draft.replace(self.info_path)

    def forget_info(self) -> None:
        self.info_path.unlink(missing_ok=True)
