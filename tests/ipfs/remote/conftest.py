"""Real HTTP servers on loopback that misbehave on request, and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from kubo_daemon import kubo  # noqa: F401

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class Pauses:
    """Stands in for `asyncio.sleep`: a pause ends when a test says so, or at once with `skip`."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.skip = False
        self._over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if not self.skip:
            await self._over.wait()

    def end(self) -> None:
        self._over.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Answer], Awaitable[str]]]:
    """`await serve(answer)` gives the URL of a server that answers every request so."""
    async with AsyncExitStack() as stack:

        async def start(answer: Answer) -> str:
            app = web.Application(client_max_size=1 << 30)

            async def handle(request: web.Request) -> web.StreamResponse:
                return await answer(request)

            app.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        yield start


@pytest.fixture
async def talk() -> AsyncIterator[Callable[[Talk], Awaitable[str]]]:
    """`await talk(say)` gives the URL of a server that says what it wants on each connection."""
    async with AsyncExitStack() as stack:

        async def start(say: Talk) -> str:
            conversations: set[asyncio.Task[None]] = set()

            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                conversations.add(task)
                try:
                    await say(reader, writer)
                except (asyncio.IncompleteReadError, ConnectionError):
                    pass  # The client has gone.
                finally:
                    conversations.discard(task)
                    writer.close()

            server = await asyncio.start_server(connected, "127.0.0.1", 0)

            async def stop() -> None:
                server.close()
                for conversation in list(conversations):
                    conversation.cancel()
                await asyncio.gather(*conversations, return_exceptions=True)

            stack.push_async_callback(stop)
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield start
