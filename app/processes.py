"""What each kind of cidbus process does: `up` supervises, `actor` hosts actors, `bridge` serves HTTP."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from cidbus import __version__
from cidbus.bus import Bus, Host
from cidbus.bus.keyring import Keyring
from cidbus.bus.process import run, stop_on_signals
from cidbus.schemas.errors import BusError
from cidbus.schemas.subjects import ACTORS

from .data_dir import DEFAULT_DATA_DIR, DataDir
from .supervisor import NATS_PORT, System, UpOptions

__all__ = ["ActorOptions", "BridgeOptions", "UpOptions", "run_actor", "run_bridge", "run_up"]

DEFAULT_NATS = f"nats://127.0.0.1:{NATS_PORT}"
CONNECT_S = 30.0
# The bridge or an actor that loses its bus for good ends with this code, and is started again.
LOST_BUS = 3


@dataclass(frozen=True)
class ActorOptions:
    """Which actors one process hosts, on which server, with what they own below `data_dir`."""

    names: tuple[str, ...]
    nats: str = DEFAULT_NATS
    data_dir: Path = DEFAULT_DATA_DIR
    debug: bool = False


@dataclass(frozen=True)
class BridgeOptions:
    """Where a bridge listens, and whose content it serves: that of the node in `data_dir`, or of whichever
    node answers, where there is none or `any_node` says so. It is ready without the actors in `without`;
    without `cache`, files come from the ipfs actor."""

    host: str = "127.0.0.1"
    port: int = 8000
    nats: str = DEFAULT_NATS
    data_dir: Path = DEFAULT_DATA_DIR
    isolation: bool = False
    share_port: bool = False
    any_node: bool = False
    without: tuple[str, ...] = ()
    debug: bool = False


def run_up(options: UpOptions) -> int:
    """Run a whole system until SIGINT or SIGTERM; returns the exit code."""
    return run(lambda: _up(options), debug=options.debug)


async def _up(options: UpOptions) -> int:
    stop = stop_on_signals()
    system = System(options)
    starting = asyncio.create_task(system.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    try:
        info = starting.result()
    except BusError as error:
        print(f"cidbus: {error.message}", file=sys.stderr)
        return 1
    finally:
        stopping.cancel()
    print(f"cidbus is ready: {info.http} (docs at {info.http}/docs), {info.nats}", flush=True)
    await stop.wait()
    await system.stop()
    return 0


def run_actor(options: ActorOptions) -> int:
    """Host actors until SIGINT or SIGTERM, then finish what was accepted; returns the exit code."""
    return run(lambda: _actor(options), debug=options.debug)


async def _actor(options: ActorOptions) -> int:
    from cidbus.actors import make_actor

    stop, closed = stop_on_signals(), asyncio.Event()
    data_dir = DataDir(options.data_dir)
    async with AsyncExitStack() as stack:
        for name in options.names:
            actor = make_actor(name, data_dir.of_actor(name))
            node = data_dir.make_node() if ACTORS[name].per_node else data_dir.node
            bus = await _connect(options.nats, data_dir, name, closed, node)
            host = Host(actor, bus, node=node if ACTORS[name].per_node else None, version=__version__)
            await host.start()
            stack.push_async_callback(host.stop)
        return await _until(stop, closed)


def run_bridge(options: BridgeOptions) -> int:
    """Serve HTTP until SIGINT or SIGTERM, then finish what was accepted; returns the exit code."""
    return run(lambda: _bridge(options), debug=options.debug)


async def _bridge(options: BridgeOptions) -> int:
    from cidbus.actors import IMPLEMENTED
    from cidbus.actors.cache.settings import CacheSettings
    from cidbus.http_bridge import BridgeSettings, serve
    from cidbus.http_bridge.gateway.environment import gateway_environment

    stop, closed = stop_on_signals(), asyncio.Event()
    data_dir = DataDir(options.data_dir)
    node = None if options.any_node else data_dir.node
    bus = await _connect(options.nats, data_dir, "bridge", closed, node)
    settings = BridgeSettings(
        version=__version__,
        debug=options.debug,
        isolation=options.isolation,
        needed=tuple(
            name for name in IMPLEMENTED if not ACTORS[name].optional and name not in options.without
        ),
        near_bytes=None if "cache" in options.without else CacheSettings.read().near_limit,
        **gateway_environment(),
    )
    # Bridges of one system may share a port, and the kernel spreads the connections over them; without
    # being told so a bridge refuses a port that somebody listens on.
    server = await serve(bus, options.host, options.port, settings, reuse_port=options.share_port or None)
    async with bus, server:
        return await _until(stop, closed)


def running_nats(data_dir: Path) -> str:
    """The NATS server of the system that runs in this folder, or the usual one if none does."""
    info = DataDir(data_dir).read_info()
    return DEFAULT_NATS if info is None else info.nats


async def _connect(
    url: str, data_dir: DataDir, user: str, closed: asyncio.Event, node: str | None = None
) -> Bus:
    credentials = Keyring(data_dir.secrets).credentials(user)
    return await Bus.connect(url, credentials, timeout_s=CONNECT_S, on_closed=closed.set, node=node)


async def _until(stop: asyncio.Event, closed: asyncio.Event) -> int:
    """Wait for whichever comes first: 0 for an orderly stop, `LOST_BUS` for a bus that is gone for good."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(closed.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return 0 if stop.is_set() else LOST_BUS
