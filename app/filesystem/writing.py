"""Open files that are written: nothing is seen of them before they are closed, and then all of it at once."""

from __future__ import annotations

import asyncio
import errno
import io
import warnings
from collections.abc import Iterator
from types import TracebackType

from fsspec.asyn import AbstractAsyncStreamedFile, sync
from fsspec.spec import AbstractBufferedFile

from cidbus.client.upload import INLINE_BYTES

from .drafts import Draft
from .encoding import WholeOrNothing
from .kinds import Opened, WriteSystem

__all__ = ["Output", "Parts", "WriteFile", "WriteStream"]

# How much is sent at a time: held twice, once on its way and once being filled.
PART_BYTES = 8 << 20

Data = bytes | bytearray | memoryview


class Parts:
    """Bytes of any sizes, cut into parts of one size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = bytearray()

    def add(self, data: Data) -> Iterator[bytes]:
        """The parts that have become full; to be gone through to its end."""
        view = memoryview(data).cast("B")
        while len(self._held) + len(view) >= self._size:
            room = self._size - len(self._held)
            part = b"".join((self._held, view[:room]))
            self._held.clear()
            view = view[room:]
            yield part
        self._held += view

    def rest(self) -> bytes:
        """What has not filled a part."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


class Output:
    """What is written to one path. `mode` is that of `open`; `before` is the file that is appended to."""

    def __init__(self, fs: WriteSystem, path: str, mode: str, before: Opened | None = None) -> None:
        self._fs = fs
        self._path = path
        self._mode = mode
        self._before = before
        self._draft = Draft(fs.client, fs.timeout_s, None if before is None else before.cid)
        self._sent = False
        self._whole: bytes | None = None

    async def append(self, part: bytes) -> None:
        self._sent = True
        await self._draft.append(part)

    async def finish(self, rest: bytes) -> None:
        """The last bytes; when this returns all of them are safe, but not yet at their place."""
        if not self._sent and len(rest) <= INLINE_BYTES and self._mode != "xb":
            self._whole = rest
            return
        if rest:
            await self._draft.append(rest)
        await self._draft.cid()

    async def place(self) -> None:
        """Put the file at its path; raises FileExistsError for `xb` if there is one now, OSError(EBUSY) for
        `ab` if the file is no longer the one that was appended to."""
        if self._whole is not None:
            await self._fs.write_inline(self._path, self._whole, append=self._mode == "ab")
            return
        cid = await self._draft.cid()
        is_new = self._mode == "xb" or (self._mode == "ab" and self._before is None)
        await self._fs.place(
            self._path, cid, release=self._draft.name, overwrite=not is_new,
            if_cid=None if self._before is None else self._before.cid,
        )  # fmt: skip

    async def discard(self) -> None:
        await self._draft.discard()


class WriteFile(WholeOrNothing, AbstractBufferedFile):
    """A file for programs that wait. Leaving it by an exception discards it, as `discard` does; one that is
    never closed is discarded too."""

    closed: bool

    def __init__(
        self, fs: WriteSystem, path: str, mode: str, output: Output, size: int,
        *, part_bytes: int, autocommit: bool,
    ) -> None:  # fmt: skip
        super().__init__(fs, path, mode, block_size=part_bytes, autocommit=autocommit)
        self.loc = size
        self._output = output
        self._parts = Parts(part_bytes)
        self._is_begun = False
        self._is_placed = False

    def write(self, data: Data) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        self._is_begun = True
        try:
            for part in self._parts.add(data):
                sync(self.fs.loop, self._output.append, part)
        except BaseException:
            self.discard()  # closing it after that would place a file without this part
            raise
        size = memoryview(data).nbytes
        self.loc += size
        return size

    def writable(self) -> bool:
        return not self.closed

    def flush(self, force: bool = False) -> None:
        """Nothing: parts go out when they are full, and the file is seen when it is closed."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    def close(self) -> None:
        """Complete the file. It is then at its path, unless `commit` or the end of a transaction is to put
        it there."""
        if self.closed:
            return
        self.closed = True
        try:
            sync(self.fs.loop, self._output.finish, self._parts.rest())
            if self.autocommit or self.fs._intrans:
                self._place()
        except BaseException:
            sync(self.fs.loop, self._output.discard)
            raise

    def commit(self) -> None:
        """Put a closed file at its path, if it is not there."""
        self.close()
        if not self._is_placed:
            self._place()

    def discard(self) -> None:
        """Forget the file, if it is not at its path yet."""
        self.closed = True
        if not self._is_placed:
            sync(self.fs.loop, self._output.discard)

    def _place(self) -> None:
        sync(self.fs.loop, self._output.place)
        self._is_placed = True

    def seek(self, loc: int, whence: int = 0) -> int:
        raise OSError(errno.ESPIPE, "a file that is written has no other place than its end", self.path)

    def seekable(self) -> bool:
        """Whether nothing was written yet: io.TextIOWrapper asks before it writes, and only of a file that is
        seekable it finds out whether a byte order mark belongs here."""
        return not self.closed and not self._is_begun

    def __del__(self) -> None:
        if not self.closed:
            self.closed = True
            warnings.warn(f"{self.path} was not closed: nothing was written", ResourceWarning, stacklevel=2)
            asyncio.run_coroutine_threadsafe(self._output.discard(), self.fs.loop)


class WriteStream(AbstractAsyncStreamedFile):
    """A file for programs that await; `async with` discards it when it is left by an exception."""

    closed: bool

    def __init__(
        self, fs: WriteSystem, path: str, mode: str, output: Output, size: int, *, part_bytes: int
    ) -> None:
        super().__init__(fs, path, mode, block_size=part_bytes)
        self.loc = size
        self._output = output
        self._parts = Parts(part_bytes)

    async def write(self, data: Data) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        for part in self._parts.add(data):
            await self._output.append(part)
        size = memoryview(data).nbytes
        self.loc += size
        return size

    async def read(self, length: int = -1) -> bytes:
        raise io.UnsupportedOperation("the file was opened to be written")

    async def flush(self, force: bool = False) -> None:
        """Nothing: parts go out when they are full, and the file is seen when it is closed."""

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            await self._output.finish(self._parts.rest())
            await self._output.place()
        except BaseException:
            await self._output.discard()
            raise

    async def discard(self) -> None:
        """Forget the file."""
        self.closed = True
        await self._output.discard()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self.discard()

    def __del__(self) -> None:
        self.closed = True  # what was not closed was not written
