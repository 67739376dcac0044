"""Nodes of the IPLD data model, paths through them, CAR files in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import dag, subjects
from ...car.importing import import_car
from ...store.pins import PinRecord
from ..given import given_node
from ..reading import DagReads
from .node import Node

__all__ = ["DagRows"]


class DagRows(DagReads, Node):
    """`dag.*` and `refs.*`."""

    @handles(subjects.DAG_PUT)
    async def dag_put(self, ask: dag.DagPut, content: AsyncIterator[bytes]) -> dag.DagPutReply:
        """Raises as `given_node` does, and with `pin` NotFound for the first block below that is missing."""
        cid, block = await given_node(ask, content)
        async with self._store.session() as session:
            await session.put(cid, block)
            if ask.pin and not cid.is_identity:
                await session.flush()
                await self._store.pins.add(PinRecord(cid))
            await session.commit()
        await self.tell_added(cid, len(block), pinned=ask.pin)
        return dag.DagPutReply(cid=str(cid), format=cid.codec_name, pin=ask.pin, size_bytes=len(block))

    @handles(subjects.DAG_IMPORT)
    async def dag_import(self, ask: dag.DagImport, content: AsyncIterator[bytes]) -> dag.DagImported:
        """Raises as `import_car` does; then nothing is pinned."""
        imported = await import_car(self._store, content, pin_roots=ask.pin_roots, executor=self._executor)
        for root in imported.roots:
            await self.tell_added(root.cid, None, pinned=root.pinned)
        return imported

    @handles(subjects.REFS_LOCAL)
    async def refs_local(self, ask: dag.LocalRefs) -> AsyncIterator[dag.LocalRef]:
        """In the order of multihashes."""
        for number, cid in enumerate(self._store.list()):
            yield dag.LocalRef(cid=str(cid))
            if number % 1000 == 0:
                await asyncio.sleep(0)
