"""A flipped byte in any file of an index is found, told, repaired where it can be, and never served."""

import contextlib
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from cache_index.index_model import NOW_S, Model, abandon, cid_of, difference

from cidbus.actors.cache.index.index import CidIndex, IndexOptions
from cidbus.actors.cache.index.layout import Layout
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import DamagedIndex

OPTIONS = IndexOptions(
    layout=Layout(row_group_rows=64, partition_rows=256, cold=("filename",), indexes=("size_bytes",))
)
FLIPS = 12


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """A closed index with a run, hot changes since, and its model."""
    folder, model = tmp_path_factory.mktemp("whole") / "index", Model()
    index = opened(folder)
    rows = [
        {"cid": cid_of(n), "size_bytes": n * 7919 % 1000, "filename": f"{n}.bin", "mimetype": "image/png"}
        for n in range(600)
    ]
    index.put_many(rows)
    for row in rows:
        model.put(row)
    index.checkpoint()
    gone = [cid_of(n) for n in range(3, 600, 50)]
    index.delete(gone)
    for cid in gone:
        model.rows.pop(cid, None)
    accesses = [(cid_of(n), 1 + n % 3, NOW_S - n) for n in range(0, 600, 2)]
    index.touch(accesses)
    for access in accesses:
        model.touch(*access)
    index.close()
    return folder, model


def opened(folder: Path) -> CidIndex:
    return CidIndex.open(folder, OPTIONS, clock=lambda: NOW_S)


def copy_of(whole: tuple[Path, Model], tmp_path: Path, name: str = "copy") -> Path:
    return Path(shutil.copytree(whole[0], tmp_path / name))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << at % 8
    path.write_bytes(data)


def serves_only_the_truth(index: CidIndex, model: Model) -> None:
    """Whatever is served is right; the rest raises DamagedIndex."""
    for cid, row in model.rows.items():
        try:
            found = index.get(cid)
        except DamagedIndex:
            continue
        assert found is not None
        assert (found["size_bytes"], found["filename"]) == (row.static["size_bytes"], row.static["filename"])
        assert found["access_count"] == row.count
    for segment in index.snapshot().segments:
        for name in ("size_bytes", "filename"):
            try:
                values = segment.column(name).to_pylist()
                dead = segment.hot.flags & 1
                cids = segment.cids(np.arange(segment.rows))
            except DamagedIndex:
                continue
            for cid, value, is_dead in zip(cids, values, dead, strict=True):
                if not is_dead:
                    assert model.rows[cid].static[name] == value


@pytest.mark.parametrize("kind", ["part-*", "cold-*", "keys", "hot.*", "chunks", "order.*"])
def test_a_flipped_byte_is_never_served_and_always_found(
    whole: tuple[Path, Model], tmp_path: Path, kind: str
) -> None:
    model = whole[1]
    choose = random.Random(kind)
    for number in range(FLIPS):
        folder = copy_of(whole, tmp_path, str(number))
        path = choose.choice(sorted(folder.glob(f"run-*/{kind}")))
        flip(path, choose.randrange(path.stat().st_size))
        try:
            index = opened(folder)
        except DamagedIndex as error:
            raise AssertionError(f"{path} keeps the index from opening") from error
        serves_only_the_truth(index, model)
        found = index.verify()
        assert found, path
        assert all(damage.repaired for damage in found), found
        assert index.stats()["damaged"]
        assert index.verify() == []
        if kind in ("keys", "chunks", "order.*") or not any(d.lost_rows or d.note for d in found):
            assert difference(index, model) is None
        else:
            assert index.record_count == len(model.rows) - sum(damage.lost_rows for damage in found)
        index.close()
        index = opened(folder)
        assert index.verify() == []
        index.close()


@pytest.mark.parametrize("kind", ["keys", "hot.*"])
@pytest.mark.parametrize("at", [0, -1, -12, -20, -60, -100, None])
def test_a_file_that_cannot_even_be_opened_is_written_again(
    whole: tuple[Path, Model], tmp_path: Path, kind: str, at: int | None
) -> None:
    folder, model = copy_of(whole, tmp_path), whole[1]
    path = next(folder.glob(f"run-*/{kind}"))
    if at is None:
        path.unlink()
    else:
        flip(path, at)
    index = opened(folder)
    index.verify()
    damaged = index.stats()["damaged"]
    assert damaged
    assert all(damage["repaired"] for damage in damaged)
    if kind == "keys" or at is not None:
        assert difference(index, model) is None
    index.close()
    index = opened(folder)
    assert index.verify() == []
    index.close()


