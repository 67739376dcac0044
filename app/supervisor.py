"""A whole system on one machine: nats-server, one process per actor, the bridge; each kept alive.

    [System] -> nats-server
             -> cidbus actor ipfs …  (× scale)
             -> cidbus bridge …      (× scale)

It is ready when every actor answers `$SRV.PING` and the bridge answers `/readyz`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import tempfile
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from cidbus.actors import IMPLEMENTED
from cidbus.actors.cache.settings import CacheSettings
from cidbus.actors.ipfs.settings import IpfsSettings
from cidbus.bus import Bus
from cidbus.bus.keyring import Keyring
from cidbus.bus.micro import SERVICE_PREFIX
from cidbus.bus.server import EmbeddedServer, free_port
from cidbus.schemas.errors import BadRequest, Conflict, Unavailable

from .children import Child, PythonProcess
from .data_dir import DEFAULT_DATA_DIR, DataDir, Info, ProcessInfo

__all__ = ["NATS_PORT", "System", "UpOptions"]

log = logging.getLogger(__name__)

READY_S = 30.0
NATS_PORT = 4222
ADDRESSES = IpfsSettings.prefix() + "ADDRESSES"


@dataclass(frozen=True)
class UpOptions:
    """How a system is run.

    `nats` uses a server that already runs, with keys from `<data_dir>/secrets`; without it one is started.
    `isolation` means free ports and, unless `throw_away` says otherwise, a data folder that is removed at the
    end. `scale` says how many processes of an actor,
    or of `bridge`, there are (1 each if it says nothing). `ipfs` and `cache` have settings of these actors by
    name, as text: see `cidbus.actors.ipfs.settings` and `cidbus.actors.cache.settings`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = DEFAULT_DATA_DIR
    nats: str | None = None
    isolation: bool = False
    throw_away: bool | None = None
    debug: bool = False
    scale: dict[str, int] = field(default_factory=dict)
    ipfs: dict[str, str] = field(default_factory=dict)
    cache: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {*IMPLEMENTED, "bridge"}
        for name, count in self.scale.items():
            if name not in known:
                raise BadRequest("scale", f"{name!r} is not one of {', '.join(sorted(known))}")
            if not 0 <= count <= 64:
                raise BadRequest("scale", f"{name}={count} is not between 0 and 64", limit=64)
        if IpfsSettings.of(self.ipfs).is_simulation and self.scale.get("ipfs", 1) > 1:
            raise BadRequest("scale", "a simulation is one process: each makes up its own", limit=1)
        CacheSettings.of(self.cache)
        if self.scale.get("cache", 1) > 1:
            raise BadRequest("scale", "a node has one cache: its index has one writer", limit=1)


