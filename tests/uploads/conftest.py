"""A real store with its uploads, and a node, a bridge and a client on a real bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cidbus.actors import make_actor
from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.actors.ipfs.unixfs.importer import import_file
from cidbus.actors.ipfs.unixfs.profiles import profile_named
from cidbus.actors.ipfs.uploads.record import UploadRecord
from cidbus.actors.ipfs.uploads.uploads import Uploads
from cidbus.bus import Bus, Host
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect, hosted
from cidbus.http_bridge import BridgeServer, BridgeSettings, serve
from cidbus.schemas.cid import CID
from cidbus.schemas.tree import UploadCreate

API = "/api/v0/mcp"
ORIGIN = "https://app.example"
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


@lru_cache(maxsize=4)
def pattern(size: int) -> bytes:
    """Bytes without a period that any block size is a multiple of."""
    period = b"".join(number.to_bytes(3, "big") for number in range(65521))
    return (period * (size // len(period) + 1))[:size]


class Nowhere:
    """A sink for blocks whose CID is all that is wanted."""

    async def put(self, cid: CID, data: bytes) -> None:
        return


async def plain_cid(content: bytes, profile: str = "unixfs-v1-2025") -> str:
    """The CID that adding the content at once gives."""
    return str((await import_file(stream(content), Nowhere(), profile_named(profile))).cid)


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Desk:
    """The uploads of a store whose clock the test turns; `told` is what the world has heard of them."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.told: list[tuple[str, str, int]] = []
        self._pool = pool
        self._numbers = iter(range(1_000_000))
        self._stores: list[BlockStore] = []

    async def open(self) -> Uploads:
        """The uploads as another process has them."""
        store = await BlockStore.open(self.folder, children=children, clock=lambda: self.now)
        self._stores.append(store)
        return Uploads(
            store, self.folder / "uploads", clock=lambda: self.now, executor=self._pool, tell=self._tell,
            new_id=lambda: f"upload-{next(self._numbers)}",
        )  # fmt: skip

    @property
    def store(self) -> BlockStore:
        return self._stores[-1]

    async def close(self) -> None:
        for store in self._stores:
            await store.close()
        self._stores.clear()

    async def _tell(self, record: UploadRecord, moment: str, offset: int, cid: CID | None) -> None:
        self.told.append((record.id, moment, offset))

    def moments(self, upload_id: str) -> list[str]:
        return [moment for told, moment, _ in self.told if told == upload_id]


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
async def desk(tmp_path: Path, pool: ThreadPoolExecutor) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "ipfs", pool)
    yield desk
    await desk.close()


@pytest.fixture
async def uploads(desk: Desk) -> Uploads:
    return await desk.open()


async def begin(uploads: Uploads, size_bytes: int | None = None, **fields: Any) -> str:
    return (await uploads.create(UploadCreate(size_bytes=size_bytes, **fields))).id


# ---- a node and a bridge --------------------------------------------------------------------------------


@pytest.fixture
async def host(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Host]:
    async with hosted(server, make_actor("ipfs", tmp_path / "ipfs")) as running:
        yield running


@pytest.fixture
async def bus(server: EmbeddedServer, host: Host) -> AsyncIterator[Bus]:
    async with await connect(server) as connected:
        yield connected


@pytest.fixture
async def bridge(server: EmbeddedServer, host: Host) -> AsyncIterator[BridgeServer]:
    settings = BridgeSettings(discovery_wait_s=0.1, allowed_origins=(ORIGIN,), max_upload_bytes=1 << 30)
    async with await connect(server, "bridge") as bus, await serve(bus, settings=settings) as running:
        yield running


class Web:
    """An HTTP client of one bridge; paths are below the prefix."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.port = port
        self.base = f"http://127.0.0.1:{port}{API}"

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        url = path if path.startswith("http") else self.base + path.removeprefix(API)
        async with self.session.request(method, url, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def begin(self, size: int | None, **headers: str) -> str:
        """The path of a new upload."""
        length = {"Upload-Defer-Length": "1"} if size is None else {"Upload-Length": str(size)}
        answer = await self.ask("POST", "/uploads", headers=TUS | length | headers)
        assert answer.status == 201, answer.body
        return answer.headers["Location"]

    async def patch(self, path: str, offset: int, data: Any, **headers: str) -> Answer:
        return await self.ask(
            "PATCH", path, data=data, headers=BYTES | {"Upload-Offset": str(offset)} | headers
        )

    async def offset(self, path: str) -> int:
        answer = await self.ask("HEAD", path, headers=TUS)
        assert answer.status == 200
        return int(answer.headers["Upload-Offset"])


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


@pytest.fixture
async def web(bridge: BridgeServer) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession() as session:
        yield Web(session, bridge.port)
