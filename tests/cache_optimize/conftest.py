"""An index of small size on real Parquet files, and what was observed of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from .small_index import SmallIndex, table_of


@pytest.fixture(scope="session")
def table() -> pa.Table:
    return table_of()


@pytest.fixture
def index(table: pa.Table, tmp_path: Path) -> SmallIndex:
    return SmallIndex(table, tmp_path)
