"""Open files that are read: each stays at the content that it had when it was opened."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from fsspec.asyn import AbstractAsyncStreamedFile, sync
from fsspec.spec import AbstractBufferedFile

from .ahead import AheadCache
from .kinds import Info, Opened, ReadSystem

__all__ = ["ReadFile", "ReadStream"]


class ReadFile(AbstractBufferedFile):
    """A file for programs that wait; `cache_type` is any of fsspec's or ours."""

    def __init__(self, fs: ReadSystem, path: str, info: Info, file: Opened, **options: Any) -> None:
        self.cid = file.cid  # some caches fetch when they are made
        super().__init__(fs, path, "rb", size=file.size, **options)
        self.details = info
        if isinstance(self.cache, AheadCache):
            self.cache.begin = self._begin_range

    def _begin_range(self, start: int, end: int) -> Future[bytes]:
        return asyncio.run_coroutine_threadsafe(self.fs.read_range(self.cid, start, end), self.fs.loop)

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = sync(self.fs.loop, self.fs.read_range, self.cid, start, min(end, self.size))
        return found


class ReadStream(AbstractAsyncStreamedFile):
    """A file for programs that await; every read asks for what it wants, no more."""

    def __init__(self, fs: ReadSystem, path: str, info: Info, file: Opened) -> None:
        super().__init__(fs, path, "rb", size=file.size, cache_type="none")
        self.details = info
        self.cid = file.cid

    async def _fetch_range(self, start: int, end: int) -> bytes:
        return await self.fs.read_range(self.cid, start, min(end, self.size))  # type: ignore[no-any-return]
