"""Nodes of the IPLD data model, paths through them, CAR files in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import dag, subjects
from .....schemas.cid import CID, CODEC_NAMES
from .....schemas.errors import TooLarge
from ...car.importing import import_car
from ...codecs import dagjson
from ...codecs.registry import DAG_JSON, codec_named, decode, encode
from ...store.pins import PinRecord
from ..reading import DagReads
from .node import Node

__all__ = ["DagRows", "FORMATS"]

# Nodes smaller than this are read and written on the event loop: a thread would take longer to wake.
INLINE_BYTES = 64 * 1024
# `format` as the documented endpoint has it; other names are multicodec's.
FORMATS = {"json": "dag-json", "cbor": "dag-cbor"}


class DagRows(DagReads, Node):
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
