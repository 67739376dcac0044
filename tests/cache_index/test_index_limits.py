"""Rows that cannot be kept are refused whole, naming the column and the limit."""

from pathlib import Path
from typing import Any

import pytest
from cache_index.index_model import NOW_S, cid_of

from cidbus.actors.cache.index.index import CidIndex
from cidbus.schemas.errors import BadRequest

WRONG: list[tuple[str, Any, int | None]] = [
    ("filename", "x" * 16_385, 16_384),
    ("filename", b"bytes", None),
    ("filename", object(), None),
    ("tags", ["x"] * 1_001, 1_000),
    ("tags", ["x" * 1_025], 1_024),
    ("tags", [None], None),
    ("properties", {str(n): "" for n in range(1_001)}, 1_000),
    ("properties", {"k" * 257: ""}, 256),
    ("properties", {"k": "v" * 4_097}, 4_096),
    ("properties", {"a": None}, None),
    ("properties", {"a": 1}, None),
    ("properties", {"a": b"b"}, None),
    ("properties", {1: "b"}, None),
    ("size_bytes", -1, 2**63 - 1),
    ("size_bytes", float("nan"), None),
    ("size_bytes", object(), None),
    ("added_timestamp", float("nan"), None),
    ("added_timestamp", float("inf"), None),
    ("added_timestamp", 10**400, None),
    ("added_timestamp", -1, 253_402_300_799),
    ("added_timestamp", 253_402_300_800, 253_402_300_799),
    ("last_accessed", -0.5, 253_402_300_799),
    ("last_accessed", float("nan"), None),
    ("heat_score", float("nan"), None),
    ("storage_tier", object(), None),
    ("is_pinned", "yes", None),
]


@pytest.mark.parametrize(("column", "value", "limit"), WRONG)
def test_a_value_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, column: str, value: object, limit: int | None
) -> None:
    index = CidIndex.open(tmp_path / "index", clock=lambda: NOW_S)
    index.put({"cid": cid_of(0)})
    for change in (
        lambda: index.put({"cid": cid_of(1), column: value}),
        lambda: index.update(cid_of(0), {column: value}),
    ):
        with pytest.raises(BadRequest) as caught:
            change()
        assert caught.value.field == column
        assert caught.value.details.get("limit") == limit
    assert index.record_count == 1
    index.close()


def test_the_largest_values_are_kept(tmp_path: Path) -> None:
    index = CidIndex.open(tmp_path / "index", clock=lambda: NOW_S)
    index.put({
        "cid": cid_of(0), "filename": "é" * 16_384, "added_timestamp": 253_402_300_799, "size_bytes": 2**63 - 1,
        "properties": {"k" * 256: "v" * 4_096}, "tags": ["t" * 1_024],
    })  # fmt: skip
    row = index.get(cid_of(0))
    assert row is not None
    assert (len(row["filename"]), row["added_timestamp"]) == (16_384, 253_402_300_799)
    index.close()


def test_a_row_that_is_too_large_for_a_message_is_refused_whole(tmp_path: Path) -> None:
    index = CidIndex.open(tmp_path / "index", clock=lambda: NOW_S)
    half = {str(n): "v" * 4_000 for n in range(40)}
    index.put({"cid": cid_of(0), "properties": half})
    for change in (
        lambda: index.put({"cid": cid_of(1), "properties": half, "tags": ["x" * 1_000] * 200}),
        lambda: index.update(cid_of(0), {"tags": ["x" * 1_000] * 200}),
        lambda: index.put({"cid": cid_of(1), "properties": {str(n): "\0" * 4_000 for n in range(11)}}),
    ):
        with pytest.raises(BadRequest) as caught:
            change()
        assert (caught.value.field, caught.value.limit) == ("metadata", 262_144)
    row = index.get(cid_of(0))
    assert row is not None
    assert row["tags"] is None
    assert index.record_count == 1
    index.close()
