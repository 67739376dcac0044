"""Handlers that a type checker must refuse; `test_handlers_are_typed.py` counts its complaints."""

from collections.abc import AsyncIterator

from cidbus.bus import Actor, handles
from cidbus.schemas import ipfs, subjects


class Wrong(Actor):
    name = "ipfs"

    @handles(subjects.PIN)  # wrong: the request model of another row
    async def pin(self, ask: ipfs.AddRequest) -> ipfs.Pinned:
        raise NotImplementedError

    @handles(subjects.UNPIN)  # wrong: the reply of another row
    async def unpin(self, ask: ipfs.PinRemove) -> ipfs.Stat:
        raise NotImplementedError

    @handles(subjects.CAT)  # wrong: no stream on a stream row
    async def cat(self, ask: ipfs.CatRequest) -> bytes:
        raise NotImplementedError

    @handles(subjects.LS)  # wrong: items of another row
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.Pin]:
        yield ipfs.Pin(cid="", mode="direct", created_at=0)

    @handles(subjects.ADD)  # wrong: no content on an upload row
    async def add(self, ask: ipfs.AddRequest) -> ipfs.Added:
        raise NotImplementedError

    @handles(subjects.ADDED)  # wrong: the event of another row
    async def added(self, event: ipfs.BlockGone) -> None:
        raise NotImplementedError
