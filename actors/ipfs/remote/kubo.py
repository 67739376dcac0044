"""Kubo's RPC (`/api/v0`), as a client: one JSON value, a stream of them, or a stream of bytes.

    async with KuboRpc("http://127.0.0.1:5001") as kubo:
        await kubo.call("pin/add", cid, recursive=True)
        async for line in kubo.lines("pin/ls", stream=True, type="recursive"): ...
        async for piece in kubo.read("cat", cid, offset=10): ...
        async for line in kubo.lines("add", upload=[FilePart("a.txt", chunks)], cid_version=1): ...

Every call is a POST; positional arguments become `arg=`, repeated, and keyword options keep their names with
`-` for `_`. What fails there is raised as our own error (`kubo_errors.py`), also when it fails in the middle
of a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from ....schemas.cid import CID
from ....schemas.errors import BusError, InvalidContent, TooLarge, Unavailable
from ....schemas.ipfs import MAX_BLOCK_BYTES
from .kubo_errors import KuboCode, http_error, kubo_error
from .lines import lines_of
from .trailers import TrailingResponse
from .upload import FilePart, FormBody, Parts
from .web import CONNECT_TIMEOUT_S, Remote, network_errors, parse_origin, read_whole

__all__ = ["KuboRpc", "KuboFetcher", "FilePart"]

CONNECTIONS = 32
IDLE_TIMEOUT_S = 60.0
MAX_REPLY_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
RETRY_PAUSES_S = (0.1, 0.4)
STREAM_ERROR = "X-Stream-Error"

# Calls that change nothing there, so that one which broke off may be sent again.
READS = frozenset({
    "bitswap/stat", "block/get", "block/stat", "bootstrap/list", "cat", "config/show", "dag/export",
    "dag/get", "dag/resolve", "dag/stat", "files/ls", "files/read", "files/stat", "get", "id", "key/list",
    "key/ls", "ls", "name/get", "name/resolve", "pin/ls", "refs", "refs/local", "repo/stat", "repo/version",
    "resolve", "routing/findpeer", "routing/findprovs", "routing/get", "stats/bw", "stats/repo",
    "swarm/addrs", "swarm/peers", "version",
})  # fmt: skip

Option = str | int | bool | None
Pause = Callable[[float], Coroutine[Any, Any, None]]


class KuboRpc(Remote):
    """One Kubo daemon. `url` is its RPC address, with or without `/api/v0`; `authorization` is the whole
    value of the Authorization header (`Bearer …`, `Basic …`).

    A call raises Unavailable, naming the URL, if the daemon cannot be reached or breaks off, and
    DeadlineExceeded if it is silent for `idle_timeout_s` (a call's `timeout_s` says otherwise). Calls that
    only read are sent again, twice, if they broke off before anything of the answer was handed on.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:5001", *, authorization: str | None = None,
        connections: int = CONNECTIONS, connect_timeout_s: float = CONNECT_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S, pause: Pause = asyncio.sleep,
    ) -> None:  # fmt: skip
        super().__init__(
            connections=connections,
            connect_timeout_s=connect_timeout_s,
            idle_timeout_s=idle_timeout_s,
            headers={"Authorization": authorization} if authorization else None,
            response_class=TrailingResponse,
        )
        base = parse_origin(url, field="kubo_url", path=True)
        self._base = base if base.path.endswith("/api/v0") else base / "api/v0"
        self._pause = pause
        self.url = str(self._base.with_path(self._base.path.removesuffix("/api/v0")))

    async def call(
        self, command: str, *args: str, upload: Parts | None = None, timeout_s: float | None = None,
        **options: Option,
    ) -> Any:  # fmt: skip
        """The one JSON value that a command answers, None for an empty answer; at most 16 MiB."""
        call = _Call(command, args, options, upload, timeout_s)

        async def once() -> bytes:
            async with self._answer(call) as response:
                return await read_whole(response, MAX_REPLY_BYTES, command)

        for pause_s in call.pauses_s:
            try:
                return _json(command, await once())
            except Unavailable as error:
                await self._before_next(pause_s, error)
        return _json(command, await once())

    async def lines(
        self, command: str, *args: str, upload: Parts | None = None, timeout_s: float | None = None,
        **options: Option,
    ) -> AsyncGenerator[Any, None]:  # fmt: skip
        """The JSON values that a command answers one by one, while `upload` may still be on its way.

        A line has at most 4 MiB. Raises what `call` raises, after the values that came before the error.
        """
        call = _Call(command, args, options, upload, timeout_s)
        pieces = self._read(call)
        async with aclosing(pieces):
            async for line in lines_of(pieces, MAX_LINE_BYTES):
                value = _json(command, line)
                if isinstance(value, dict) and value.get("Type") == "error" and "Message" in value:
                    raise _told(call, value)
                yield value

    def read(
        self, command: str, *args: str, upload: Parts | None = None, timeout_s: float | None = None,
        **options: Option,
    ) -> AsyncGenerator[bytes, None]:  # fmt: skip
        """The bytes that a command answers, as they come. Ending is success: an error in the middle of the
        stream is raised, after the bytes that came before it."""
        return self._read(_Call(command, args, options, upload, timeout_s))

    async def block(self, cid: CID, **options: Any) -> bytes:
        """A block as Kubo has it, unchecked; raises as `read` does, and TooLarge past 2 MiB."""
        block = bytearray()
        async with aclosing(self.read("block/get", str(cid), **options)) as pieces:
            async for piece in pieces:
                block += piece
                if len(block) > MAX_BLOCK_BYTES:
                    raise TooLarge("block", limit=MAX_BLOCK_BYTES)
        return bytes(block)

    async def _read(self, call: _Call) -> AsyncGenerator[bytes, None]:
        begun = False
        for pause_s in (*call.pauses_s, None):
            try:
                async with self._answer(call) as response:
                    async for piece in response.content.iter_any():
                        begun = True
                        yield piece
                return
            except Unavailable as error:
                if begun or pause_s is None:
                    raise
                await self._before_next(pause_s, error)

    @asynccontextmanager
    async def _answer(self, call: _Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to one POST, if it is none of Kubo's errors; leaving it whole checks its trailer."""
        body = None if call.upload is None else FormBody(call.upload)
        try:
            with network_errors(f"Kubo's {call.command}", self.url, self._patience_s(call)):
                async with self.session.post(
                    self._base.joinpath(call.command).with_query(call.query),
                    data=body,
                    headers={"Content-Type": body.content_type} if body else None,
                    timeout=self.timeout(self._patience_s(call)),
                    allow_redirects=False,
                ) as response:
                    if response.status != 200:
                        raise await self._refusal(call, response)
                    yield response
                    assert isinstance(response, TrailingResponse)
                    message = response.trailer(STREAM_ERROR)
                    if message:
                        raise kubo_error(call.command, message, subject=call.subject)
        except BusError as error:
            if body is not None and body.error is not None:
                raise body.error from error
            raise

    def _patience_s(self, call: _Call) -> float:
        return self.idle_timeout_s if call.timeout_s is None else call.timeout_s

    async def _refusal(self, call: _Call, response: aiohttp.ClientResponse) -> BusError:
        """What an answer that is not 200 means: Kubo's own error, or what a server before it says."""
        text = await read_whole(response, MAX_ERROR_BYTES, "error")
        if response.content_type == "application/json":
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(text)
                if isinstance(value, dict) and "Message" in value:
                    return _told(call, value)
        return http_error(call.command, response.status, text.decode("utf-8", "replace"), self.url)

    async def _before_next(self, pause_s: float, error: Unavailable) -> None:
        """Waits before a call is sent again; raises the error if nobody is there to send it to."""
        if not error.details.get("connected"):
            raise error
        await self._pause(pause_s)


@dataclass(frozen=True)
class _Call:
    """One call, as often as it is sent."""

    command: str
    args: tuple[str, ...]
    options: dict[str, Option]
    upload: Parts | None
    timeout_s: float | None

    @property
    def subject(self) -> str | None:
        """What the call is about: its first argument."""
        return self.args[0] if self.args else None

    @property
    def query(self) -> list[tuple[str, str]]:
        args = [("arg", arg) for arg in self.args]
        options = self.options.items()
        return args + [(name.replace("_", "-"), _text(value)) for name, value in options if value is not None]

    @property
    def pauses_s(self) -> tuple[float, ...]:
        """How long to wait before each time that it may be sent again."""
        return RETRY_PAUSES_S if self.command in READS and self.upload is None else ()


class KuboFetcher:
    """A BlockFetcher over a Kubo daemon, which asks its own peers for what it lacks."""

    def __init__(self, kubo: KuboRpc, *, timeout_s: float | None = None) -> None:
        self._kubo, self._timeout_s = kubo, timeout_s

    @property
    def name(self) -> str:
        return self._kubo.url

    async def fetch(self, cid: CID) -> bytes:
        """As `KuboRpc.block`; DeadlineExceeded when Kubo's peers have not sent it in time."""
        return await self._kubo.block(cid, timeout_s=self._timeout_s)

    async def close(self) -> None:
        await self._kubo.close()


def _text(value: str | int | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _told(call: _Call, error: dict[str, Any]) -> BusError:
    """Our error for Kubo's `{Message, Code}`."""
    code = error.get("Code")
    code = code if isinstance(code, int) else KuboCode.NORMAL
    return kubo_error(call.command, str(error["Message"]), code, subject=call.subject)


def _json(command: str, text: bytes) -> Any:
    """The value of a text, None for an empty one."""
    try:
        return orjson.loads(text) if text.strip() else None
    except orjson.JSONDecodeError as error:
        raise InvalidContent("reply", f"Kubo's answer to {command} is not JSON: {error}") from None
