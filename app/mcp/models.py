"""`server.ipfs_model`: the operations under their documented names, answered by plain dicts."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cidbus.client import Client, Node
from cidbus.schemas.errors import Unavailable
from cidbus.schemas.wire import Wire

from .parquet_cache import Blocking, IPFSKit

__all__ = ["IPFSModel"]


class IPFSModel:
    """IPFS operations of one server. Every result has `success`, `operation_id` and `duration_ms` beside the
    fields of the row's reply; what fails raises the BusError that says why."""

    def __init__(self, client: Callable[[], Awaitable[Client]], blocking: Blocking) -> None:
        self._client = client
        self.ipfs_kit = IPFSKit(blocking)

    async def add_content(
        self, content: str | bytes, filename: str | None = None, *, pin: bool = True
    ) -> dict[str, Any]:
        """Store text or bytes; the result has `cid` and `content_size_bytes`."""
        client = await self._client()
        return await _result(client.ipfs.add(content, filename=filename, pin=pin))

    async def get_content(self, cid: str, *, limit_bytes: int = 64 * 2**20) -> bytes:
        """The bytes of a file of at most `limit_bytes`, from the cache if it is there; larger ones are read
        with `client().ipfs.cat`."""
        client = await self._client()
        try:
            return await client.cache.get(cid).read(limit_bytes)
        except Unavailable:  # a system without a cache actor
            return await client.ipfs.cat(cid).read(limit_bytes)

    async def pin_content(self, cid: str, *, name: str | None = None) -> dict[str, Any]:
        """Keep content; the result has `pinned`."""
        client = await self._client()
        return await _result(client.ipfs.pin_add(cid, name=name))

    async def unpin_content(self, cid: str) -> dict[str, Any]:
        """Let content be collected; the result has `pinned`."""
        client = await self._client()
        return await _result(client.ipfs.pin_rm(cid))

    async def list_pins(self, *, limit: int = 10_000) -> dict[str, Any]:
        """The first `limit` pins, as `pins` and `count`."""
        client = await self._client()
        started = time.perf_counter()
        pins: list[dict[str, Any]] = []
        async for pin in client.ipfs.pin_ls():
            if len(pins) == limit:
                break
            pins.append(pin.model_dump(mode="json", exclude_none=True))
        return _envelope(started) | {"pins": pins, "count": len(pins)}

    # ---- nodes ------------------------------------------------------------------------------------------

    async def dag_put(self, obj: Node, format: str = "json", pin: bool = True) -> dict[str, Any]:  # noqa: A002
        """Store a node, with links as `{"/": cid}`, as `json` (dag-json), `cbor` (dag-cbor) or in any other
        codec; the result has `cid`."""
        client = await self._client()
        source = json.dumps(obj) if isinstance(obj, str) else obj  # the client takes text for dag-json
        return await _result(client.ipfs.dag_put(source, format=format, pin=pin))

    async def dag_get(self, cid: str, path: str = "") -> dict[str, Any]:
        """A node, or what lies at a path in it, as `object`; `cid` is the block that it was found in."""
        client = await self._client()
        started = time.perf_counter()
        async with client.ipfs.dag_get(cid, path=path) as content:
            head = content.head.model_dump(mode="json", exclude_none=True) if content.head else {}
            node = await content.json()
        return _envelope(started) | head | {"object": node}

    async def dag_resolve(self, cid: str, path: str = "") -> dict[str, Any]:
        """Where a path ends; the result has `cid` and `remainder_path`."""
        client = await self._client()
        return await _result(client.ipfs.dag_resolve(cid, path=path))

    # ---- names, peers -----------------------------------------------------------------------------------

    async def name_publish(
        self, path: str, key: str = "self", lifetime: str = "48h", ttl: str = "5m", *, resolve: bool = True
    ) -> dict[str, Any]:
        """Point a key's name at content; the result has `name` and `value`."""
        client = await self._client()
        return await _result(
            client.ipfs.name_publish(path, key=key, lifetime=lifetime, ttl=ttl, resolve=resolve)
        )

    async def name_resolve(self, name: str, recursive: bool = True, nocache: bool = False) -> dict[str, Any]:
        """What a name points at; the result has `path`."""
        client = await self._client()
        return await _result(client.ipfs.name_resolve(name, recursive=recursive, nocache=nocache))

    async def find_peer(self, peer_id: str) -> dict[str, Any]:
        """Where a peer can be reached: `responses`, and where there are none the `reason`."""
        client = await self._client()
        return await _result(client.ipfs.routing_findpeer(peer_id))

    async def find_providers(self, cid: str, num_providers: int = 20) -> dict[str, Any]:
        """Who has some content: `providers`, and where there are none the `reason`."""
        client = await self._client()
        return await _result(client.ipfs.routing_findprovs(cid, num_providers=num_providers))


async def _result(reply: Awaitable[Wire]) -> dict[str, Any]:
    started = time.perf_counter()
    body = (await reply).model_dump(mode="json", exclude_none=True)
    return _envelope(started) | body


def _envelope(started: float) -> dict[str, Any]:
    return {
        "success": True,
        "operation_id": secrets.token_hex(8),
        "duration_ms": round((time.perf_counter() - started) * 1000, 3),
    }
