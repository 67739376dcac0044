"""One fetch, as those see it who share it: whether it is open, what has arrived, and how it ended."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from ....schemas.errors import BusError
from .arriving import Arriving
from .source import Source

__all__ = ["Fetch"]


class Fetch:
    """One running fetch. The writer and each reader hold what arrives; the last to leave lets go of it."""

    task: asyncio.Task[None]

    def __init__(self, key: str) -> None:
        self.key = key
        self.readers = 0
        self.arriving: Arriving | None = None
        self.is_wanted = True
        self.is_whole = False  # All bytes are here, and the source has ended well.
        self.is_over = False  # And they are kept; or it failed.
        self.has_writer = True
        self._is_claimed = False
        self._error: Exception | None = None
        loop = asyncio.get_running_loop()
        self._source: asyncio.Future[Source] = loop.create_future()
        self._news: asyncio.Future[None] = loop.create_future()

    @property
    def passes(self) -> bool:
        """Whether the source is for one reader alone, as there is no room for what comes."""
        return self.arriving is None and self._source.done() and not self._source.cancelled()

    def claim(self) -> bool:
        """Take the source that is for one reader; False if somebody has."""
        is_first, self._is_claimed = not self._is_claimed, True
        return is_first

    async def opened(self) -> Source:
        """The source, once it is open; raises what opening it raised."""
        if not self._source.done():
            await asyncio.wait([self._source])
        if self._error is not None:
            self.check()
        return self._source.result()

    def open(self, source: Source) -> None:
        self._source.set_result(source)

    def tell(self) -> None:
        """Something is new: wake whoever waits."""
        news, self._news = self._news, self._news.get_loop().create_future()
        news.set_result(None)

    def end(self, error: Exception | None) -> None:
        """Nothing more will arrive."""
        self.is_over, self._error = True, error
        if not self._source.done():
            self._source.cancel()
        self.tell()

    async def more(self) -> None:
        """Wait for news; raises the error that ended the fetch."""
        self.check()
        if not self.is_over:
            await asyncio.shield(self._news)

    def check(self) -> None:
        if self._error is not None:
            _raise(self._error)

    def let_go(self) -> None:
        if not self.readers and not self.has_writer and self.arriving is not None:
            self.arriving.close()


def _raise(error: Exception) -> NoReturn:
    """An error that many readers get: each needs an exception of its own, for its own traceback."""
    if isinstance(error, BusError):
        raise type(error).rebuild(error.message, error.details) from error
    raise error.with_traceback(None)
