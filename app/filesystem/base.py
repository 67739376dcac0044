"""What both file systems share: the connection, and everything that reads.

A path is looked up once and gives a CID; bytes are then read by that CID, which cannot change any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO, Any

from fsspec.asyn import AsyncFileSystem, get_loop, sync, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.registry import available_protocols
from fsspec.utils import isfilelike

from cidbus.client import Client

from .ahead import AHEAD
from .connection import Connection
from .contents import Contents, Told, Verified
from .errors import as_os_errors
from .kinds import Info, Opened
from .options import Options
from .ranges import MAX_GAP_BYTES, Span, clamped, spans_of
from .reading import ReadFile, ReadStream

__all__ = ["ContentFileSystem", "opened"]

BLOCK_BYTES = 4 << 20
# How many ranges are fetched at a time.
FETCHES = 16

# What fsspec takes for every file system; of those the last says what is always so.
GENERIC_OPTIONS = frozenset((
    "asynchronous", "loop", "batch_size", "use_listings_cache", "listings_expiry_time", "max_paths",
    "skip_instance_cache", "add_docs", "add_aliases", "auto_mkdir",
))  # fmt: skip

# Of each path its own, or of all the same one.
Bounds = Sequence[int | None] | int | None
Slice = tuple[int | None, int | None]


class ContentFileSystem(AsyncFileSystem):
    """A file system of one running system.

    `url` is that of a bridge (or nats://…), `nats` that of the bus; without either it is the system that runs
    in `data_dir`, by default `~/.cidbus`. The variables CIDBUS_URL, CIDBUS_SEED and CIDBUS_DATA_DIR say what
    is left out, as they do for the command line. `endpoint` is another name for `url`, for libraries (pandas)
    in whose own call `url` is something else.

    `seed`: file of the nkey seed for the bus. `headers`, `token`: sent with each HTTP request.
    `verify`: hash what is read against its CID, here. `timeout_s`: how long to wait for an answer or its next
    part, by default what each operation allows. `block_size`, `cache_type`: how files are read that are open.
    Raises TypeError for an option that neither this nor fsspec has.
    """

    _contents: tuple[Client, Contents] | None = None
    _pid: int
    _loop: asyncio.AbstractEventLoop | None

    def __init__(
        self,
        url: str | None = None,
        *,
        nats: str | None = None,
        endpoint: str | None = None,
        seed: str | Path | None = None,
        data_dir: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        verify: bool = False,
        timeout_s: float | None = None,
        block_size: int = BLOCK_BYTES,
        cache_type: str = AHEAD,
        **storage_options: Any,
    ) -> None:
        _refuse_unknown(storage_options)
        super().__init__(**storage_options)
        self._options = Options.of(
            endpoint=endpoint or url, nats=nats, seed=seed, data_dir=data_dir, headers=headers, token=token
        )
        self._connection: Connection | None = None
        self.verify = verify
        self.timeout_s = timeout_s
        self.blocksize = block_size
        self.cache_type = cache_type

    # ---- the connection ---------------------------------------------------------------------------------

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that works for callers who have none; a forked child gets one of its own."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._connection = self._contents = None
            self._loop = None if self.asynchronous else get_loop()
        return self._loop

    async def client(self) -> Client:
        """The client on the running event loop; raises OSError if there is no system to be reached."""
        if self._connection is None or not self._connection.is_here:
            self._connection = Connection.here(self._options)
        with as_os_errors():
            return await self._connection.client()

    async def contents(self) -> Contents:
        """How content is read: as the system tells it, or checked."""
        client = await self.client()
        if self._contents is None or self._contents[0] is not client:
            self._contents = client, (Verified if self.verify else Told)(client, self.timeout_s)
        return self._contents[1]

    async def aclose(self) -> None:
        """Close the connection, which is shared with the same options; the next use opens it again."""
        if self._connection is not None:
            await self._connection.aclose()

    close = sync_wrapper(aclose)

    # ---- what a file system has to know -----------------------------------------------------------------

    @abstractmethod
    async def _info(self, path: str, **kwargs: Any) -> Info:
        """What stands at a path; symbolic links are followed where they lead somewhere."""

    async def _exists(self, path: str, **kwargs: Any) -> bool:
        """Whether a path leads to anything; raises OSError only if there is no answer."""
        try:
            await self._info(path, **kwargs)
        except (ConnectionError, TimeoutError):
            raise
        except OSError:
            return False
        return True

    async def _opened(self, path: str) -> Opened:
        """The file at a path; raises IsADirectoryError and FileNotFoundError."""
        return opened(await self._info(path))

    # ---- reading ----------------------------------------------------------------------------------------

    async def pieces(self, cid: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a file from `start` up to `end`, in pieces of any size."""
        if end <= start:
            return
        contents = await self.contents()
        with as_os_errors(cid):
            async with aclosing(contents.read(cid, start, end - start)) as pieces:
                async for piece in pieces:
                    yield piece

    async def read_range(self, cid: str, start: int, end: int) -> bytes:
        """The same as one."""
        pieces = [piece async for piece in self.pieces(cid, start, end)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        file = await self._opened(path)
        return await self.read_range(file.cid, *clamped(start, end, file.size))

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: Bounds,
        ends: Bounds,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[bytes | OSError]:
        """Each range, or with `on_error="return"` the error in its place. A path is looked up once, ranges at
        most `max_gap` bytes apart are fetched as one, and `batch_size` of them at a time."""
        slices = list(zip(_per_path(starts, paths), _per_path(ends, paths), strict=True))
        places: dict[str, list[int]] = {}
        for place, path in enumerate(paths):
            places.setdefault(path, []).append(place)
        turns = asyncio.Semaphore(batch_size or self.batch_size or FETCHES)
        gap = MAX_GAP_BYTES if max_gap is None else max_gap
        answers = await asyncio.gather(
            *(self._parts(path, [slices[place] for place in of], gap, turns) for path, of in places.items())
        )
        found = dict(zip(itertools.chain(*places.values()), itertools.chain(*answers), strict=True))
        if on_error != "return":
            for part in found.values():
                if isinstance(part, OSError):
                    raise part
        return [found[place] for place in range(len(paths))]

    async def _parts(
        self, path: str, slices: list[Slice], max_gap: int, turns: asyncio.Semaphore
    ) -> list[bytes | OSError]:
        """These parts of one file, or the errors in their places."""
        try:
            async with turns:
                file = await self._opened(path)
        except OSError as error:
            return [error] * len(slices)
        ranges = [clamped(start, end, file.size) for start, end in slices]
        parts: list[bytes | OSError] = [b""] * len(slices)

        async def fetch(span: Span) -> None:
            try:
                async with turns:
                    fetched = await self.read_range(file.cid, span.start, span.end)
            except OSError as error:
                parts[:] = [error if index in span.wanted else part for index, part in enumerate(parts)]
                return
            for index in span.wanted:
                start, end = ranges[index]
                parts[index] = fetched[start - span.start : end - span.start]

        await asyncio.gather(*map(fetch, spans_of(ranges, max_gap)))
        return parts

    async def _get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, **kwargs: Any
    ) -> None:
        """One file onto the local disk, or into an open file, piece by piece."""
        info = await self._info(rpath)
        if info["type"] == "directory" and not isfilelike(lpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        file = opened(info)
        callback.set_size(file.size)
        with contextlib.ExitStack() as stack:
            out = lpath if isfilelike(lpath) else stack.enter_context(_made(Path(lpath)))
            async for piece in self.pieces(file.cid, 0, file.size):
                await asyncio.to_thread(out.write, piece)
                callback.relative_update(len(piece))

    # ---- open files -------------------------------------------------------------------------------------

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        cache_type: str | None = None,
        **kwargs: Any,
    ) -> Any:
        if mode != "rb":
            return self._open_to_write(path, mode, block_size, autocommit, **kwargs)
        info = sync(self.loop, self._info, path)
        return ReadFile(
            self, path, info, opened(info),
            block_size=block_size or self.blocksize,
            cache_type=cache_type or self.cache_type,
            cache_options=cache_options,
        )  # fmt: skip

    async def open_async(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """An open file whose `read`, `write` and `close` are awaited."""
        path = self._strip_protocol(path)
        if mode != "rb":
            return await self._stream_to_write(path, mode, **kwargs)
        info = await self._info(path)
        return ReadStream(self, path, info, opened(info))

    @abstractmethod
    def _open_to_write(
        self, path: str, mode: str, block_size: int | None, autocommit: bool, **kwargs: Any
    ) -> Any:
        """An open file to write into; raises OSError where that is not possible."""

    @abstractmethod
    async def _stream_to_write(self, path: str, mode: str, **kwargs: Any) -> Any:
        """The same, for `open_async`."""

    # ---- what never changes -----------------------------------------------------------------------------

    async def _cid(self, path: str) -> str:
        """The CID of what stands at a path."""
        return str((await self._info(path))["cid"])

    cid = sync_wrapper(_cid)
    # What tells whether a file has changed is what names its bytes.
    _ukey = _checksum = _cid
    ukey = sync_wrapper(_ukey)
    checksum = sync_wrapper(_checksum)

    def sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        """Raises NotImplementedError: there are no signed URLs."""
        raise NotImplementedError(
            "there are no signed URLs: a bridge serves every CID, or asks for credentials of its own"
        )

    def created(self, path: str) -> Any:
        """Raises NotImplementedError: nobody writes down when content was made."""
        raise NotImplementedError("content has no time at which it was made; `modified` may have one")


def opened(info: Info) -> Opened:
    """The file that an info is of; raises IsADirectoryError, or OSError for what is no file either."""
    if info["type"] == "directory":
        raise IsADirectoryError(errno.EISDIR, "is a directory", info["name"])
    if info["type"] != "file":
        raise OSError(errno.EINVAL, f"is no file but a {info['type']}", info["name"])
    return Opened(info["cid"], info["size"])


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    """Raises TypeError for options that nobody knows; those of other protocols, which fsspec hands on for the
    parts of a chained URL, are under the names of these."""
    unknown = options.keys() - GENERIC_OPTIONS - set(available_protocols())
    if unknown:
        raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")


def _per_path(bounds: Bounds, paths: list[str]) -> Sequence[int | None]:
    """One bound for each path; raises ValueError if there are more or fewer."""
    each = [bounds] * len(paths) if bounds is None or isinstance(bounds, int) else bounds
    if len(each) != len(paths):
        raise ValueError(f"{len(each)} bounds for {len(paths)} paths")
    return each


@contextlib.contextmanager
def _made(path: Path) -> Iterator[IO[bytes]]:
    """A new file on the local disk, which is removed again if it does not become complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        try:
            yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise
