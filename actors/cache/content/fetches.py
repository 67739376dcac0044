"""Shared fetches: however many readers want the same content at once, it is fetched once for all of them.

A reader streams what has arrived, at its own pace, and holds nobody back: content is kept whole, in memory if
it is small and in a temporary file otherwise, until the last reader has left. Both are bounded; content for
which there is no room passes through, a source for each reader.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Protocol

from ....schemas.errors import NotCached, Unavailable
from .arriving import Arrivals, Arriving
from .fetch import Fetch
from .readers import FetchReader, PassingReader, span
from .source import Chunk, OpenSource, Source

__all__ = ["Fetches"]

_log = logging.getLogger(__name__)


class Keep(Protocol):
    """Takes over content that has arrived whole; what it raises is logged."""

    async def __call__(self, key: str, arrived: Arriving) -> None: ...


class Fetches:
    """The fetches that are running, by key."""

    def __init__(self, arrivals: Arrivals, keep: Keep) -> None:
        self.started = self.coalesced_readers = self.passed_through = self.failed = 0
        self._arrivals = arrivals
        self._keep = keep
        self._running: dict[str, Fetch] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, key: object) -> bool:
        return key in self._running

    def keys(self) -> list[str]:
        return list(self._running)

    async def join(
        self, key: str, open_source: OpenSource, offset: int = 0, length: int | None = None
    ) -> FetchReader | PassingReader:
        """A reader of a range of this content, of a fetch that runs already or of a new one.

        Raises what `open_source` raises, and UnsatisfiableRange for an offset past the end.
        """
        fetch = self._running.get(key)
        if fetch is None:
            fetch = self._start(key, open_source)
        else:
            self.coalesced_readers += 1
        fetch.readers += 1
        try:
            source = await fetch.opened()
            if fetch.arriving is not None:
                leave = functools.partial(self._leave, fetch)
                return FetchReader(fetch, span(offset, length, source.size_bytes), leave)
            if not fetch.claim():
                source = await open_source()
            return await PassingReader.of(source, offset, length)
        except BaseException:
            self._leave(fetch)
            if not fetch.readers and fetch.passes and fetch.claim():
                await (await fetch.opened()).aclose()
            raise

    async def store(self, key: str, source: Source) -> bool:
        """Let content arrive that nobody reads; False if there is no room for it while it does.

        Raises what the source raises.
        """

        async def open_source() -> Source:
            return source

        fetch = self._running.get(key) or self._start(key, open_source)
        fetch.readers += 1
        try:
            await fetch.opened()
            while not fetch.is_over:
                await fetch.more()
            fetch.check()
            return not fetch.passes
        finally:
            self._leave(fetch)

    def forget(self, key: str) -> None:
        """Let readers finish, but do not keep what arrives, and let nobody else join."""
        fetch = self._running.pop(key, None)
        if fetch is not None:
            fetch.is_wanted = False

    async def kept(self) -> None:
        """Wait until everything that has arrived whole is kept."""
        tasks = [fetch.task for fetch in self._running.values() if fetch.is_whole]
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """End all fetches; their readers get Unavailable."""
        tasks = [fetch.task for fetch in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, key: str, open_source: OpenSource) -> Fetch:
        self.started += 1
        fetch = self._running[key] = Fetch(key)
        fetch.task = asyncio.create_task(self._run(fetch, open_source), name=f"fetch {key[:64]}")
        return fetch

    def _leave(self, fetch: Fetch) -> None:
        """A reader leaves; without readers there is no reason to go on, unless everything is here."""
        fetch.readers -= 1
        if not fetch.readers and not fetch.is_whole and not fetch.is_over:
            self._end(fetch)  # Who asks now must not join a fetch that is being cancelled.
            fetch.task.cancel()
        fetch.let_go()

    def _end(self, fetch: Fetch) -> None:
        if self._running.get(fetch.key) is fetch:
            del self._running[fetch.key]

    async def _run(self, fetch: Fetch, open_source: OpenSource) -> None:
        try:
            source = await open_source()
            await self._place(fetch, source)
            if fetch.arriving is None:
                self.passed_through += 1
            else:
                await self._receive(fetch, source, fetch.arriving)
                if fetch.is_wanted:
                    await self._kept(fetch.key, fetch.arriving)
            fetch.end(None)
        except asyncio.CancelledError:
            fetch.end(Unavailable(f"the fetch of {fetch.key} was given up"))
        except NotCached as error:
            self.passed_through += 1
            fetch.end(error)
        except Exception as error:
            self.failed += 1
            fetch.end(error)
        finally:
            self._end(fetch)
            fetch.has_writer = False
            fetch.let_go()

    async def _place(self, fetch: Fetch, source: Source) -> None:
        try:
            fetch.arriving = await self._arrivals.make(source.size_bytes)
        except BaseException:
            await source.aclose()
            raise
        fetch.open(source)

    async def _receive(self, fetch: Fetch, source: Source, arriving: Arriving) -> None:
        try:
            async for chunk in source.chunks:
                if arriving.written + len(chunk) > source.size_bytes:
                    raise Unavailable(f"{fetch.key}: more than the announced {source.size_bytes} bytes came")
                await self._write(fetch.key, arriving, chunk)
                fetch.tell()
        finally:
            await source.aclose()
        if arriving.written != source.size_bytes:
            raise Unavailable(f"{fetch.key}: {arriving.written} of {source.size_bytes} bytes came")
        fetch.is_whole = True
        fetch.tell()

    async def _write(self, key: str, arriving: Arriving, chunk: Chunk) -> None:
        try:
            await arriving.write(chunk)
        except OSError as error:
            self._arrivals.cannot_write(error)
            raise Unavailable(f"{key}: the cache could not write what came") from error

    async def _kept(self, key: str, arriving: Arriving) -> None:
        try:
            await self._keep(key, arriving)
        except Exception:
            _log.exception("%s arrived and could not be kept", key)
