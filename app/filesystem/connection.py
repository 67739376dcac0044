"""One client for each system and event loop, shared by the file systems there, opened when first used."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from concurrent.futures import TimeoutError as NotInTime
from weakref import WeakKeyDictionary, WeakValueDictionary

from cidbus.client import Client

from .options import Options

__all__ = ["Connection"]

log = logging.getLogger(__name__)

CLOSING_S = 2.0


class Connection:
    """A client that is opened once; it is closed when no file system has the connection any more, and at the
    end of the process."""

    def __init__(self, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        self._options = options
        self._loop = loop
        self._opened: list[Client] = []
        self._lock = asyncio.Lock()
        weakref.finalize(self, _close_from_outside, loop, os.getpid(), self._opened)

    @classmethod
    def here(cls, options: Options) -> Connection:
        """The connection with these options on the running event loop."""
        loop = asyncio.get_running_loop()
        connections = _connections.setdefault(loop, WeakValueDictionary())
        connection = connections.get(options)
        if connection is None:
            connection = connections[options] = cls(options, loop)
        return connection

    @property
    def is_here(self) -> bool:
        """Whether the running event loop is the one that the client lives on."""
        return self._loop is asyncio.get_running_loop()

    async def client(self) -> Client:
        """The client; raises what `Client.connect` raises."""
        async with self._lock:
            if not self._opened:
                self._opened.append(await self._connect())
            return self._opened[0]

    async def _connect(self) -> Client:
        options = self._options
        return await Client.connect(
            options.url, seed=options.seed, data_dir=options.data_dir, headers=dict(options.headers)
        )

    async def aclose(self) -> None:
        """Close the client; one that is asked for later is a new one."""
        await _close(self._opened)


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[Options, Connection]] = (
    WeakKeyDictionary()
)


# What a forked child has of its parent: its sockets are the parent's, so they are never touched again.
_inherited: list[Connection] = []


def _leave_alone() -> None:
    for connections in list(_connections.values()):
        _inherited.extend(connections.values())
    _connections.clear()


os.register_at_fork(after_in_child=_leave_alone)


async def _close(opened: list[Client]) -> None:
    while opened:
        await opened.pop().aclose()


def _close_from_outside(loop: asyncio.AbstractEventLoop, pid: int, opened: list[Client]) -> None:
    """Close on the loop that the client lives on, from whichever thread; a forked child leaves it alone."""
    if not opened or pid != os.getpid() or not loop.is_running():
        return
    closing = asyncio.run_coroutine_threadsafe(_close(opened), loop)
    if asyncio._get_running_loop() is loop:
        return
    try:
        closing.result(CLOSING_S)
    except NotInTime:
        log.warning("a connection was not closed within %g s", CLOSING_S)
