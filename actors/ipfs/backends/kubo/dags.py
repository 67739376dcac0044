"""Nodes, paths and CAR files: Kubo's own commands where a whole DAG is gone through, the engine over Kubo's
blocks where content has to be understood or checked."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Any

from .....bus import handles
from .....schemas import dag, subjects
from .....schemas.cid import CID
from .....schemas.errors import BusError, InvalidContent
from .....schemas.ipfs import MAX_BLOCK_BYTES
from ...car.importing import MAX_LISTED_ROOTS
from ...car.read import Car, open_car
from ...car.write import write_blocks
from ...codecs.dagstat import dag_stat
from ...codecs.traversal import locate
from ...remote.kubo import FilePart
from ...remote.kubo_errors import kubo_error
from ...unixfs.reader import load
from ..given import given_node
from ..reading import DagReads
from .daemon import LONG_S, Daemon, content_path, field_of

__all__ = ["DagRows"]


class DagRows(DagReads, Daemon):
    """`dag.*` and `refs.*`."""

    @handles(subjects.DAG_PUT)
    async def dag_put(self, ask: dag.DagPut, content: AsyncIterator[bytes]) -> dag.DagPutReply:
        """The node becomes a block here, by the rules of every back end."""
        cid, block = await given_node(ask, content)
        await self.put_block(cid, block, pin=ask.pin)
        return dag.DagPutReply(cid=str(cid), format=cid.codec_name, pin=ask.pin, size_bytes=len(block))

    @handles(subjects.DAG_STAT)
    async def dag_stat(self, ask: dag.DagStatRequest) -> dag.DagStat:
        """Kubo walks each root's whole DAG, fetching what it lacks."""
        roots = [content_path(cid) for cid in ask.cids]
        stat = await self.last_line("dag/stat", *roots, progress=False, timeout_s=LONG_S)
        found = [
            dag.DagRootStat(
                cid=_cid_text(each.get("Cid")),
                size_bytes=field_of(each, "Size", int),
                blocks=field_of(each, "NumBlocks", int),
            )
            for each in field_of(stat, "DagStats", list)
        ]
        total = sum(root.size_bytes for root in found)
        return dag.DagStat(
            roots=found,
            unique_blocks=field_of(stat, "UniqueBlocks", int),
            unique_size_bytes=field_of(stat, "TotalSize", int) if len(found) > 1 else total,
            total_size_bytes=total,
        )

    @handles(subjects.DAG_IMPORT)
    async def dag_import(self, ask: dag.DagImport, content: AsyncIterator[bytes]) -> dag.DagImported:
        """Every block is checked here before it is sent on; of a file that is wrong nothing is pinned."""
        car = _CheckedCar(content)
        problems: dict[CID, str | None] = {}
        part = FilePart("dag.car", car.pieces())
        lines = self._rpc.lines("dag/import", upload=[part], pin_roots=ask.pin_roots, timeout_s=LONG_S)
        async with aclosing(lines):
            async for line in lines:
                if line.get("Root"):
                    problem = line["Root"].get("PinErrorMsg") or None
                    problems[CID.parse(_link(line["Root"], "Cid"))] = problem
        roots = [_imported(root, problems) for root in dict.fromkeys(car.roots)]
        return dag.DagImported(roots=roots[:MAX_LISTED_ROOTS], blocks=car.blocks, size_bytes=car.size_bytes)

    @handles(subjects.DAG_EXPORT)
    async def dag_export(self, ask: dag.DagExport) -> AsyncIterator[dag.CarHead | bytes]:
        whole = not ask.path and ask.scope == "all" and ask.entity_bytes is None and not ask.dups
        if not whole:
            async for piece in super().dag_export(ask):
                yield piece
            return
        cid = str(CID.parse(ask.cid))
        async with aclosing(self._rpc.read("dag/export", cid, progress=False)) as pieces:
            first = await anext(pieces, None)
            if first is None:
                raise InvalidContent("reply", "Kubo's CAR is empty")
            yield dag.CarHead(cid=cid, roots=[cid])
            yield first
            async for piece in pieces:
                yield piece

    @handles(subjects.REFS)
    async def refs(self, ask: dag.Refs) -> AsyncIterator[dag.Ref]:
        root = (await locate(self._source, CID.parse(ask.cid), ask.path)).cid
        await load(self._source, root)
        lines = self._rpc.lines(
            "refs", content_path(str(root)), format="<src> <dst> <linkname>",
            recursive=ask.recursive, unique=ask.unique, max_depth=ask.max_depth,
        )  # fmt: skip
        async with aclosing(lines):
            async for line in lines:
                if line.get("Err"):
                    raise await self._what_is_missing(root, str(line["Err"]))
                source, cid, name = f"{field_of(line, 'Ref', str)} ".split(" ", 2)
                yield dag.Ref(source=source, cid=cid, name=name.rstrip(" "))

    async def _what_is_missing(self, root: CID, said: str) -> BusError:
        """Kubo says that a walk failed, but not where: it is walked again until it does."""
        try:
            await dag_stat(self._source, [root], temp_folder=self._temp)
        except BusError as found:
            return found
        return kubo_error("refs", said, subject=str(root))

    @handles(subjects.REFS_LOCAL)
    async def refs_local(self, ask: dag.LocalRefs) -> AsyncIterator[dag.LocalRef]:
        async with aclosing(self._rpc.lines("refs/local")) as lines:
            async for line in lines:
                yield dag.LocalRef(cid=field_of(line, "Ref", str))


def _link(answer: Any, name: str) -> str:
    return _cid_text(field_of(answer, name, dict))


def _cid_text(link: Any) -> str:
    """The CID of `{"/": cid}`, or of a plain text."""
    text = link.get("/") if isinstance(link, dict) else link
    if not isinstance(text, str):
        raise InvalidContent("reply", "Kubo's answer has no usable CID")
    return text


def _imported(root: CID, problems: dict[CID, str | None]) -> dag.ImportedRoot:
    """What became of a root; `problems` has those that Kubo has told of."""
    problem = problems.get(root)
    return dag.ImportedRoot(cid=str(root), pinned=root in problems and problem is None, error=problem)


class _CheckedCar:
    """A CAR file on its way: read, checked and written again. `roots`, `blocks` and `size_bytes` are what it
    has had so far."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self.roots: list[CID] = []
        self.blocks = self.size_bytes = 0
        self._content = content

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises InvalidContent as `open_car` does."""
        car = await open_car(self._content, max_block_bytes=MAX_BLOCK_BYTES)
        self.roots = car.roots
        async for piece in write_blocks(car.roots, self._counted(car)):
            yield piece

    async def _counted(self, car: Car) -> AsyncIterator[tuple[CID, bytes]]:
        async for cid, block in car.blocks():
            self.blocks += 1
            self.size_bytes += len(block)
            yield cid, block
