"""Hypothesis strategies: rows, segments and filters that meet each other's values."""

from __future__ import annotations

from typing import Any

from cache_query.memory_index import NOW_S, MemorySegment, Row, cid_of, in_cid_order, old_cid_of
from hypothesis import strategies as st

CIDS = [cid_of(number) for number in range(48)] + [old_cid_of(number) for number in range(16)]
TEXTS = ["", "a", "ab", "image/png", "text/plain", "zoë", "日本", "a.b", "\n"]
TIMES_MS = [0, 1, 999, 1000, 1_700_000_000_000, 1_700_000_000_123, -5000]
NUMBERS = [-(2**63), -1, 0, 1, 7, 1000, 2**40, 2**63 - 1]
REALS = [-1.5, 0.0, 0.1, 0.5, 3.0, 1e300]
FLOATS = [-1.5, 0.0, 0.5, 3.0]
SCORES = [-0.5, 0.0, 0.1, 0.25, 0.5, 0.75, 0.999, 1.0, 2.0]
LAST_S = [0.0, 0.001, 1.5, 1_700_000_000.0, 1_700_000_000.1234, 1_699_999_999.9995]
TAGS = ["", "a", "cat", "日本"]

MIB: dict[str, st.SearchStrategy[Any]] = {
    "size_bytes": st.sampled_from(NUMBERS),
    "mimetype": st.sampled_from(TEXTS),
    "filename": st.sampled_from(TEXTS),
    "cid_version": st.sampled_from([0, 1]),
    "added_timestamp": st.sampled_from(TIMES_MS),
    "quality": st.sampled_from(REALS),
    "level": st.sampled_from(FLOATS),
    "checked": st.booleans(),
    "day": st.sampled_from([0, 86_400, -1]),
    "port": st.sampled_from([0, 80, 65_535]),
    "tags": st.lists(st.sampled_from(TAGS), max_size=3),
    "properties": st.dictionaries(st.sampled_from(["k", "a.b"]), st.sampled_from(TEXTS), max_size=2),
}


@st.composite
def rows(draw: st.DrawFn, max_rows: int = 40) -> list[Row]:
    numbers = draw(st.lists(st.integers(0, 63), max_size=max_rows, unique=True))
    return [draw(_row(CIDS[number])) for number in numbers]


def _row(cid: str) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        cid=st.just(cid),
        values=st.fixed_dictionaries({}, optional=MIB).map(dict),
        log=st.sampled_from([float("-inf"), 0.0, 1.0, -2.5, 0.5, 3.25]),
        count=st.sampled_from([0, 1, 5, 2**31 - 1]),
        last_s=st.sampled_from(LAST_S),
        pinned=st.booleans(),
        valid=st.booleans(),
        tier=st.sampled_from(["ipfs", "disk", "memory"]),
        dead=st.sampled_from([False, False, False, True]),
    )


@st.composite
def segments(draw: st.DrawFn) -> tuple[list[MemorySegment], list[list[Row]]]:
    """Rows spread over one to three segments, each with a layout of its own."""
    every = draw(rows())
    cuts = sorted(draw(st.lists(st.integers(0, len(every)), max_size=2)))
    parts = [every[low:high] for low, high in zip([0, *cuts], [*cuts, len(every)], strict=True)]
    return [draw(_segment(f"run {number}", part)) for number, part in enumerate(parts)], parts


@st.composite
def _segment(draw: st.DrawFn, name: str, part: list[Row]) -> MemorySegment:
    sorted_ = draw(st.booleans())
    if sorted_:
        part.sort(key=lambda row: in_cid_order(row.cid))
    return MemorySegment(
        name,
        part,
        in_cid_order=sorted_,
        resident=draw(st.lists(st.sampled_from([*MIB]), unique=True)),
        zone_rows=draw(st.sampled_from([0, 1, 4])),
        indexes=draw(st.lists(st.sampled_from(["size_bytes", "mimetype", "added_timestamp"]), unique=True)),
        dictionary=draw(st.lists(st.sampled_from(["mimetype", "filename"]), unique=True)),
    )


