"""Nodes, paths and CAR files: Kubo's own commands where they do what is asked, the engine over Kubo's blocks
where they do not (parts of a DAG as a CAR, the blocks along a path)."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Any

from .....bus import handles
from .....schemas import dag, subjects
from .....schemas.cid import CID
from .....schemas.errors import BadRequest, InvalidContent
from ...remote.kubo import FilePart
from ..embedded.dags import FORMATS
from ..reading import DagReads
from .daemon import Daemon, content_path, field_of

__all__ = ["DagRows"]


class DagRows(DagReads, Daemon):
    """`dag.*` and `refs.*`."""

    @handles(subjects.DAG_PUT)
    async def dag_put(self, ask: dag.DagPut, content: AsyncIterator[bytes]) -> dag.DagPutReply:
        codec = ask.codec or FORMATS.get(ask.format, ask.format)
        put = await self._rpc.call(
            "dag/put", upload=[FilePart("node", content)],
            store_codec=codec, input_codec=ask.given_codec, pin=ask.pin, hash=ask.hash,
        )  # fmt: skip
        cid = _link(put, "Cid")
        facts = await self._rpc.call("block/stat", cid, offline=True)
        return dag.DagPutReply(
            cid=cid, format=CID.parse(cid).codec_name, pin=ask.pin, size_bytes=field_of(facts, "Size", int)
        )

    @handles(subjects.DAG_STAT)
    async def dag_stat(self, ask: dag.DagStatRequest) -> dag.DagStat:
        """Kubo walks each root's whole DAG, fetching what it lacks."""
        roots = [content_path(cid) for cid in ask.cids]
        stat = await self.last_line("dag/stat", *roots, progress=False)
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
        roots: list[dag.ImportedRoot] = []
        blocks = size_bytes = 0
        part = FilePart("dag.car", _pieces(content))
        lines = self._rpc.lines("dag/import", upload=[part], pin_roots=ask.pin_roots, stats=True)
        async with aclosing(lines):
            async for line in lines:
                if line.get("Root"):
                    roots.append(_root(line["Root"], pinned=ask.pin_roots))
                if line.get("Stats"):
                    blocks = field_of(line["Stats"], "BlockCount", int)
                    size_bytes = field_of(line["Stats"], "BlockBytesCount", int)
        return dag.DagImported(roots=roots[:1000], blocks=blocks, size_bytes=size_bytes)

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
        lines = self._rpc.lines(
            "refs", content_path(ask.cid, ask.path), format="<src> <dst> <linkname>",
            recursive=ask.recursive, unique=ask.unique, max_depth=ask.max_depth,
        )  # fmt: skip
        async with aclosing(lines):
            async for line in lines:
                if line.get("Err"):
                    raise InvalidContent("refs", str(line["Err"]))
                source, cid, name = f"{field_of(line, 'Ref', str)} ".split(" ", 2)
                yield dag.Ref(source=source, cid=cid, name=name.rstrip(" "))

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


def _root(told: Any, *, pinned: bool) -> dag.ImportedRoot:
    problem = told.get("PinErrorMsg") or None
    return dag.ImportedRoot(cid=_link(told, "Cid"), pinned=pinned and problem is None, error=problem)


async def _pieces(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The content as bytes; raises BadRequest for none at all, which Kubo would take for a success."""
    empty = True
    async for piece in content:
        empty = False
        yield bytes(piece)
    if empty:
        raise BadRequest("data", "there is no CAR")
