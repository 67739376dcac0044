"""The bytes of an answer, opened when they are first used.

async with client.ipfs.cat(cid) as content:      # leaving early stops the stream
    async for chunk in content: ...
data = await client.ipfs.cat(cid).read()         # all of it, up to a limit
node = await client.ipfs.dag_get(cid).json()     # the same, read as JSON
content = await client.ipfs.cat(cid)             # opened, so that `content.head` is there
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from cidbus.schemas.errors import InvalidContent, TooLarge
from cidbus.schemas.wire import Wire

from .transport import RawStream

__all__ = ["Content"]

READ_LIMIT_BYTES = 64 * 1024 * 1024

H = TypeVar("H", bound=Wire)


class Content(Generic[H]):
    """An async iterator of bytes; await it or enter it to open it, `aclose()` or leave it to stop it."""

    def __init__(self, opening: Callable[[], Awaitable[RawStream[H]]]) -> None:
        self._opening = opening
        self._stream: RawStream[H] | None = None
        self._closed = False

    @property
    def head(self) -> H | None:
        """What comes before the bytes; None until opened, and where the transport does not carry it."""
        return None if self._stream is None else self._stream.head

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def _open(self) -> Self:
        if self._stream is None and not self._closed:
            self._stream = await self._opening()
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self._open()
        if self._stream is None:
            raise StopAsyncIteration
        return await self._stream.__anext__()

    async def read(self, limit_bytes: int = READ_LIMIT_BYTES) -> bytes:
        """All the bytes that are left, and the end of the stream.

        Raises TooLarge, and stops the stream, if there are more than `limit_bytes`.
        """
        chunks: list[bytes] = []
        size = 0
        async with self:
            async for chunk in self:
                size += len(chunk)
                if size > limit_bytes:
                    raise TooLarge("content", limit=limit_bytes)
                chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def json(self, limit_bytes: int = READ_LIMIT_BYTES) -> Any:
        """All that is left, read as JSON (dag-json included: links stay `{"/": cid}`).

        Raises TooLarge as `read` does, and InvalidContent for what is not JSON.
        """
        content = await self.read(limit_bytes)
        try:
            return json.loads(content)  # orjson would make floats of the largest integers
        except (ValueError, RecursionError) as error:
            raise InvalidContent("content", f"not JSON: {error}") from None

    async def aclose(self) -> None:
        """Stop the stream if it still runs; both sides then forget it."""
        stream, self._stream, self._closed = self._stream, None, True
        if stream is not None:
            await stream.aclose()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
