"""Results as content, remembered by the ipfs actor's named roots: this actor keeps nothing itself.

    media/<kind>/<source CID>/<hash of what was asked> -> a directory: about.json, and what was made

`about.json` is the reply. So whoever asks again, of whichever media actor, gets it with one look-up; and when
the root has expired, or its content is gone, there is nothing to be out of date.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import orjson

from ...schemas.errors import BadRequest, BusError, NotFound
from ...schemas.ipfs import CatRequest, PathRequest, PinRequest
from ...schemas.media import Made
from ...schemas.subjects import CAT, FILE_WRITE, PIN, ROOTS, ROOTS_RM, STAT, TREE_PATCH
from ...schemas.tree import AnyOperation, FileWrite, Put, RootList, RootsRemove, TreePatch, TreePatched, Write

if TYPE_CHECKING:
    from ...bus import Bus

__all__ = ["Draft", "Kept", "name_of"]

M = TypeVar("M", bound=Made)
T = TypeVar("T")

ABOUT = "about.json"
MAX_ABOUT_BYTES = 64 * 1024
# How long the parts of an unfinished result are kept; an hour is the longest that work may take.
DRAFT_S = 2 * 3600.0
FILES_AT_ONCE = 1000
# A name has 255; a CID whose digest is the content itself may have more.
MAX_SOURCE_CHARS = 128
# Goes into every name: results of another way of making them are others.
VERSION = 1


def name_of(kind: str, source_cid: str, params: Mapping[str, object]) -> str:
    """The root's name for what is made so of a file."""
    told = orjson.dumps([VERSION, dict(params)], option=orjson.OPT_SORT_KEYS)
    source = source_cid if len(source_cid) <= MAX_SOURCE_CHARS else _digest(source_cid.encode())
    return f"media/{kind}/{source}/{_digest(told)}"


def _digest(told: bytes) -> str:
    return hashlib.sha256(told).hexdigest()[:32]


class Kept:
    """Results by their names."""

    def __init__(self, bus: Bus, keep_s: float) -> None:
        self._bus = bus
        self._keep_s = keep_s

    async def find(self, name: str, model: type[M]) -> M | None:
        """The result under this name, or None if there is none, or no more."""
        async for root in self._bus.items(ROOTS, RootList(prefix=name)):
            if root.name == name:
                return await self._read(root.cid, model)
        return None

    async def _read(self, root: str, model: type[M]) -> M | None:
        about = CatRequest(cid=root, path=ABOUT, length=MAX_ABOUT_BYTES)
        try:
            async with await self._bus.open(CAT, about) as stream:
                found = model.from_wire(b"".join([piece async for piece in stream]))
            await self._bus.request(STAT, PathRequest(cid=found.cid))
        except (NotFound, BadRequest):
            return None
        return found.model_copy(update={"cached": True})

    async def keep(self, name: str, result: Made, content_name: str) -> None:
        """Remember a result, for as long as the settings say; durable when this returns."""
        about = result.model_dump_json(exclude_none=True)
        operations: list[AnyOperation] = [
            Put(path=f"/{content_name}", cid=result.cid),
            Write(path=f"/{ABOUT}", content=about),
        ]
        patch = TreePatch(groups=[operations], keep=name, keep_s=self._keep_s)
        raise_if_failed(await self._bus.request(TREE_PATCH, patch))

    async def pin(self, cid: str, name: str) -> None:
        await self._bus.request(PIN, PinRequest(cid=cid, name=name[:255]))


class Draft:
    """What is being made: its files are stored as they come, and kept until `drop` or for two hours."""

    def __init__(self, bus: Bus, job: str) -> None:
        self._bus = bus
        self._prefix = f"media/draft/{job}"
        self._names: list[str] = []
        self.files: dict[str, str] = {}

    async def take(self, name: str, pieces: AsyncIterable[bytes]) -> None:
        """Store one file."""
        ask = FileWrite(keep=self._new_name(), keep_s=DRAFT_S)
        self.files[name] = (await self._bus.upload(FILE_WRITE, ask, pieces)).cid

    async def directory(self) -> str:
        """The CID of a directory of all files."""
        root: str | None = None
        for some in batched(self.files.items(), FILES_AT_ONCE):
            puts: list[AnyOperation] = [Put(path=f"/{name}", cid=cid) for name, cid in some]
            patch = TreePatch(root=root, groups=[puts], keep=self._new_name(), keep_s=DRAFT_S)
            patched = await self._bus.request(TREE_PATCH, patch)
            raise_if_failed(patched)
            root = patched.root
        assert root is not None
        return root

    def _new_name(self) -> str:
        self._names.append(f"{self._prefix}/{len(self._names)}")
        return self._names[-1]

    async def drop(self) -> None:
        """Keep the parts no more; what a result has of them is kept by that."""
        for some in batched(self._names, FILES_AT_ONCE):
            await self._bus.request(ROOTS_RM, RootsRemove(names=list(some)))
        self._names.clear()


def raise_if_failed(patched: TreePatched) -> None:
    for result in patched.results:
        if result.error is not None:
            raise BusError.from_wire(result.error)


def batched(items: Iterable[T], count: int) -> Iterator[tuple[T, ...]]:
    """As itertools has it from Python 3.12 on."""
    rest = iter(items)
    while some := tuple(islice(rest, count)):
        yield some
