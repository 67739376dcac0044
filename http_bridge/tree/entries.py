"""Entries of the tree as content: the bytes of a file under its own name, and which tree it is of."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import hdrs, web

from ...schemas.errors import NotAFile
from ...schemas.ipfs import CatRequest
from ...schemas.journal import PathStat, ReadFile, StatPath
from ...schemas.subjects import CAT, FS_STAT
from ..asking import ask_of_body, ask_of_path
from ..bridge import Bridge
from ..naming import etag_of
from ..streams import PRESENTATION, FileAsk, FileRoute, Headers

__all__ = ["EntryRoute", "ReadRoute", "described", "send_file"]

R = TypeVar("R", bound=web.StreamResponse)

# A path may mean something else with the next change, so whoever keeps its content asks before using it.
REVALIDATE = "no-cache"


class EntryRoute(FileRoute):
    """One file of the tree: its bytes are those of its CID, its name that of its path."""

    base = Headers({**FileRoute.base, hdrs.CACHE_CONTROL: REVALIDATE})
    is_named = True

    def __init__(self, bridge: Bridge, entry: PathStat) -> None:
        super().__init__(bridge, CAT)
        self._entry = entry
        self.base = self.base.copy()
        _describe(self.base, entry)

    def name_of(self, request: web.Request, ask: FileAsk) -> str:
        return request.query.get("filename") or self._entry.name

    async def answer(self, request: web.Request, ask: CatRequest, operation_id: str) -> web.StreamResponse:
        """These of its bytes; to HEAD what would be said of them."""
        answers = self.head_file if request.method == hdrs.METH_HEAD else self.get_file
        return await answers(request, ask, operation_id)


class ReadRoute:
    """`journal.read` at its own routes: the path is looked up, and then read as any content is."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def get(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = ask_of_path(ReadFile, request, PRESENTATION)
        return await send_file(self._bridge, request, ask, operation_id)

    head = get

    async def post(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        ask = await ask_of_body(ReadFile, request, self._bridge)
        return await send_file(self._bridge, request, ask, operation_id)


async def send_file(
    bridge: Bridge, request: web.Request, ask: ReadFile, operation_id: str
) -> web.StreamResponse:
    """The bytes of a file of the tree; raises NotFound, and NotAFile for a directory."""
    stat = StatPath(path=ask.path, at=ask.at, transaction=ask.transaction, follow=True)
    entry = await bridge.bus.request(FS_STAT, stat)
    if entry.type != "file":
        raise NotAFile(entry.cid, entry.type)
    wanted = CatRequest(cid=entry.cid, offset=ask.offset, length=ask.length)
    return await EntryRoute(bridge, entry).answer(request, wanted, operation_id)


def described(response: R, entry: PathStat) -> R:
    """The answer, with headers that say which entry of which tree it is about."""
    _describe(response.headers, entry)
    return response


def _describe(headers: Headers, entry: PathStat) -> None:
    headers[hdrs.ETAG] = etag_of(entry.cid, "")
    headers["Cidbus-Cid"] = entry.cid
    headers["Cidbus-Root"] = entry.root
    headers["Cidbus-Type"] = entry.type
    headers[hdrs.CACHE_CONTROL] = REVALIDATE
    if entry.sequence is not None:
        headers["Cidbus-Sequence"] = str(entry.sequence)
