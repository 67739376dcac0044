"""Blocks from trustless gateways: several of them raced, each with a record of how it does.

    GET https://gateway.example/ipfs/{cid}?format=raw    Accept: application/vnd.ipld.raw

(https://specs.ipfs.tech/http-gateways/trustless-gateway/). The gateway that has been fastest is asked first;
when it takes longer than it does for 19 of 20 blocks, or fails, the next one is asked as well. The first
block that hashes to its CID wins; a gateway that sent another is named, and sits out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import aiohttp
from yarl import URL

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, BusError, NotFound, Unavailable
from ....schemas.ipfs import MAX_BLOCK_BYTES
from .health import Health, SourceHealth
from .sources import NOT_ASKED, WRONG_BLOCK, check_supported
from .web import CONNECT_TIMEOUT_S, Remote, network_errors, parse_origin, read_whole

__all__ = ["GatewayFetcher"]

log = logging.getLogger(__name__)

RAW_BLOCK = "application/vnd.ipld.raw"
MAX_GATEWAYS = 64
CONNECTIONS_EACH = 16
TIMEOUT_S = 30.0
HEDGE_S = 0.3
MIN_HEDGE_S = 0.01
# A gateway that says one of these does not have the block, or may not give it, or searched in vain.
ABSENT = frozenset({404, 410, 412, 451, 504})

Pause = Callable[[float], Coroutine[Any, Any, None]]


class GatewayFetcher(Remote):
    """A BlockFetcher over the gateways at these origins (`https://host[:port]`), and only at them.

    `timeout_s` limits one gateway's whole answer, `hedge_s` is how long to wait for a gateway of which little
    is known before the next is asked too. `clock` is in seconds; `pause` waits.
    """

    def __init__(
        self, origins: Sequence[str], *, timeout_s: float = TIMEOUT_S, hedge_s: float = HEDGE_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S, clock: Callable[[], float] = time.monotonic,
        pause: Pause = asyncio.sleep,
    ) -> None:  # fmt: skip
        if not 0 < len(origins) <= MAX_GATEWAYS:
            raise BadRequest("gateways", f"{len(origins)} gateways", limit=MAX_GATEWAYS)
        super().__init__(
            connections=CONNECTIONS_EACH * len(origins),
            connect_timeout_s=connect_timeout_s,
            idle_timeout_s=timeout_s,
            headers={"Accept": RAW_BLOCK},
        )
        urls = dict.fromkeys(parse_origin(origin, field="gateways") for origin in origins)
        self._gateways = [(url, Health(str(url), clock)) for url in urls]
        self._timeout_s, self._hedge_s = timeout_s, hedge_s
        self._clock, self._pause = clock, pause

    @property
    def name(self) -> str:
        return "gateways"

    def health(self) -> list[SourceHealth]:
        """How each gateway has done, in the order of the configuration."""
        return [health.report() for _, health in self._gateways]

    async def fetch(self, cid: CID) -> bytes:
        """The block, checked against its CID.

        Raises NotFound(what="block") if a gateway says that it has none and no other sends it, Unavailable if
        none says anything of use; both have `tried` (origin to what it said), and `liars` if there were any.
        NotSupported for a hash that cannot be checked here.
        """
        check_supported(cid)
        heard = _Heard(cid)
        running: dict[asyncio.Task[bytes], Health] = {}
        waiting = self._order(heard)
        try:
            while waiting or running:
                wait_s = None
                if waiting:
                    url, health = waiting.popleft()
                    running[asyncio.create_task(self._ask(url, health, cid))] = health
                    wait_s = max(MIN_HEDGE_S, health.p95_s(self._hedge_s)) if waiting else None
                for task in await self._until_one_ends(running, wait_s):
                    block = heard.block_of(task, running.pop(task).name)
                    if block is not None:
                        return block
        finally:
            await _end(running)
        raise heard.error()

    def _order(self, heard: _Heard) -> deque[tuple[URL, Health]]:
        """The fastest first, and those of which nothing is known before them; who sits out comes last, and
        who lied not at all."""
        trusted = []
        for url, health in self._gateways:
            if health.is_distrusted:
                heard.tried[health.name] = NOT_ASKED
            else:
                trusted.append((url, health))
        return deque(sorted(trusted, key=lambda pair: (pair[1].benched_s, pair[1].latency_s or 0.0)))

    async def _until_one_ends(
        self, running: Collection[asyncio.Task[bytes]], wait_s: float | None
    ) -> set[asyncio.Task[bytes]]:
        """The tasks that have ended, as soon as one has; none if `wait_s` is up before."""
        timer = None if wait_s is None else asyncio.create_task(self._pause(wait_s))
        everything: list[asyncio.Task[Any]] = [*running] if timer is None else [*running, timer]
        try:
            done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
        return {task for task in running if task in done}

    async def _ask(self, url: URL, health: Health, cid: CID) -> bytes:
        """The right block from one gateway, which is remembered for how it did."""
        started = self._clock()
        try:
            block = await self._get(url, cid)
        except asyncio.CancelledError:
            health.outrun(self._clock() - started)
            raise
        except NotFound:
            health.not_found(self._clock() - started)
            raise
        except BusError as error:
            health.failed(error.message, bench_s=error.details.get("retry_after_s", 0.0))
            raise
        if not cid.matches(block):
            health.lied(WRONG_BLOCK)
            log.warning("%s %s (block %s)", health.name, WRONG_BLOCK, cid)
            raise _WrongBlock
        health.answered(self._clock() - started)
        return block

    async def _get(self, url: URL, cid: CID) -> bytes:
        """What one gateway sends as the block, at most 2 MiB, unchecked."""
        target = (url / "ipfs" / str(cid)).with_query(format="raw")
        with network_errors("a block", str(url), self._timeout_s):
            async with (
                asyncio.timeout(self._timeout_s),
                self.session.get(target, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise _refusal(response, url, cid)
                return await read_whole(response, MAX_BLOCK_BYTES, "block")


class _WrongBlock(Exception):
    """A gateway sent bytes that do not hash to the CID."""


class _Heard:
    """What the gateways have said about one block."""

    def __init__(self, cid: CID) -> None:
        self.tried: dict[str, str] = {}
        self._cid = cid
        self._liars: list[str] = []
        self._absent = False

    def block_of(self, task: asyncio.Task[bytes], name: str) -> bytes | None:
        """The block that a gateway sent, or None, its error then being remembered."""
        try:
            return task.result()
        except _WrongBlock:
            self.tried[name] = WRONG_BLOCK
            self._liars.append(name)
        except NotFound:
            self.tried[name] = "does not have the block"
            self._absent = True
        except BusError as error:
            self.tried[name] = error.message
        return None

    def error(self) -> BusError:
        details: dict[str, Any] = {"tried": self.tried} | ({"liars": self._liars} if self._liars else {})
        if self._absent:
            return NotFound("block", str(self._cid), **details)
        return Unavailable(f"no gateway sends block {self._cid}", **details)


def _refusal(response: aiohttp.ClientResponse, url: URL, cid: CID) -> BusError:
    """What a status other than 200 says; a redirect is not followed, wherever it leads."""
    status = response.status
    if status in ABSENT:
        return NotFound("block", str(cid))
    if 300 <= status < 400:
        return Unavailable(f"{url} redirects instead of answering", url=str(url))
    retry_after = response.headers.get("Retry-After", "")
    details = {"retry_after_s": float(retry_after)} if retry_after.isdecimal() else {}
    return Unavailable(f"{url} answered {status}", url=str(url), **details)


async def _end(running: Collection[asyncio.Task[bytes]]) -> None:
    """Cancels the losers and waits until their connections are given back."""
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
