"""Rows that need nothing but blocks, wherever these come from: files, directories, nodes, CAR files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

from ....bus import CHUNK_BYTES, answers_at_once, handles
from ....schemas import dag, ipfs, subjects
from ....schemas.cid import CID, RAW
from ....schemas.errors import BadRequest
from ..blocks import BlockSource
from ..car.entity import EntityBytes
from ..car.trail import Trail
from ..car.write import write_car
from ..codecs.dagstat import dag_stat, refs
from ..codecs.registry import codec_named, encode
from ..codecs.traversal import INLINE_BYTES, locate, resolve
from ..unixfs.listing import ls, stat
from ..unixfs.reader import load, open_file, small_file
from ..unixfs.tar import tar_stream
from .backend import Backend

__all__ = ["BlockReads", "ContentReads", "DagReads", "Reading"]


class Reading(Backend):
    """A back end that reads blocks from `_source`; long walks keep what they have seen in `_temp`."""

    _source: BlockSource
    _temp: Path

    async def resolve(self, cid: CID, path: str) -> CID:
        """The block that a path ends in, through nodes of any codec; raises BadRequest(field="path") for one
        that ends inside a block, and as `locate` does."""
        if not path:
            return cid
        place = await locate(self._source, cid, path)
        if place.remainder:
            raise BadRequest("path", f"ends inside the block {place.cid}, at {place.remainder}")
        return place.cid


class ContentReads(Reading):
    """`cat`, `get`, `ls` and `stat`."""

    @answers_at_once(subjects.CAT)
    def cat_at_once(self, ask: ipfs.CatRequest) -> bytes | None:
        """A small file asked for whole by its own CID goes out without a head: its bytes say it all."""
        if ask.path or ask.offset or ask.length is not None or ask.backend not in (None, self.name):
            return None
        content = small_file(self._source, CID.parse(ask.cid))
        return content if content is not None and len(content) <= CHUNK_BYTES else None

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        file = await open_file(self._source, await self.resolve(CID.parse(ask.cid), ask.path))
        start, count = file.span(ask.offset, ask.length)
        yield ipfs.FileHead(cid=str(file.cid), size_bytes=file.size_bytes, offset=start, length=count)
        async for piece in file.read(start, count):
            yield piece

    @handles(subjects.GET)
    async def get(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.TarHead | bytes]:
        """The archive has one top entry: the path's last name, or the CID."""
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        name = ask.path.strip("/").rpartition("/")[2] or str(cid)
        yield ipfs.TarHead(cid=str(cid), name=name)
        async for piece in tar_stream(self._source, cid, name):
            yield piece

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        async for entry in ls(self._source, await self.resolve(CID.parse(ask.cid), ask.path)):
            yield ipfs.DirEntry(
                name=entry.name,
                cid=str(entry.cid),
                type=entry.type,
                size_bytes=entry.size_bytes,
                dag_size_bytes=entry.dag_size_bytes,
            )

    @handles(subjects.STAT)
    async def stat(self, ask: ipfs.PathRequest) -> ipfs.Stat:
        return await stat(self._source, await self.resolve(CID.parse(ask.cid), ask.path))


class BlockReads(Reading):
    """`block.get`."""

    @handles(subjects.BLOCK_GET)
    async def block_get(self, ask: ipfs.BlockRequest) -> AsyncIterator[ipfs.BlockHead | bytes]:
        cid = CID.parse(ask.cid)
        block = await load(self._source, cid)
        yield ipfs.BlockHead(cid=str(cid), size_bytes=len(block))
        yield block


class DagReads(Reading):
    """`dag.get`, `dag.resolve`, `dag.stat`, `dag.export` and `refs`: what needs nothing but blocks."""

    @handles(subjects.DAG_GET)
    async def dag_get(self, ask: dag.DagGet) -> AsyncIterator[dag.DagHead | bytes]:
        """Raises BadRequest for `raw` inside a block, and for a value that the codec cannot hold."""
        codec = codec_named(ask.output_codec, "output_codec")
        cid: CID
        remainder: str
        if codec == RAW:
            place = await locate(self._source, CID.parse(ask.cid), ask.path)
            if place.remainder:
                raise BadRequest("output_codec", "raw is for whole blocks, and the path ends inside one")
            cid, remainder = place.cid, ""
            node = await load(self._source, cid)
        else:
            found = await resolve(self._source, CID.parse(ask.cid), ask.path)
            cid, remainder = found.cid, found.remainder
            write = partial(encode, codec, found.value, limit_bytes=dag.MAX_NODE_BYTES)
            node = write() if found.block_bytes < INLINE_BYTES else await asyncio.to_thread(write)
        yield dag.DagHead(cid=str(cid), codec=ask.output_codec, remainder=remainder, size_bytes=len(node))
        yield node

    @handles(subjects.DAG_RESOLVE)
    async def dag_resolve(self, ask: dag.DagPath) -> dag.Resolved:
        place = await locate(self._source, CID.parse(ask.cid), ask.path, pathing=ask.pathing)
        return dag.Resolved(
            cid=str(place.cid),
            path=ask.path,
            remainder_path=place.remainder,
            codec=place.cid.codec_name,
            roots=[str(root) for root in place.roots],
        )

    @handles(subjects.DAG_STAT)
    async def dag_stat(self, ask: dag.DagStatRequest) -> dag.DagStat:
        roots = [CID.parse(cid) for cid in ask.cids]
        stat = await dag_stat(self._source, roots, temp_folder=self._temp)
        return dag.DagStat(
            roots=[
                dag.DagRootStat(cid=str(root.cid), size_bytes=root.size_bytes, blocks=root.blocks)
                for root in stat.roots
            ],
            unique_blocks=stat.unique_blocks,
            unique_size_bytes=stat.unique_size_bytes,
            total_size_bytes=stat.total_size_bytes,
        )

    @handles(subjects.DAG_EXPORT)
    async def dag_export(self, ask: dag.DagExport) -> AsyncIterator[dag.CarHead | bytes]:
        """Blocks along the path come first. A block that is missing further down breaks the stream off."""
        wanted = None if ask.entity_bytes is None else EntityBytes.parse(ask.entity_bytes)
        trail = Trail(self._source)
        place = await locate(trail, CID.parse(ask.cid), ask.path)
        on_the_way = [cid for cid in dict.fromkeys(trail.cids) if cid != place.cid]
        pieces = write_car(
            self._source, place.cid, path_blocks=on_the_way, scope=ask.scope, entity_bytes=wanted,
            dups=ask.dups, temp_folder=self._temp,
        )  # fmt: skip
        async with aclosing(pieces):
            first = await anext(pieces)  # so that a root that is not here is an error and not a broken CAR
            yield dag.CarHead(cid=str(place.cid), roots=[str(root) for root in place.roots])
            yield first
            async for piece in pieces:
                yield piece

    @handles(subjects.REFS)
    async def refs(self, ask: dag.Refs) -> AsyncIterator[dag.Ref]:
        root = (await locate(self._source, CID.parse(ask.cid), ask.path)).cid
        edges = refs(
            self._source, root, recursive=ask.recursive, unique=ask.unique, max_depth=ask.max_depth,
            temp_folder=self._temp,
        )  # fmt: skip
        async for edge in edges:
            yield dag.Ref(source=str(edge.source), cid=str(edge.cid), name=edge.name)
