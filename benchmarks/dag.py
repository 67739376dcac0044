"""DAG-CBOR through the codec registry, against the bare codec over the same value."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cbrrr

from cidbus.actors.ipfs.codecs import registry
from cidbus.actors.ipfs.codecs.model import Value
from cidbus.actors.ipfs.codecs.registry import DAG_CBOR
from cidbus.schemas.cid import CID

from .ratio import Ratio, alternate

TIMES = 5_000


def node() -> dict[str, Value]:
    """A node of some 1.3 KB: ten links, 25 small records, text and bytes."""
    links: list[Value] = [CID.of(DAG_CBOR, bytes([number])) for number in range(10)]
    records: dict[str, Value] = {
        f"k{number}": [number, 1.5, None, True, f"v{number}"] for number in range(25)
    }
    return {"links": links, "records": records, "title": "A node" * 20, "digest": bytes(range(200))}


async def compare(rounds: int) -> list[Ratio]:
    block = registry.encode(DAG_CBOR, node())
    # The bare codec has links of its own class, which it neither parses nor checks.
    ours, bare = node(), cbrrr.decode_dag_cbor(block)
    cid = CID.of(DAG_CBOR, block)
    sides: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        ("decode", lambda: registry.decode(DAG_CBOR, block), lambda: cbrrr.decode_dag_cbor(block)),
        ("encode", lambda: registry.encode(DAG_CBOR, ours), lambda: cbrrr.encode_dag_cbor(bare)),
        ("links", lambda: registry.links(cid, block), lambda: cbrrr.decode_dag_cbor(block)),
    ]
    return [
        await alternate(
            Ratio(f"DAG-CBOR {name} of {len(block):,} bytes, against the bare codec", "/s", 0.4), rounds,
            lambda side=side: rate(side), lambda limit=limit: rate(limit),  # type: ignore[misc]
        )
        for name, side, limit in sides
    ]  # fmt: skip


async def rate(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    for _ in range(TIMES):
        work()
    return TIMES / (time.perf_counter() - started)
