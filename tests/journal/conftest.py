"""The journal on a real bus: nats-server, an ipfs actor, and as many journal processes as a test needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cidbus.actors import make_actor
from cidbus.actors.journal.actor import JournalActor
from cidbus.actors.journal.settings import JournalSettings
from cidbus.bus import Bus
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.schemas import journal, journaling, subjects
from cidbus.schemas.journal import Changed, PathStat

# Upkeep only when a test asks for it.
CALM = {"sync_interval": 3600, "checkpoint_interval": 86_400, "max_journal_size": 10_000_000}


class System:
    """A node: its server, its ipfs actor and its journal processes, which share one folder."""

    def __init__(self, server: EmbeddedServer, folder: Path, stack: AsyncExitStack) -> None:
        self.server = server
        self.folder = folder
        self._stack = stack
        self.bus: Bus

    async def start_ipfs(self) -> None:
        await self._stack.enter_async_context(hosted(self.server, make_actor("ipfs", self.folder / "ipfs")))

    async def start_journal(self, **settings: Any) -> JournalActor:
        """One more process; it lives until the test ends."""
        return await self._stack.enter_async_context(self.journal(**settings))

    @asynccontextmanager
    async def journal(self, **settings: Any) -> AsyncIterator[JournalActor]:
        actor = JournalActor(JournalSettings(**CALM | settings), self.folder / "journal")
        async with hosted(self.server, actor):
            yield actor

    async def connect(self) -> None:
        self.bus = await self._stack.enter_async_context(await connect(self.server))

    # ---- asking -----------------------------------------------------------------------------------------

    async def write(self, path: str, content: str, at: str | None = None, **fields: Any) -> Changed:
        ask = journal.WriteFile(path=path, content=content, truncate=True, parents=True, **fields)
        return await self.bus.upload(subjects.FS_WRITE, ask, at=at)

    async def write_stream(self, path: str, content: bytes, **fields: Any) -> Changed:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 100_000):
                yield content[start : start + 100_000]

        return await self.bus.upload(subjects.FS_WRITE, journal.WriteFile(path=path, **fields), pieces())

    async def read(self, path: str, **fields: Any) -> bytes:
        ask = journal.ReadFile(path=path, **fields)
        async with await self.bus.open(subjects.FS_READ, ask) as stream:
            return b"".join([chunk async for chunk in stream])

    async def stat(self, path: str, **fields: Any) -> PathStat:
        return await self.bus.request(subjects.FS_STAT, journal.StatPath(path=path, **fields))

    async def names(self, path: str = "/", **fields: Any) -> list[str]:
        return [e.name async for e in self.bus.items(subjects.FS_LS, journal.ListPath(path=path, **fields))]

    async def status(self) -> journaling.JournalStatus:
        return await self.bus.request(subjects.JOURNAL_STATUS, journaling.StatusRequest())

    async def begin(self) -> str:
        return (await self.bus.request(subjects.FS_BEGIN, journal.Begin())).transaction

    async def commit(self, transaction: str) -> Changed:
        return await self.bus.request(subjects.FS_COMMIT, journal.End(transaction=transaction))


@asynccontextmanager
async def system_in(folder: Path, *, journals: int = 1, **settings: Any) -> AsyncIterator[System]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server(folder / "server") as server, AsyncExitStack() as stack:
        system = System(server, folder, stack)
        await system.start_ipfs()
        for _ in range(journals):
            await system.start_journal(**settings)
        await system.connect()
        yield system


@pytest.fixture
async def fs(tmp_path: Path) -> AsyncIterator[System]:
    """One journal process."""
    async with system_in(tmp_path) as system:
        yield system


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[System]:
    """Three journal processes, between which requests are spread."""
    async with system_in(tmp_path, journals=3) as system:
        yield system
