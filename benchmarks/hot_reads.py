"""A hot file by way of the cache, against the same system without a cache actor.

Needs `wrk` (Debian's package of that name).
"""

from __future__ import annotations

import os

import aiohttp

from .ratio import Ratio, alternate
from .small import needs_wrk, wrk
from .system import Measured, measured_system

CONNECTIONS = 16
SIZES = {"12 bytes": (12, None), "64 KiB": (64 * 1024, 1.3), "256 KiB": (256 * 1024, None)}


async def compare(rounds: int) -> list[Ratio]:
    needs_wrk()
    async with measured_system() as cached, measured_system(scale={"cache": 0}) as bare:
        return [await _hot(cached, bare, what, rounds) for what in SIZES]


async def _hot(cached: Measured, bare: Measured, what: str, rounds: int) -> Ratio:
    size, target = SIZES[what]
    content = os.urandom(size)
    ours, limit = await _added(cached, content), await _added(bare, content)
    ratio = Ratio(f"{what}, hot, {CONNECTIONS} connections, against no cache actor", "req/s", target)
    return await alternate(ratio, rounds, lambda: wrk(ours, CONNECTIONS), lambda: wrk(limit, CONNECTIONS))


async def _added(system: Measured, content: bytes) -> str:
    """The URL of a file that was just stored."""
    api = f"{system.info.http}/api/v0/mcp/ipfs"
    headers = {"Content-Type": "application/octet-stream"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{api}/add", data=content, headers=headers) as reply,
    ):
        return f"{api}/cat/{(await reply.json())['cid']}"
