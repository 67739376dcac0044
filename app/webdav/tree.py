"""The file tree for threads: each call waits for its answer, and content is bounded in memory both ways."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from cidbus.client import Client, Content
from cidbus.client.files import gathered
from cidbus.client.home import Home
from cidbus.client.placing import place
from cidbus.client.upload import INLINE_BYTES
from cidbus.schemas.errors import BadRequest, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from cidbus.schemas.ipfs import FileHead
    from cidbus.schemas.journal import Changed, PathStat
    from cidbus.schemas.tree import AnyOperation, TreeEntry

__all__ = ["BlockingTree", "Reader"]

T = TypeVar("T")

# What is still listed: an answer of WebDAV is made in memory.
MAX_ENTRIES = 100_000
# Pieces of a mebibyte or two that wait for the system to take them.
PIECES_WAITING = 2


class BlockingTree:
    """The tree through one client, on an event loop in a thread of its own; any thread may call.

    `at` shows it as it was at a moment, which nobody can change.
    """

    def __init__(self, connect: Callable[[], Awaitable[Client]], at: str | None = None) -> None:
        """Connects; raises what `connect` raises, and NotFound or BadRequest if there is no such state."""
        self.at = at
        self._home = Home()
        try:
            self._client = self._home.run(lambda: _connected(connect, at))
        except BaseException:
            self._home.close()
            raise

    def close(self) -> None:
        """End what still runs, and the connection."""
        with suppress(Unavailable):
            self._home.run(self._client.aclose)
        self._home.close()

    # ---- reading ----------------------------------------------------------------------------------------

    def stat(self, path: str) -> PathStat | None:
        """What stands at a path, at the end of links; None if nothing does, or no such path can be.

        Raises NotFound if the state of the tree is what is gone.
        """
        try:
            return self._home.run(lambda: self._client.journal.stat(path=path, follow=True, at=self.at))
        except NotFound as error:
            if error.what != "path":
                raise
            return None
        except BadRequest:
            return None

    def entries(self, path: str) -> list[TreeEntry]:
        """What is in a directory; raises NotFound, and TooLarge past `MAX_ENTRIES`."""
        return self._home.run(lambda: self._listed(path))

    async def _listed(self, path: str) -> list[TreeEntry]:
        entries: list[TreeEntry] = []
        async with self._client.journal.ls(path=path, at=self.at) as listing:
            async for entry in listing:
                if len(entries) == MAX_ENTRIES:
                    raise TooLarge("directory", limit=MAX_ENTRIES, unit="entries")
                entries.append(entry)
        return entries

    def read(self, cid: str) -> Reader:
        """A file to read, which begins to be fetched with the first read."""
        return Reader(self._home, self._client, cid)

    # ---- changing ---------------------------------------------------------------------------------------

    def apply(self, *operations: AnyOperation) -> Changed:
        """All operations or none; raises what `journal.apply` raises."""
        return self._home.run(lambda: self._client.journal.apply(list(operations)))

    def touch(self, path: str, mtime: float) -> None:
        self._home.run(lambda: self._client.journal.metadata(path, mtime=mtime))

    def write(self, path: str, pieces: Iterator[bytes], if_cid: str | None = None) -> Changed:
        """Make a file of these bytes, which are pulled in this thread; nothing is seen of it before the end.

        `if_cid` is what has to stand there now. Raises what `pieces` raises, and then nothing has changed,
        and what `journal.write`, `ipfs.add` and `journal.put` raise.
        """
        source = gathered(pieces)
        first = next(source, b"")
        if len(first) <= INLINE_BYTES and (second := next(source, b"")) == b"":
            return self._write_small(path, first, if_cid)
        feed = _Feed([first] if len(first) > INLINE_BYTES else [first, second])
        upload = self._home.start(lambda: place(self._client, feed, path, if_cid=if_cid))
        try:
            for piece in source:
                self._hand_over(feed, piece, upload)
            self._hand_over(feed, b"", upload)
        except BaseException:
            upload.cancel()
            raise
        return upload.result()

    def _write_small(self, path: str, data: bytes, if_cid: str | None) -> Changed:
        return self._home.run(
            lambda: self._client.journal.write(data, path, truncate=True, if_cid=if_cid),
        )

    def _hand_over(self, feed: _Feed, piece: bytes, upload: concurrent.futures.Future[Any]) -> None:
        """Wait until the piece is taken in, or the upload has ended before."""
        step = self._home.start(lambda: feed.put(piece))
        concurrent.futures.wait((step, upload), return_when=concurrent.futures.FIRST_COMPLETED)
        if not step.done():
            step.cancel()
            upload.result()


async def _connected(connect: Callable[[], Awaitable[Client]], at: str | None) -> Client:
    """A client, once it has found the tree of that moment."""
    client = await connect()
    if at is not None:
        try:
            await client.journal.stat(path="/", at=at)
        except BaseException:
            await client.aclose()
            raise
    return client


class _Feed(AsyncIterator[bytes]):
    """Pieces that one thread hands to the event loop's; an empty one is the end."""

    def __init__(self, first: list[bytes]) -> None:
        self._first = first
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(PIECES_WAITING)

    async def put(self, piece: bytes) -> None:
        await self._waiting.put(piece)

    async def __anext__(self) -> bytes:
        if self._first:
            return self._first.pop(0)
        piece = await self._waiting.get()
        if not piece:
            raise StopAsyncIteration
        return piece


class Reader(io.RawIOBase):
    """The bytes of one CID as a file that may be sought in; what follows is fetched as it is read."""

    def __init__(self, home: Home, client: Client, cid: str) -> None:
        super().__init__()
        self._home = home
        self._client = client
        self._cid = cid
        self._position = 0
        self._content: Content[FileHead] | None = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To an offset from the start or from here; raises OSError for one from the end."""
        if whence not in (io.SEEK_SET, io.SEEK_CUR):
            raise io.UnsupportedOperation("from the end")
        position = offset + (self._position if whence == io.SEEK_CUR else 0)
        if position != self._position:
            self._stop()
            self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, b"" at the end; raises what `ipfs.cat` raises."""
        if size < 0:
            return self.readall()
        if not self._left:
            self._left = memoryview(self._home.run(self._next))
        piece, self._left = bytes(self._left[:size]), self._left[size:]
        self._position += len(piece)
        return piece

    async def _next(self) -> bytes:
        if self._content is None:
            self._content = await self._client.ipfs.cat(self._cid, offset=self._position)
        return await anext(self._content, b"")

    def close(self) -> None:
        if not self.closed:
            self._stop()
        super().close()

    def _stop(self) -> None:
        content, self._content, self._left = self._content, None, memoryview(b"")
        if content is not None:
            with suppress(Unavailable):
                self._home.run(content.aclose)
