"""A process's two NATS connections: `control` for requests and replies, `bulk` for the bytes of streams.

On one connection a stream of 512 KiB chunks adds 3–7 ms to every request; on two it does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client as NATS
from nats.errors import Error as NatsError

from ..schemas.errors import Forbidden, Unavailable
from .inbox import Inbox

__all__ = ["Credentials", "Link"]

log = logging.getLogger(__name__)

RECONNECT_WAIT_S = 0.2
PING_INTERVAL_S = 10
# Chunks on their way over all streams of a process together, 64 MiB, while there are no more than 64 of them.
WINDOWS = 128


@dataclass(frozen=True)
class Credentials:
    """Who connects: a name, which is also its inbox prefix `_INBOX_<name>`, and its nkey seed file.

    With no seed the server must accept anonymous users, as a bare development server does.
    """

    user: str = "client"
    seed: Path | None = None

    @property
    def inbox_prefix(self) -> str:
        return f"_INBOX_{self.user}"


class Link:
    """Two connections to one server or cluster, reconnecting for ever."""

    def __init__(self, control: NATS, bulk: NATS, credentials: Credentials) -> None:
        self.control = control
        self.bulk = bulk
        self.inbox = Inbox(control, credentials.inbox_prefix)
        self.bulk_inbox = Inbox(bulk, credentials.inbox_prefix)
        self.streams = 0  # running now, over both directions
        self._on_reconnect: list[Callable[[], None]] = []

    @classmethod
    async def connect(
        cls,
        url: str,
        credentials: Credentials,
        *,
        timeout_s: float = 5.0,
        on_closed: Callable[[], None] = lambda: None,
    ) -> Link:
        """Connect; raises Unavailable if no server answers in time, Forbidden if it refuses the credentials.

        `on_closed` is called when a connection is closed for good although nobody asked for it: the process
        should end and be started again.
        """
        watch = _Watch(on_closed)
        control = await _connect(url, credentials, "control", timeout_s, watch)
        try:
            bulk = await _connect(url, credentials, "bulk", timeout_s, watch)
        except BaseException:
            await control.close()
            raise
        link = cls(control, bulk, credentials)
        watch.link = link
        await link.inbox.start()
        await link.bulk_inbox.start()
        return link

    @property
    def window(self) -> int:
        """How many chunks of 512 KiB a stream may have on their way: 16 MiB alone, less among many."""
        return max(2, min(32, WINDOWS // max(1, self.streams)))

    async def flush(self) -> None:
        """Returns once the server has taken everything published before."""
        # nats-py writes the PING ahead of what is still pending unless the flusher ran first.
        await asyncio.sleep(0)
        await self.control.flush()
        await self.bulk.flush()

    async def close(self) -> None:
        self.inbox.fail_all()
        self.bulk_inbox.fail_all()
        for nc in (self.control, self.bulk):
            if not nc.is_closed:
                await _close(nc)


async def _close(nc: NATS) -> None:
    """Close it, also where its read task, cancelled in here, cancels the transport's own wait for the end."""
    try:
        await nc.close()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


class _Watch:
    """What happens to a connection besides messages."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self.link: Link | None = None
        self._on_closed = on_closed

    async def disconnected(self) -> None:
        if self.link is not None:
            self.link.inbox.fail_all()
            self.link.bulk_inbox.fail_all()

    async def closed(self) -> None:
        if self.link is not None:
            self._on_closed()

    async def error(self, error: Exception) -> None:
        said = str(error).lower()
        if 'permissions violation for publish to "_inbox' in said:
            # A server that was started anew does not know the requests that it had before.
            log.info("an answer came when nobody could get it any more: %s", error)
        elif "permissions violation" in said:
            log.error("the server forbids what this process tried: %s", error)
        elif self.link is not None:
            log.warning("nats: %s", error or type(error).__name__)


async def _connect(url: str, credentials: Credentials, purpose: str, timeout_s: float, watch: _Watch) -> NATS:
    options: dict[str, Any] = {
        "name": f"cidbus {credentials.user} {purpose}",
        "inbox_prefix": credentials.inbox_prefix,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_S,
        "ping_interval": PING_INTERVAL_S,
        "max_outstanding_pings": 2,
        "connect_timeout": 2,
        "disconnected_cb": watch.disconnected,
        "closed_cb": watch.closed,
        "error_cb": watch.error,
    }
    if credentials.seed is not None:
        options["nkeys_seed"] = str(credentials.seed)
    try:
        async with asyncio.timeout(timeout_s):
            nc = await _until_accepted(url, options)
    except TimeoutError:
        raise Unavailable(f"no NATS server answers at {url} within {timeout_s:g} s") from None
    # From here on the connection is kept for ever; only the first attempt may fail for good.
    nc.options["allow_reconnect"] = True
    return nc


async def _until_accepted(url: str, options: dict[str, Any]) -> NATS:
    while True:
        nc = NATS()
        try:
            await nc.connect(url, allow_reconnect=False, **options)
            return nc
        except (NatsError, OSError) as error:
            await nc.close()  # a refused connection keeps its socket otherwise
            if "authorization" in str(error).lower():
                raise Forbidden("the NATS server refuses these credentials") from error
            await asyncio.sleep(RECONNECT_WAIT_S)
