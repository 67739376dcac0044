"""`ipfs://<cid>/path`: content by its CID, which is never any other."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NoReturn

from cachetools import LRUCache
from fsspec.asyn import sync_wrapper

from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest
from cidbus.schemas.ipfs import DirEntry, Stat

from .base import ContentFileSystem
from .errors import as_os_errors
from .kinds import Info

__all__ = ["IpfsFileSystem"]

# What was found at a path stays true; so many paths are remembered.
MAX_INFOS = 4096


class IpfsFileSystem(ContentFileSystem):
    """Read only. A path is a CID and the names below it: `bafy…/photos/one.jpg`, also as `/ipfs/bafy…`."""

    protocol = "ipfs"

    def __init__(self, *args: Any, **storage_options: Any) -> None:
        super().__init__(*args, **storage_options)
        self._infos: LRUCache[str, Info] = LRUCache(MAX_INFOS)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        names = [name for name in super()._strip_protocol(path).split("/") if name]
        return "/".join(names[1:] if names[:1] == ["ipfs"] else names)

    # ---- looking ----------------------------------------------------------------------------------------

    async def _info(self, path: str, **kwargs: Any) -> Info:
        path = self._strip_protocol(path)
        found = self._infos.get(path)
        if found is None:
            found = self._infos[path] = await self._look(path)
        return dict(found)

    async def _look(self, path: str) -> Info:
        cid, rest = _split(path)
        contents = await self.contents()
        with as_os_errors(path):
            stat = await contents.stat(cid, rest)
        return _info_of(path, stat)

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        path = self._strip_protocol(path)
        info = await self._info(path)
        found = [info]
        if info["type"] == "directory":
            found = [_info_of(f"{path}/{entry.name}", entry) async for entry in self._entries(path, info)]
            found.sort(key=lambda each: each["name"])
            # Where a link leads is not in the listing.
            self._infos.update({each["name"]: each for each in found[:MAX_INFOS] if each["type"] != "link"})
        return found if detail else [each["name"] for each in found]

    async def _entries(self, path: str, info: Info) -> AsyncIterator[DirEntry]:
        contents = await self.contents()
        with as_os_errors(path):
            async for entry in contents.entries(info["cid"], ""):
                yield entry

    def modified(self, path: str) -> datetime:
        """The beginning of Unix time: what a CID names has not changed since, and never will."""
        return datetime.fromtimestamp(0, UTC)

    # ---- what would change it ---------------------------------------------------------------------------

    async def _refuse(self, path: Any = None, *args: Any, **kwargs: Any) -> NoReturn:
        raise _read_only(path)

    _pipe_file = _put_file = _put = _cp_file = _copy = _rm_file = _rm = _mkdir = _makedirs = _refuse
    _stream_to_write = _refuse
    mv = rmdir = touch = sync_wrapper(_refuse)

    def _open_to_write(self, path: str, *args: Any, **kwargs: Any) -> NoReturn:
        raise _read_only(path)


def _split(path: str) -> tuple[str, str]:
    """The CID and the path below it; raises OSError if no CID comes first."""
    cid, _, rest = path.partition("/")
    try:
        CID.parse(cid)
    except BadRequest as error:
        raise OSError(errno.EINVAL, f"a path begins with a CID: {error.message}", path) from error
    return cid, rest


def _info_of(path: str, found: Stat | DirEntry) -> Info:
    kind = _TYPES.get(found.type, "other")
    info = {"name": path, "size": found.size_bytes if kind == "file" else 0, "type": kind, "cid": found.cid}
    if found.type == "symlink":
        info["islink"] = True
    if isinstance(found, Stat) and found.target is not None:
        info["destination"] = found.target
    return info


# Links are shown and not followed; a block of another format is no file.
_TYPES = {"file": "file", "directory": "directory", "symlink": "link"}


def _read_only(path: Any) -> OSError:
    return OSError(errno.EROFS, "ipfs:// is read only: what a CID names never changes", path)