class System:
    """One running system. Use `async with`, or `start` and `stop`."""

    def __init__(self, options: UpOptions) -> None:
        self.options = options
        throw_away = options.isolation if options.throw_away is None else options.throw_away
        self._throwaway = tempfile.TemporaryDirectory(prefix="cidbus-") if throw_away else None
        self.data_dir = DataDir(Path(self._throwaway.name) if self._throwaway else options.data_dir)
        self.http = ""
        self.nats = options.nats or ""
        self._lock: int | None = None
        self._reserved: socket.socket | None = None
        self._children: list[Child] = []

    async def start(self) -> Info:
        """Start everything; returns once it is ready.

        Raises BadRequest for a setting of the environment that cannot be, Conflict if the data folder or the
        port is taken, Unavailable if a part does not become ready within 30 s. What was started before that
        is stopped again.
        """
        self.data_dir.make()
        self._lock = self.data_dir.lock()
        try:
            await self._start_all()
            async with asyncio.timeout(READY_S):
                await self._until_ready()
        except TimeoutError:
            await self.stop()
            raise Unavailable(f"not every part was ready within {READY_S:g} s") from None
        except BaseException:
            await self.stop()
            raise
        return self._tell()

    async def stop(self) -> None:
        """End everything in order: what accepts work first, what carries it last."""
        bridges = [child for child in self._children if child.name == "bridge"]
        actors = [child for child in self._children if child.name not in ("bridge", "nats")]
        servers = [child for child in self._children if child.name == "nats"]
        for group in (bridges, actors, servers):
            await asyncio.gather(*(child.stop() for child in group))
        self._children.clear()
        self.data_dir.forget_info()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._throwaway is not None:
            self._throwaway.cleanup()

    async def __aenter__(self) -> System:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def info(self) -> Info:
        processes = [ProcessInfo(name=child.name, pid=child.pid) for child in self._children]
        return Info(
            http=self.http,
            nats=self.nats,
            client_seed=str(self._keyring.seed_path("client")),
            data_dir=str(self.data_dir.path),
            actors=processes,
            node=self._node,
        )

    @property
    def _node(self) -> str | None:
        """The node that this system is, None if it has no ipfs actor of its own."""
        return self.data_dir.node if self.options.scale.get("ipfs", 1) else None

    # ---- starting ---------------------------------------------------------------------------------------

    @property
    def _keyring(self) -> Keyring:
        return Keyring(self.data_dir.secrets)

    async def _start_all(self) -> None:
        port = self._http_port()
        host = self.options.host
        self.http = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if self.options.nats is None:
            await self._start_nats()
        else:
            self._keyring.make_missing()
        if self.options.scale.get("ipfs", 1):
            self.data_dir.make_node()
        for name in IMPLEMENTED:
            for _ in range(self.options.scale.get(name, 1)):
                await self._add(
                    name, PythonProcess(["actor", name, *self._common()], self._environment(name))
                )
        _check_bridge_settings()
        bridge = ["bridge", "--host", host, "--port", str(port), *self._common()]
        bridge += ["--isolation"] if self.options.isolation else []
        bridge += [] if self._node else ["--any-node"]
        bridge += ["--share-port"]  # with the others, and with what keeps it reserved
        for name in IMPLEMENTED:
            bridge += [] if self.options.scale.get(name, 1) else ["--without", name]
        for _ in range(self.options.scale.get("bridge", 1)):
            await self._add("bridge", PythonProcess(bridge, CacheSettings.environment_of(self.options.cache)))

    def _common(self) -> list[str]:
        options = ["--nats", self.nats, "--data-dir", str(self.data_dir.path)]
        return [*options, "--debug"] if self.options.debug else options

    def _environment(self, actor: str) -> dict[str, str]:
        """What an actor is told besides its options: the ipfs actor, where its content can be had."""
        if actor == "cache":
            told = CacheSettings.environment_of(self.options.cache)
            simulated = IpfsSettings.of(self.options.ipfs).is_simulation
            return told | (CacheSettings.environment_of({"simulated": "true"}) if simulated else {})
        if actor != "ipfs":
            return {}
        told = IpfsSettings.environment_of(self.options.ipfs)
        address = _multiaddr(self.http)
        if address is not None and ADDRESSES not in os.environ:
            told.setdefault(ADDRESSES, address)
        return told

    def _http_port(self) -> int:
        wanted = 0 if self.options.isolation and self.options.port == UpOptions.port else self.options.port
        port = free_port(self.options.host, wanted)
        if wanted and port != wanted:
            raise Conflict(
                f"port {wanted} on {self.options.host} is in use; choose another with --port", port=wanted
            )
        self._reserved = _reserve(self.options.host, port)
        return port

    async def _start_nats(self) -> None:
        preferred = 0 if self.options.isolation else NATS_PORT
        server = EmbeddedServer(self.data_dir.path, port=free_port("127.0.0.1", preferred))
        self.nats = server.url
        await self._add("nats", server)

    async def _add(self, name: str, process: PythonProcess | EmbeddedServer) -> None:
        child = Child(name, process, self._changed)
        await child.start()
        self._children.append(child)

    def _changed(self) -> None:
        self._tell()

    def _tell(self) -> Info:
        info = self.info
        try:
            self.data_dir.write_info(info)
        except OSError as error:
            # A full disk must not keep what is stored from being read and collected.
            log.warning("%s could not be written: %s", self.data_dir.info_path, error)
        return info

    # ---- being ready ------------------------------------------------------------------------------------

    async def _until_ready(self) -> None:
        # "admin" may ask `$SRV` too, but the client's key is the one a user depends on.
        async with await Bus.connect(
            self.nats, self._keyring.credentials("client"), timeout_s=READY_S, node=self._node
        ) as bus:
            while not await self._actors_answer(bus):
                pass
        while not await self._bridge_answers():
            await asyncio.sleep(0.02)

    async def _actors_answer(self, bus: Bus) -> bool:
        wanted = {SERVICE_PREFIX + name: self.options.scale.get(name, 1) for name in IMPLEMENTED}

        def complete(answers: list[dict[str, Any]]) -> bool:
            names = [answer["name"] for answer in answers if bus.would_ask(answer)]
            return all(names.count(name) >= count for name, count in wanted.items())

        return complete(await bus.discover("PING", wait_s=0.1, until=complete))

    async def _bridge_answers(self) -> bool:
        if self.options.scale.get("bridge", 1) == 0:
            return True
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with aiohttp.ClientSession() as session, session.get(f"{self.http}/readyz") as response:
                return response.status == 200
        return False


def _reserve(host: str, port: int) -> socket.socket:
    """The port, bound but not listened on: until a bridge listens there, and while it is started again, no
    connection of some other process gets this port as its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise Conflict(f"port {port} on {host} is in use: {error.strerror}", port=port) from error
    return reserved


def _check_bridge_settings() -> None:
    """Raises BadRequest for what a bridge would end for, again and again."""
    from cidbus.http_bridge.gateway.environment import gateway_environment  # while the actors start

    gateway_environment()


def _multiaddr(url: str) -> str | None:
    """An HTTP address as others would dial it; None for one that only says "any of mine"."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return f"/dns4/{host}/tcp/{parts.port}/http"
    if address.is_unspecified:
        return None
    return f"/ip{address.version}/{address}/tcp/{parts.port}/http"
