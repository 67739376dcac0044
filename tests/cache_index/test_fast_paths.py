"""What is faster than the general way must give what the general way gives."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cidbus.actors.cache.index.cells import Cells
from cidbus.actors.cache.index.damage import Damages
from cidbus.actors.cache.index.index import CidIndex
from cidbus.actors.cache.index.keyfile import KeyFile, KeyFileWriter
from cidbus.actors.cache.index.keys import Group, group, sort_order, split
from cidbus.actors.cache.index.text import Cids
from cidbus.schemas.errors import DamagedIndex

ROWS = 5000
HEAD = b"\x01\x55\x12\x20"


def keys_of(rows: int, seed: int = 1) -> Group:
    """Keys of one prefix, sorted; some of their numbers are the same."""
    raw = np.random.default_rng(seed).integers(0, 256, (rows, 36), np.uint8)
    raw[:, :4] = np.frombuffer(HEAD, np.uint8)
    raw[100:140, 4:12] = raw[100, 4:12]
    ((unsorted, _),) = group([Cids(np.arange(rows), raw)])
    return unsorted.take(sort_order(unsorted))


def written(path: Path, keys: Group) -> KeyFile:
    writer = KeyFileWriter(path, [(keys.prefix, keys.digest_bytes, len(keys))])
    writer.append(keys)
    writer.finish()
    return KeyFile(path, "keys", Damages())


@pytest.fixture
def keys() -> Group:
    return keys_of(ROWS)


@pytest.fixture
def file(tmp_path: Path, keys: Group) -> KeyFile:
    return written(tmp_path / "keys", keys)


def test_the_finder_finds_most_keys_where_they_are_and_no_others(file: KeyFile, keys: Group):
    find, every = file.finder(), keys.as_bytes()
    assert {find(key) for key in every} == {-1}  # nothing is believed before it was checked
    assert [file.find(*split(key)) for key in every] == list(range(ROWS))
    found = [find(key) for key in every]
    assert all(row in (-1, at) for at, row in enumerate(found))
    assert found.count(-1) < ROWS / 10
    for key in keys_of(ROWS, seed=2).as_bytes()[:500]:
        assert find(key) == -1
    for key in (b"", HEAD, every[7][:-1], every[7] + b"\0", b"\x00" + every[7][1:]):
        assert find(key) == -1


@pytest.mark.parametrize("rows", [1, 2, 40, 1023, 1024, ROWS])
def test_many_keys_are_found_as_one_by_one(tmp_path: Path, rows: int):
    keys = keys_of(ROWS).take(np.arange(rows))
    file = written(tmp_path / "keys", keys)
    others = keys_of(ROWS, seed=2)
    assert file.find_many(keys).tolist() == list(range(rows))
    assert file.find_many(others).tolist() == [file.find(*split(key)) for key in others.as_bytes()]


@pytest.mark.parametrize("spares_memory", [False, True])
def test_keys_of_rows_come_in_the_order_asked_for(file: KeyFile, keys: Group, spares_memory: bool):
    file.spares_memory = spares_memory
    every, rows = keys.as_bytes(), [4999, 0, 120, 4096, 7]
    assert file.keys(rows) == [every[row] for row in rows]
    assert [file.find(*split(every[row])) for row in rows] == rows


@pytest.mark.parametrize("spares_memory", [False, True])
@pytest.mark.parametrize("place", [8 + 8 * 9, 8 + 8 * ROWS + 24 * 9])
def test_a_damaged_key_is_reported_however_it_is_read(
    tmp_path: Path, keys: Group, place: int, spares_memory: bool
):
    written(tmp_path / "keys", keys)
    with (tmp_path / "keys").open("r+b") as damaged:
        damaged.seek(place)
        byte = damaged.read(1)[0]
        damaged.seek(place)
        damaged.write(bytes([byte ^ 1]))
    file = KeyFile(tmp_path / "keys", "keys", Damages())
    file.spares_memory = spares_memory
    assert file.finder()(keys.as_bytes()[9]) == -1
    with pytest.raises(DamagedIndex):
        file.keys([9])
    with pytest.raises(DamagedIndex):
        file.find(*split(keys.as_bytes()[9]))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2, 3], pa.int8()),
        pa.array([1, None, 3], pa.int64()),
        pa.array([1.5, 2.5, -1.0], pa.float32()),
        pa.array([5, 6, None], pa.timestamp("ms", "UTC")),
        pa.array([5, 6, 7], pa.timestamp("ms", "UTC")),
        pa.array(["a", "b", None]).dictionary_encode(),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array(["a", None, "b"]),
        pa.array([True, None, False]),
        pa.array([["a"], [], None], pa.list_(pa.string())),
    ],
    ids=str,
)
def test_cells_are_the_values_of_their_column(array: pa.Array):
    numbers = array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array
    for piece, wanted in ((array, numbers), (array.slice(1), numbers.slice(1))):
        assert [Cells(piece).value(row) for row in range(len(piece))] == wanted.to_pylist()
        cells = Cells(piece)
        for _ in range(2):
            assert [cells.value(row) for row in range(len(piece))] == wanted.to_pylist()


def test_a_parquet_file_that_is_closed_leaves_memory_at_once(tmp_path: Path):
    index = CidIndex.open(tmp_path)
    keys = keys_of(ROWS).as_bytes()
    index.ingest(pa.table({"cid": pa.array(keys, pa.binary()), "size_bytes": pa.array(range(ROWS))}))
    part = index.snapshot().segments[0].parquet.parts[0]
    part.read(["size_bytes"], [0])
    gc.collect()
    gc.disable()
    try:
        opened = weakref.ref(part._content.file)
        part.close()
        assert opened() is None
    finally:
        gc.enable()
    index.close()
