"""Nodes of the IPLD data model, paths through them, CAR files in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import dag, subjects
from .....schemas.errors import BadRequest, TooLarge
from ...car.entity import EntityBytes
from ...car.importing import import_car
from ...car.trail import Trail
from ...car.write import write_car
from ...cid import CID, CODEC_NAMES, RAW
from ...codecs import dagjson
from ...codecs.dagstat import dag_stat, refs
from ...codecs.registry import DAG_JSON, codec_named, decode, encode
from ...codecs.traversal import locate, resolve
from ...store.pins import PinRecord
from ...unixfs.reader import load
from .node import Node

__all__ = ["DagReads", "DagRows"]

# Nodes smaller than this are read and written on the event loop: a thread would take longer to wake.
INLINE_BYTES = 64 * 1024
# `format` as the documented endpoint has it; other names are multicodec's.
FORMATS = {"json": "dag-json", "cbor": "dag-cbor"}


class DagReads(Node):
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
            node = encode(codec, found.value, limit_bytes=dag.MAX_NODE_BYTES)
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
        yield dag.CarHead(cid=str(place.cid), roots=[str(root) for root in place.roots])
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


class DagRows(DagReads):
    """`dag.*` and `refs.*`."""

    @handles(subjects.DAG_PUT)
    async def dag_put(self, ask: dag.DagPut, content: AsyncIterator[bytes]) -> dag.DagPutReply:
        """Raises InvalidContent for a node that breaks its codec, BadRequest for one that the stored codec
        cannot hold, and with `pin` NotFound for the first block below it that is not here."""
        codec = codec_named(
            ask.codec or FORMATS.get(ask.format, ask.format), "codec" if ask.codec else "format"
        )
        given = (
            codec_named(ask.input_codec, "input_codec")
            if ask.data is not None or ask.inline is None
            else DAG_JSON
        )
        node = await _gathered(content)
        if len(node) < INLINE_BYTES:
            block = _converted(node, given, codec)
        else:
            block = await asyncio.to_thread(_converted, node, given, codec)
        cid = CID.of(codec, block, hash_name=ask.hash)
        async with self._store.session() as session:
            await session.put(cid, block)
            if ask.pin and not cid.is_identity:
                await session.flush()
                await self._store.pins.add(PinRecord(cid))
            await session.commit()
        if ask.pin:
            self._announcer.add(cid)
        return dag.DagPutReply(cid=str(cid), format=CODEC_NAMES[codec], pin=ask.pin, size_bytes=len(block))

    @handles(subjects.DAG_IMPORT)
    async def dag_import(self, ask: dag.DagImport, content: AsyncIterator[bytes]) -> dag.DagImported:
        """Raises as `import_car` does; then nothing is pinned."""
        imported = await import_car(self._store, content, pin_roots=ask.pin_roots, executor=self._executor)
        for root in imported.roots:
            if root.pinned:
                self._announcer.add(CID.parse(root.cid))
        return imported

    @handles(subjects.REFS_LOCAL)
    async def refs_local(self, ask: dag.LocalRefs) -> AsyncIterator[dag.LocalRef]:
        """In the order of multihashes."""
        for number, cid in enumerate(self._store.list()):
            yield dag.LocalRef(cid=str(cid))
            if number % 1000 == 0:
                await asyncio.sleep(0)


async def _gathered(content: AsyncIterator[bytes]) -> bytes:
    node = bytearray()
    async for piece in content:
        node += piece
        if len(node) > dag.MAX_NODE_BYTES:
            raise TooLarge("node", limit=dag.MAX_NODE_BYTES)
    return bytes(node)


def _converted(node: bytes, given: int, codec: int) -> bytes:
    """The node in the codec that it is to be stored in; one that is in it already is checked all the same."""
    if given == DAG_JSON:  # as people write it: any order, any spaces
        return encode(codec, dagjson.decode(node, limit_bytes=dag.MAX_NODE_BYTES))
    value = decode(given, node)
    return node if given == codec else encode(codec, value)
