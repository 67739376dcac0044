"""The CID index as a dictionary: what every test of its storage compares with."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import Any

from cidbus.actors.cache.heat import Heat
from cidbus.actors.cache.index.index import CidIndex
from cidbus.schemas.cid import CID

NOW_S = 1_800_000_000.0
HASHES = ("sha2-256", "sha2-512", "sha1", "blake3", "blake2b-256", "sha3-384")


def cid_of(number: int) -> str:
    """A CID of any version, codec, hash and length; several begin alike."""
    kind = number % 9
    if kind == 0:
        return str(CID.of(0x70, b"%d" % number, version=0))
    if kind == 1:  # the same first eight bytes of the digest, then other ones
        return str(CID.of(0x55, b"collides" + b"%d" % number, hash_name="identity"))
    if kind == 2:
        return str(CID.of(0x55, b"%d" % (number % 100), hash_name="identity"))
    if kind == 3:
        return str(CID.of(0x0129, b"%d" % number, hash_name=HASHES[number % len(HASHES)]))
    return str(CID.of((0x55, 0x70, 0x71)[number % 3], b"%d" % number))


@dataclass
class Row:
    static: dict[str, Any]
    last_s: float = 0.0
    log: float = -math.inf
    count: int = 0
    pinned: bool = False
    valid: bool = True
    tier: str = "ipfs"


@dataclass
class Model:
    """What the index should say."""

    rows: dict[str, Row] = field(default_factory=dict)
    heat: Heat = field(default_factory=lambda: Heat(86_400.0, NOW_S))

    def put(self, row: dict[str, Any]) -> None:
        hot = {"is_pinned": "pinned", "valid": "valid", "storage_tier": "tier", "access_count": "count"}
        given = {name: value for name, value in row.items() if name not in hot and name != "cid"}
        old = self.rows.get(row["cid"], Row({}))
        changed = {hot[name]: value for name, value in row.items() if name in hot}
        self.rows[row["cid"]] = replace(old, static=given, **changed)

    def touch(self, cid: str, count: int, at_s: float) -> None:
        row = self.rows.get(cid)
        if row is not None:
            row.log = self.heat.add(row.log, at_s, count)
            row.last_s, row.count = max(row.last_s, at_s), row.count + count

    def copy(self) -> Model:
        return Model(
            {cid: replace(row, static=dict(row.static)) for cid, row in self.rows.items()}, self.heat
        )


def difference(index: CidIndex, model: Model) -> str | None:
    """The first difference between an index and its model."""
    if index.record_count != len(model.rows):
        return f"{index.record_count} records instead of {len(model.rows)}"
    for cid, row in model.rows.items():
        found = index.get(cid)
        if found is None:
            return f"{cid} is missing"
        wanted = {
            "last_accessed": row.last_s or None, "access_count": row.count,
            "is_pinned": row.pinned, "valid": row.valid, "storage_tier": row.tier,
        }  # fmt: skip
        for name, value in wanted.items():
            if found.pop(name) != value:
                return f"{cid}: {name} is not {value!r}"
        score = model.heat.score(row.log, NOW_S)
        if abs(found.pop("heat_score") - score) > 1e-3:
            return f"{cid}: heat is not {score}"
        static = {name: value for name, value in found.items() if value is not None and name != "cid"}
        if static != row.static:
            return f"{cid}: {static} instead of {row.static}"
    return scan_difference(index, model)


def scan_difference(index: CidIndex, model: Model) -> str | None:
    """The first difference of a scan of all segments."""
    seen: dict[str, dict[str, Any]] = {}
    for batch in index.export_batches():
        for row in batch.to_pylist():
            if row["cid"] in seen:
                return f"{row['cid']} is alive twice"
            seen[row["cid"]] = row
    if seen.keys() != model.rows.keys():
        return f"a scan differs by {seen.keys() ^ model.rows.keys()}"
    for cid, row in model.rows.items():
        if seen[cid]["size_bytes"] != row.static.get("size_bytes") or seen[cid]["access_count"] != row.count:
            return f"a scan has {seen[cid]} instead of {row}"
    return hottest_difference(index, model)


def hottest_difference(index: CidIndex, model: Model, k: int = 3) -> str | None:
    """Whether the hottest rows are the hottest."""
    snapshot = index.snapshot()
    found = snapshot.hottest(k)
    if found is None:
        return "the hottest are unknown"
    logs = [log for _, _, log in found]
    wanted = sorted((row.log for row in model.rows.values()), reverse=True)[:k]
    if len(logs) != len(wanted) or any(
        a != b and abs(a - b) > 1e-3 for a, b in zip(logs, wanted, strict=True)
    ):
        return f"the hottest have {logs} instead of {wanted}"
    return None


def abandon(index: CidIndex) -> None:
    """Let the folder go as a killed process does: nothing more is written."""
    os.close(index._engine.held)
    index._engine.held = None
