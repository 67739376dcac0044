"""Every operator with every value on every column, in every layout: all of them, not some at random."""

from __future__ import annotations

import operator

import numpy as np
import pyarrow as pa
import pytest
from cache_query import random_queries as pools
from cache_query.memory_index import (
    COLUMNS,
    HEAT,
    NOW_S,
    MemorySegment,
    Row,
    in_cid_order,
    logical_table,
    passes,
    small_steps,
    snapshot_of,
)

from cidbus.actors.cache.query import Query, expression, parse_filter, run
from cidbus.actors.cache.query.expression import COMPARISONS, heat_bound
from cidbus.actors.cache.query.filter import Compare

POOLS = {
    "size_bytes": [None, *pools.NUMBERS],
    "mimetype": [None, *pools.TEXTS],
    "filename": [None, *pools.TEXTS],
    "cid_version": [None, 0, 1],
    "added_timestamp": [None, *pools.TIMES_MS],
    "quality": [None, *pools.REALS],
    "level": [None, *pools.FLOATS],
    "checked": [None, False, True],
    "day": [None, 0, 86_400, -1],
    "port": [None, 0, 80, 65_535],
    "tags": [None, [], ["a"], ["cat", "a"], [""], ["日本", ""]],
    "properties": [None, {}, {"k": "a"}, {"k": "", "a.b": "ab"}],
}
LOGS = [float("-inf"), 0.0, -0.008, 1.0, -2.5, 3.25, 17.0]
ROWS = sorted(
    (
        Row(
            cid,
            {name: value for name, pool in POOLS.items() if (value := pool[n % len(pool)]) is not None},
            log=LOGS[n % len(LOGS)],
            count=[0, 1, 5, 2**31 - 1][n % 4],
            last_s=pools.LAST_S[n % len(pools.LAST_S)],
            pinned=n % 2 == 0,
            valid=n % 3 == 0,
            tier=["ipfs", "disk", "memory"][n % 3],
            dead=n % 11 == 10,
        )
        for n, cid in enumerate(pools.CIDS[:60])
    ),
    key=lambda row: in_cid_order(row.cid),
)
INDEXED = ["size_bytes", "mimetype", "filename", "added_timestamp", "quality", "day"]
LAYOUTS = {
    "files": {},
    "resident": {"resident": [*POOLS]},
    "dictionaries": {"resident": [*POOLS], "dictionary": ["mimetype", "filename"], "in_cid_order": True},
    "zones": {"zone_rows": 3},
    "indexes": {"indexes": INDEXED, "resident": [*POOLS][:4], "zone_rows": 4},
}
ORDERS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]
SECONDS = [ms / 1000 for ms in pools.TIMES_MS] + [0.9995, 1_700_000_000, "2023-11-14T22:13:20.123Z"]
VALUES: dict[str, list] = {
    "size_bytes": pools.NUMBERS,
    "mimetype": pools.TEXTS,
    "filename": [*pools.TEXTS, "zz"],
    "cid_version": [-1, 0, 1, 2],
    "added_timestamp": SECONDS,
    "quality": [*pools.REALS, 1],
    "level": [*pools.FLOATS, 0.1],
    "day": [0, 86_400, -1],
    "port": [0, 79, 80, 65_535],
    "properties.k": ["", "a", "b"],
    "properties.a.b": ["ab"],
    "heat_score": [*pools.SCORES, 0.498],
    "access_count": [0, 1, 3, 5, 2**31 - 1],
    "last_accessed": [0.001, 1.5, 1_700_000_000, 1_700_000_000.123, NOW_S + 1, 0],
    "storage_tier": ["disk", "ipfs", "memory", "e", ""],
}


def _conditions() -> list[dict]:
    ordered = [{name: {op: value}} for name, values in VALUES.items() for value in values for op in ORDERS]
    ranges = [
        {name: {"$gte": low, "$lt": high}}
        for name in INDEXED
        for low in VALUES[name][:5]
        for high in VALUES[name][:5]
    ]
    every = [*POOLS, "cid", "heat_score", "last_accessed", "is_pinned", "storage_tier", "properties.k"]
    nulls = [{name: {"$exists": flag}} for name in every for flag in (True, False)]
    truths = [
        {name: {op: flag}}
        for name in ("checked", "is_pinned", "valid")
        for op in ("$eq", "$ne")
        for flag in (False, True)
    ]
    listed = [
        {name: {op: [*values[:3], None]}}
        for name, values in VALUES.items()
        if name != "heat_score"
        for op in ("$in", "$nin")
    ]
    texts = [
        {name: {op: text}}
        for name in ("mimetype", "filename", "properties.k", "storage_tier")
        for op in ("$contains", "$regex")
        for text in ("a", "image", "", "e$")
    ]
    tags = [{"tags": {"$contains": tag}} for tag in pools.TAGS] + [
        {"tags": {"$ne": tag}} for tag in pools.TAGS
    ]
    cids = [
        {"cid": {"$in": [row.cid for row in ROWS[::9]]}},
        {"cid": ROWS[3].cid},
        {"cid": {"$ne": ROWS[3].cid}},
    ]
    plain = [*ordered, *ranges, *nulls, *truths, *listed, *texts, *tags, *cids]
    return plain + [{"$not": condition} for condition in plain]


CONDITIONS = _conditions()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_condition_gives_the_rows_that_it_means(layout):
    segment = MemorySegment(layout, ROWS, **LAYOUTS[layout])
    with small_steps():
        for filter_ in CONDITIONS:
            cids = run(Query.parse(COLUMNS, filter=filter_, select=["cid"]), snapshot_of(segment)).cids()
            assert cids == [row.cid for row in ROWS if not row.dead and passes(filter_, row)], filter_


def test_every_condition_means_the_same_to_arrow():
    table = logical_table(ROWS)
    for filter_ in CONDITIONS:
        made = expression(parse_filter(filter_, COLUMNS), COLUMNS, heat=HEAT, now_s=NOW_S)
        assert table.filter(made)["cid"].to_pylist() == [r.cid for r in ROWS if passes(filter_, r)], filter_


@pytest.mark.parametrize("op", ["gt", "gte", "lt", "lte"])
def test_a_score_is_compared_exactly_with_heat_of_32_bits(op):
    exact = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}[op]
    for score in (0.001, 0.1, 0.3, 1 / 3, 0.5, 0.7, 0.9, 0.99999):
        bound = heat_bound(Compare("heat_score", op, score), HEAT, NOW_S)
        assert not isinstance(bound, bool)
        compared, constant = bound
        wanted = HEAT.log_of_score(score, NOW_S)
        near = np.float32(wanted)
        for log in (np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))):
            by_constant = COMPARISONS[compared](pa.scalar(log), pa.scalar(constant)).as_py()
            assert by_constant == exact(float(log), wanted), (score, log)
