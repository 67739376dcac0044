"""A bridge over a real node for each test, and a client that speaks the RPC without knowing any client library."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kubo_daemon import kubo  # noqa: F401
from yarl import URL

from cidbus.actors import make_actor
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.http_bridge import BridgeSettings, serve

HELLO = b"Hello, IPFS!"
HELLO_CID = "QmZaEQdUN9aj2UXzac2QHgDq5k2PHm6kMi17zJpRwwgKnm"
HELLO_RAW = "bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm"
ABSENT = "QmcoLu64r663eo3mj9hy7sDX6w58kutbFgat6wSfEVbyqm"
NOT_HERE = f"block was not found locally (offline): ipld: could not find {ABSENT}"
TREE = {"d/a.txt": HELLO, "d/sub/b": b"b"}
TREE_CID = "QmPtfemod1D1ax42kJou1a9UDpCgpcfBedsgsaJTa697Uv"
SUB_CID = "QmZfBgt9PZx6JD46UduVQ6o7bzfmuoSNXAJfPmkDUSthTo"
B_CID = "QmQLd9KEkw5eLKfr9VwfthiWbuqa9LXhRchWqD4kRPPWEf"


@dataclass
class Answer:
    """An answer that has been read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def error(self) -> str:
        """Kubo's message; the answer must be one of its errors."""
        assert self.status >= 400
        assert self.json["Type"] == "error"
        return self.json["Message"]


class Rpc:
    """The RPC of one bridge: `await rpc("pin/ls", cid, type="all")`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def __call__(
        self, command: str, *args: str, files: dict[str, bytes] | None = None, **options: Any
    ) -> Answer:
        return await self.post(command, args, options, None if files is None else form(files))

    async def post(
        self,
        command: str,
        args: tuple[str, ...] = (),
        options: dict[str, Any] | None = None,
        data: Any = None,
    ) -> Answer:
        query = [("arg", arg) for arg in args]
        query += [(name.replace("_", "-"), text(value)) for name, value in (options or {}).items()]
        url = URL(f"{self.url}/api/v0/{command}").with_query(query)
        async with self.session.post(url, data=data) as response:
            return Answer(response.status, response.headers, await response.read())

    async def add(self, files: dict[str, bytes], **options: Any) -> list[dict[str, str]]:
        answer = await self("add", files=files, **options)
        assert answer.status == 200, answer.body
        return answer.lines

    async def raw(self, head: str, body: bytes = b"") -> tuple[bytes, bytes]:
        """The head and body, chunks and all, of what a connection answers to these bytes."""
        url = URL(self.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            writer.write(head.replace("\n", "\r\n").encode() + body)
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
        start, _, rest = answer.partition(b"\r\n\r\n")
        return start, rest


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def form(files: dict[str, bytes]) -> aiohttp.MultipartWriter:
    """Files under their paths, as Kubo's clients send them."""
    writer = aiohttp.MultipartWriter("form-data")
    for number, (path, content) in enumerate(files.items()):
        part = writer.append(io.BytesIO(content), {"Content-Type": "application/octet-stream"})
        part.set_content_disposition("form-data", name=f"file-{number}", filename=path)
    return writer


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> BridgeSettings:
    """The settings of the test's bridge: `@pytest.mark.parametrize("settings", [{…}], indirect=True)`."""
    return BridgeSettings(**getattr(request, "param", {}))


@asynccontextmanager
async def node(folder: Path, settings: BridgeSettings, *actors: str) -> AsyncIterator[str]:
    """The address of a bridge over these actors."""
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server() as server, AsyncExitStack() as stack:
        for name in actors:
            await stack.enter_async_context(hosted(server, make_actor(name, folder / name)))
        bus = await stack.enter_async_context(await connect(server, "bridge"))
        bridge = await stack.enter_async_context(await serve(bus, "127.0.0.1", 0, settings))
        yield f"http://127.0.0.1:{bridge.port}"


@pytest.fixture
async def node_url(tmp_path: Path, settings: BridgeSettings) -> AsyncIterator[str]:
    async with node(tmp_path, settings, "ipfs") as url:
        yield url


@pytest.fixture
async def rpc(node_url: str) -> AsyncIterator[Rpc]:
    async with aiohttp.ClientSession() as session:
        yield Rpc(session, node_url)


@pytest.fixture
async def tree_rpc(tmp_path: Path, settings: BridgeSettings) -> AsyncIterator[Rpc]:
    """The RPC of a node that has a file tree."""
    async with node(tmp_path, settings, "ipfs", "journal") as url, aiohttp.ClientSession() as session:
        yield Rpc(session, url)