@pytest.mark.parametrize("name", ["manifest.a", "manifest.b"])
def test_a_damaged_manifest_is_written_again_from_its_copy(
    whole: tuple[Path, Model], tmp_path: Path, name: str
) -> None:
    folder = copy_of(whole, tmp_path)
    flip(folder / name, 100)
    index = opened(folder)
    assert [damage["file"] for damage in index.stats()["damaged"]] == [name]
    assert difference(index, whole[1]) is None
    index.close()
    assert (folder / "manifest.a").read_bytes() == (folder / "manifest.b").read_bytes()


def test_where_both_manifests_are_damaged_the_rows_of_runs_are_read_again_and_files_kept(
    whole: tuple[Path, Model], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, model = copy_of(whole, tmp_path), whole[1]
    for name in ("manifest.a", "manifest.b"):
        flip(folder / name, 100)
    index = opened(folder)
    (aside,) = folder.glob("damaged-*")
    assert str(aside) in caplog.text
    assert (aside / "manifest.a").exists()
    (damage,) = index.stats()["damaged"]
    assert str(aside) in damage["note"]
    assert index.record_count == len(model.rows)
    for cid, row in model.rows.items():
        found = index.get(cid)
        assert found is not None
        assert (found["size_bytes"], found["filename"]) == (row.static["size_bytes"], row.static["filename"])
    index.put({"cid": cid_of(10_000)})
    index.close()
    caplog.clear()
    index = opened(folder)
    assert index.record_count == len(model.rows) + 1
    assert index.verify() == []
    index.close()


TOGETHER = [
    ("keys", "part-0000*"),
    ("keys", "part-*"),
    ("keys", "chunks", "part-0000*"),
    ("keys", "hot.*", "chunks", "part-0001*"),
    ("keys", "hot.*", "chunks", "part-*", "cold-*", "order.*"),
    ("chunks", "cold-0000*"),
    ("hot.*", "part-0000*"),
]


@pytest.mark.parametrize("kinds", TOGETHER)
@pytest.mark.parametrize("seed", range(3))
def test_damage_of_several_files_of_a_run_is_repaired_as_far_as_can_be(
    whole: tuple[Path, Model], tmp_path: Path, kinds: tuple[str, ...], seed: int
) -> None:
    folder, model, choose = copy_of(whole, tmp_path), whole[1], random.Random(f"{kinds} {seed}")
    for kind in kinds:
        for path in folder.glob(f"run-*/{kind}"):
            for _ in range((20, 3, 1)[seed]):
                flip(path, choose.randrange(path.stat().st_size))
    index = opened(folder)
    for cid, row in model.rows.items():
        with contextlib.suppress(DamagedIndex):
            found = index.get(cid)
            assert found is None or found["filename"] == row.static["filename"]
    index.verify()
    assert_all_reads(index, model)
    kept = index.record_count
    index.close()
    index = opened(folder)
    assert index.record_count == kept
    assert index.verify() == []
    assert_all_reads(index, model)
    index.close()


def assert_all_reads(index: CidIndex, model: Model) -> None:
    """Every row that is left is right and read by all ways; the others are told of as lost."""
    damaged = index.stats()["damaged"]
    assert damaged is not None
    assert all(damage["repaired"] for damage in damaged), damaged
    found = {cid: row for cid in model.rows if (row := index.get(cid)) is not None}
    for cid, row in found.items():
        static = model.rows[cid].static
        assert (row["size_bytes"], row["filename"]) == (static["size_bytes"], static["filename"])
    exported = [cid for batch in index.export_batches() for cid in batch.column("cid").to_pylist()]
    came_back = {cid_of(n) for n in range(3, 600, 50)}  # their deletion is known to hot columns alone
    assert len(exported) == len(set(exported)) == index.record_count
    assert set(exported) - came_back == set(found)
    if damaged:
        lost = sum(damage["lost_rows"] for damage in damaged)
        assert len(model.rows) <= index.record_count + lost
    index.put({"cid": cid_of(20_000)})
    assert index.delete([cid_of(20_000)]) == 1


def test_a_run_that_nothing_is_left_of_is_moved_aside(whole: tuple[Path, Model], tmp_path: Path) -> None:
    for by_verify in (True, False):
        folder = copy_of(whole, tmp_path, str(by_verify))
        index = opened(folder) if by_verify else None
        for path in folder.glob("run-*/*"):
            path.write_bytes(bytes(path.stat().st_size))
        if index is None:
            index = opened(folder)
        else:
            index.verify()
        assert index.record_count == 0
        assert sum(damage["lost_rows"] for damage in index.stats()["damaged"]) == len(whole[1].rows)
        assert len(list(folder.glob("damaged/run-*/part-0000.parquet"))) == 1
        index.put({"cid": cid_of(1)})
        index.close()
        index = opened(folder)
        assert (index.record_count, index.verify()) == (1, [])
        index.close()


def test_damage_that_readers_meet_is_repaired_by_the_next_tend(
    whole: tuple[Path, Model], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, model = copy_of(whole, tmp_path), whole[1]
    index = opened(folder)
    flip(sorted(folder.glob("run-*/cold-*"))[0], 40)
    with pytest.raises(DamagedIndex):
        for cid in model.rows:
            index.get(cid)
    index.tend()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "rows lost" in caplog.text
    found = [cid for cid in model.rows if index.get(cid) is not None]
    assert len(found) == index.record_count < len(model.rows)
    caplog.clear()
    index.tend()
    assert caplog.records == []
    assert index.verify() == []
    index.close()


def test_a_damaged_log_record_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    for at in range(0, 40, 3):
        folder = tmp_path / str(at)
        index = opened(folder)
        for number in range(3):
            index.put({"cid": cid_of(number), "size_bytes": number})
        log = next(folder.glob("log.*"))
        size = log.stat().st_size
        abandon(index)
        flip(log, 16 + (size - 16) // 3 + at)
        index = opened(folder)
        assert index.record_count == 2
        assert [damage["file"] for damage in index.stats()["damaged"]] == [log.name]
        index.close()


def test_a_log_that_is_damaged_while_the_index_is_open_is_not_needed_after_verify(tmp_path: Path) -> None:
    index = opened(tmp_path / "index")
    index.put_many([{"cid": cid_of(number), "size_bytes": number} for number in range(9)])
    flip(next((tmp_path / "index").glob("log.*")), 60)
    assert [damage.repaired for damage in index.verify()] == [True]
    abandon(index)
    index = opened(tmp_path / "index")
    assert index.record_count == 9
    assert index.stats()["damaged"] == []
    index.close()


def test_a_torn_end_of_the_log_is_no_damage(tmp_path: Path) -> None:
    index = opened(tmp_path / "index")
    for number in range(3):
        index.put({"cid": cid_of(number)})
    log = next((tmp_path / "index").glob("log.*"))
    abandon(index)
    log.write_bytes(log.read_bytes()[:-5])
    index = opened(tmp_path / "index")
    assert index.record_count == 2
    assert index.stats()["damaged"] == []
    index.close()


def test_damage_that_a_replay_meets_is_repaired_before(whole: tuple[Path, Model], tmp_path: Path) -> None:
    folder, model = copy_of(whole, tmp_path), whole[1].copy()
    index = opened(folder)
    for number in range(100):
        index.touch([(cid_of(number), 1, NOW_S)])
        model.touch(cid_of(number), 1, NOW_S)
    abandon(index)
    flip(next(folder.glob("run-*/keys")), 500)
    index = opened(folder)
    assert difference(index, model) is None
    assert [damage["repaired"] for damage in index.stats()["damaged"]] == [True]
    index.close()


def test_rows_of_a_damaged_row_group_are_counted_as_lost(whole: tuple[Path, Model], tmp_path: Path) -> None:
    folder, model = copy_of(whole, tmp_path), whole[1]
    flip(sorted(folder.glob("run-*/part-*"))[0], 40)
    index = opened(folder)
    found = index.verify()
    assert 0 < found[0].lost_rows <= 64
    assert index.record_count == len(model.rows) - found[0].lost_rows
    left = [cid for cid in model.rows if index.get(cid) is not None]
    assert len(left) == index.record_count
    index.close()


def test_a_removed_file_is_damage(whole: tuple[Path, Model], tmp_path: Path) -> None:
    folder = copy_of(whole, tmp_path)
    next(folder.glob("run-*/part-0001*")).unlink()
    index = opened(folder)
    assert index.hot(str(CID.parse(next(iter(whole[1].rows))))) is not None
    assert [damage.repaired for damage in index.verify()] == [True]
    assert index.verify() == []
    index.close()


def test_keys_that_are_damaged_after_they_were_read_are_not_merged_into_a_new_run(
    whole: tuple[Path, Model], tmp_path: Path
) -> None:
    folder, model = copy_of(whole, tmp_path), whole[1]
    index = opened(folder)
    assert all(index.get(cid) for cid in model.rows)  # every block of keys has been checked
    path = next(folder.glob("run-*/keys"))
    with path.open("r+b") as file:  # in place, below the map of the open index
        for at in range(200, path.stat().st_size - 8000, 211):
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))
    with contextlib.suppress(DamagedIndex):
        index.compact(full=True)
    index.verify()
    index.compact(full=True)
    cids = [cid for batch in index.export_batches() for cid in batch.column("cid").to_pylist()]
    assert set(cids) <= set(model.rows)
    assert len(cids) == index.record_count == len(model.rows), "all keys were in Parquet too"
    index.close()
