"""What arrives, put on disk: whole or not at all, and nothing outside of where it belongs."""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, cast

from cidbus.schemas.errors import Conflict, InvalidContent, NotSupported

__all__ = ["save_file", "save_tree", "target_of"]

READ_BYTES = 512 * 1024


async def save_file(content: AsyncIterator[bytes], output: Path | None, name: str) -> Path:
    """Keep the bytes as `output`, or as `name` inside of it where that is a directory; returns where that is.

    A file that is there is replaced once all has arrived; a pipe or a device is written to.
    """
    target = target_of(output, name)
    if _is_special(target):
        await _write(content, target)
        return target
    draft = _draft_folder(target)
    try:
        await _write(content, draft / "file")
        return _place(draft / "file", target)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


async def _write(content: AsyncIterator[bytes], path: Path) -> None:
    with path.open("wb") as file:
        async for chunk in content:
            await asyncio.to_thread(file.write, chunk)


async def save_tree(content: AsyncIterator[bytes], output: Path | None, name: str) -> Path:
    """Unpack the archive's one top entry as `output`, or as `name` inside of it where that is a directory;
    returns where it is.

    Raises Conflict if a directory or a device is in the way, and InvalidContent, with nothing left behind,
    for an archive that would write outside or that breaks off.
    """
    target = target_of(output, name)
    if target.is_dir() and not target.is_symlink():
        raise Conflict(f"{target} exists; give another place with -o", field="output")
    if _is_special(target):
        raise Conflict(f"{target} is a pipe or a device; give another place with -o", field="output")
    draft = _draft_folder(target)
    try:
        return _place(await _unpacked(content, draft), target)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


def target_of(output: Path | None, name: str) -> Path:
    """Where something of this name goes, if the user gave `output`."""
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file() and not target.is_dir()


def _draft_folder(target: Path) -> Path:
    """A new private folder beside the target, so that moving from it is one step."""
    return Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))


def _place(found: Path, target: Path) -> Path:
    if found.is_dir() and not found.is_symlink() and os.path.lexists(target):
        raise Conflict(f"{target} exists; give another place with -o", field="output")
    found.replace(target)
    return target


async def _unpacked(content: AsyncIterator[bytes], folder: Path) -> Path:
    reader = _Reader(content, asyncio.get_running_loop())
    unpacking = asyncio.ensure_future(asyncio.to_thread(_unpack, reader, folder))
    try:
        return await asyncio.shield(unpacking)
    except asyncio.CancelledError:
        # The thread has to be done with the folder before that is removed.
        reader.stop()
        await asyncio.wait({unpacking})
        raise


def _unpack(reader: _Reader, folder: Path) -> Path:
    """Extract into an empty folder; returns the one entry at the top."""
    if not hasattr(tarfile, "data_filter"):
        raise NotSupported("this Python cannot extract safely; use --archive, or Python 3.11.4 or newer")
    try:
        with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|", bufsize=READ_BYTES) as tar:
            for member in tar:
                _refuse_hostile(member, folder)
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise InvalidContent(
            _shown(error.tarinfo.name), f"{error}; --archive keeps the tar as it is"
        ) from None
    except tarfile.TarError as error:
        raise InvalidContent("archive", str(error)) from None
    tops = list(folder.iterdir())
    if len(tops) != 1:
        raise InvalidContent("archive", f"{len(tops)} entries at its top where one is due")
    return tops[0]


def _refuse_hostile(member: tarfile.TarInfo, folder: Path) -> None:
    """Raise InvalidContent for a name that is no plain path or that leads through a symbolic link.

    tarfile's own filter resolves links before it writes and has been outwitted that way; here no link of the
    archive is ever followed.
    """
    parts = member.name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InvalidContent(_shown(member.name), "not a path below the archive's top")
    if not (member.isreg() or member.isdir() or member.issym()):
        raise InvalidContent(_shown(member.name), "neither a file, a directory nor a symbolic link")
    at = folder
    for part in parts[:-1]:
        at /= part
        if at.is_symlink() or not at.is_dir():
            raise InvalidContent(_shown(member.name), "its parent is not a directory of the archive")
    if os.path.lexists(at / parts[-1]):
        raise InvalidContent(_shown(member.name), "stands twice in the archive")


def _shown(name: str) -> str:
    return repr(name[:200])


class _Reader:
    """A stream as the blocking file that tarfile reads, for a thread beside the event loop."""

    def __init__(self, content: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._content = content
        self._loop = loop
        self._left = memoryview(b"")
        self._waiting: asyncio.Task[bytes] | None = None
        self._stopped = False

    def read(self, size_bytes: int = -1) -> bytes:
        """The next bytes, fewer than asked for only at the end."""
        found: list[memoryview] = []
        while size_bytes > 0:
            if not self._left:
                step = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
                self._left = memoryview(step.result())
                if not self._left:
                    break
            piece, self._left = self._left[:size_bytes], self._left[size_bytes:]
            found.append(piece)
            size_bytes -= len(piece)
        return b"".join(found)

    async def _next(self) -> bytes:
        if self._stopped:
            raise InterruptedError("stopped")
        self._waiting = asyncio.ensure_future(anext(self._content, b""))
        return await self._waiting

    def stop(self) -> None:
        """Let the thread's read, this one or its next, raise instead of wait; called in the event loop."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()