def _orders(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    one = st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]).flatmap(
        lambda operator: values.map(lambda value: {operator: value})
    )
    both = st.tuples(values, values).map(lambda ends: {"$gte": ends[0], "$lt": ends[1]})
    listed = st.sampled_from(["$in", "$nin"]).flatmap(
        lambda operator: st.lists(values | st.none(), max_size=3).map(lambda value: {operator: value})
    )
    return st.one_of(one, both, listed, _nulls(), values)


def _nulls() -> st.SearchStrategy[Any]:
    return st.sampled_from([None, {"$exists": True}, {"$exists": False}, {"$ne": None}])


def _texts(values: list[str]) -> st.SearchStrategy[Any]:
    patterns = st.sampled_from(["a", "^a", "b$", "image/.*", "[ab]+", "^$"])
    return st.one_of(
        _orders(st.sampled_from(values)),
        st.sampled_from(values).map(lambda text: {"$contains": text}),
        patterns.map(lambda pattern: {"$regex": pattern}),
    )


_seconds = st.sampled_from([ms / 1000 for ms in TIMES_MS] + [0.9995, 1_700_000_000, "2023-11-14T22:13:20Z"])
_scores = st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]).flatmap(
    lambda operator: st.sampled_from(SCORES).map(lambda value: {operator: value})
)
_truths = st.one_of(st.booleans(), st.booleans().map(lambda value: {"$ne": value}), _nulls())
_columns: dict[str, st.SearchStrategy[Any]] = {
    "size_bytes": _orders(st.sampled_from(NUMBERS)) | st.just({"$gt": 0.5}) | st.just({"$lte": 6.5}),
    "mimetype": _texts(TEXTS),
    "filename": _texts(TEXTS),
    "cid_version": _orders(st.sampled_from([0, 1, 2])),
    "added_timestamp": _orders(_seconds),
    "quality": _orders(st.sampled_from(REALS)),
    "level": _orders(st.sampled_from([*FLOATS, 0.1])),
    "checked": _truths | st.just({"$in": [True, None]}) | st.just({"$in": [True, False]}),
    "day": _orders(st.sampled_from([0, 86_400, -1, 0.5])).filter(lambda f: f != 0.5 and not _fractional(f)),
    "port": _orders(st.sampled_from([0, 80, 65_535])),
    "tags": st.one_of(
        _nulls(),
        st.sampled_from(TAGS),
        st.sampled_from(TAGS).map(lambda tag: {"$contains": tag}),
        st.sampled_from(TAGS).map(lambda tag: {"$not": {"$contains": tag}}),
    ),
    "properties": _nulls(),
    "properties.k": _texts(TEXTS),
    "properties.a.b": _texts(TEXTS),
    "cid": st.one_of(
        st.sampled_from(CIDS), st.lists(st.sampled_from(CIDS), max_size=8).map(lambda cids: {"$in": cids}),
        st.sampled_from(["b", "afkrei", "7$"]).map(lambda text: {"$regex": text}), _nulls(),
    ),
    "heat_score": _scores | _nulls(),
    "access_count": _orders(st.sampled_from([0, 1, 5, 2**31 - 1])),
    "last_accessed": _orders(st.sampled_from([0.001, 1.5, 1_700_000_000, NOW_S + 0.123, 1_699_999_999.999])),
    "is_pinned": _truths,
    "valid": _truths,
    "storage_tier": _texts(["ipfs", "disk", "memory", "tape"]),
}  # fmt: skip


def _fractional(condition: Any) -> bool:
    return isinstance(condition, dict) and any(
        operator in {"$eq", "$ne", "$in", "$nin"} and 0.5 in (value if isinstance(value, list) else [value])
        for operator, value in condition.items()
    )


_leaves = st.sampled_from([*_columns]).flatmap(
    lambda name: _columns[name].map(lambda condition: {name: condition})
)
_negated = st.sampled_from([*_columns]).flatmap(
    lambda name: (
        _columns[name]
        .filter(lambda condition: isinstance(condition, dict))
        .map(lambda condition: {name: {"$not": condition}})
    )
)


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


filters: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _leaves | _negated | st.just({}),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$or": parts}),
        inner.map(lambda part: {"$not": part}),
        st.lists(inner, max_size=3).map(_merged),
    ),
    max_leaves=6,
)

sorts_of = st.none() | st.lists(
    st.sampled_from(["size_bytes", "-mimetype", "-heat_score", "last_accessed", "-quality"]),
    max_size=2,
    unique=True,
)
