"""The limits as processes: a bare nats-py responder, a bare aiohttp handler over it, and a bare bus stream.

python -m benchmarks.peers responder|http|sink URL SEED [PORT]
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import nats
from aiohttp import web

from cidbus.bus import CHUNK_BYTES, Actor, Bus, Credentials, Host, handles
from cidbus.bus.process import run
from cidbus.schemas.rows import Stream, Upload
from cidbus.schemas.wire import Empty, Reply, Wire

SMALL = b"Hello, IPFS!"
PREFIX = "_INBOX_admin"


class Take(Wire):
    @property
    def inline(self) -> None:
        return None


class Give(Wire):
    size_bytes: int


class Taken(Reply):
    sha256: str


SINK = Upload("bench.sink", Take, Taken, "Hash what comes")
SOURCE: Stream[Give, Empty, bytes] = Stream("bench.source", Give, bytes, "Zeros")


class Bare(Actor):
    """Bytes over the bus with nothing behind: the hash alone, or zeros from memory."""

    name = "bench"

    @handles(SINK)
    async def sink(self, ask: Take, content: AsyncIterator[bytes]) -> Taken:
        digest = hashlib.sha256()
        async for chunk in content:
            digest.update(chunk)
        return Taken(sha256=digest.hexdigest())

    @handles(SOURCE)
    async def source(self, ask: Give) -> AsyncIterator[Empty | bytes]:
        chunk = bytes(CHUNK_BYTES)
        for _ in range(ask.size_bytes // CHUNK_BYTES):
            yield chunk


async def responder(url: str, seed: str) -> None:
    nc = await nats.connect(url, nkeys_seed=seed, inbox_prefix=PREFIX)
    contents = {b"key": SMALL}

    async def answer(msg: nats.aio.msg.Msg) -> None:
        await nc.publish(msg.reply, contents[msg.data])

    await nc.subscribe("bench.cat", "q", cb=answer)
    await nc.flush()


async def http(url: str, seed: str, port: str) -> None:
    nc = await nats.connect(url, nkeys_seed=seed, inbox_prefix=PREFIX)

    async def cat(request: web.Request) -> web.Response:
        msg = await nc.request("bench.cat", request.match_info["key"].encode(), timeout=5)
        return web.Response(body=msg.data, content_type="text/plain")

    app = web.Application()
    app.router.add_get("/cat/{key}", cat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()


async def sink(url: str, seed: str) -> None:
    bus = await Bus.connect(url, Credentials("admin", Path(seed)))
    await Host(Bare(), bus).start()


async def serve() -> int:
    kind, *arguments = sys.argv[1:]
    await {"responder": responder, "http": http, "sink": sink}[kind](*arguments)
    print("ready", flush=True)
    await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(run(serve))
