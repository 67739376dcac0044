"""What the parts of a file system know of each other: what an entry is, and what they ask of the whole."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from cidbus.client import Client

__all__ = ["Info", "Opened", "ReadSystem", "WriteSystem"]

# As fsspec has them: name, size, type; and of ours cid, islink, and in a tree mode and mtime.
Info = dict[str, Any]


class Opened(NamedTuple):
    """A file as it was when its path was looked up."""

    cid: str
    size: int


class ReadSystem(Protocol):
    """A file system, as an open file that is read sees it."""

    async def read_range(self, cid: str, start: int, end: int) -> bytes: ...


class WriteSystem(Protocol):
    """The tree, as what writes into it sees it; names that begin with `_` are fsspec's."""

    timeout_s: float | None
    _intrans: bool
    _transaction: Any

    @property
    def loop(self) -> Any: ...

    async def client(self) -> Client: ...
    async def write_inline(self, path: str, data: bytes, *, append: bool = False) -> None: ...
    async def place(
        self, path: str, cid: str, *, release: str, overwrite: bool = True, if_cid: str | None = None
    ) -> None: ...

    def _strip_protocol(self, path: Any) -> Any: ...
    async def _isdir(self, path: str) -> bool: ...
    async def _info(self, path: str, **kwargs: Any) -> Info: ...
    async def _glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any: ...
    async def _find(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any: ...
