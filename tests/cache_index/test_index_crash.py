"""What was acknowledged is there after `kill -9`, at whichever write it comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cache_index.crash_worker import OPTIONS, photograph, script
from cache_index.index_model import NOW_S, Model, difference

from cidbus.actors.cache.index.index import CidIndex

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what an index was before each of its durable steps."""
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        photograph(folder)
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of indexes whose processes were killed, each at another step."""
    folder = tmp_path_factory.mktemp("killed")
    worker = [sys.executable, Path(__file__).with_name("crash_worker.py"), folder, "3", "16"]
    subprocess.run(worker, env=os.environ | {"PYTHONPATH": str(TESTS)}, check=True, timeout=100)
    return folder


@pytest.fixture(autouse=True)
def without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel has survives the process; these tests are not about power cuts."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def states() -> list[Model]:
    """The model before and after each operation of the script."""
    model, found = Model(), [Model()]
    for _, change in script():
        change(model)
        found.append(model.copy())
    return found


def steps_of(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.is_dir() and path.name.isdigit())


def check(folder: Path) -> None:
    expected = states()
    for step in steps_of(folder):
        acks = folder / f"{step}.acks"
        acknowledged = acks.stat().st_size if acks.exists() else 0
        index = CidIndex.open(folder / str(step), OPTIONS, clock=lambda: NOW_S)
        # The operation that was under way may have been made or not.
        either = [difference(index, model) for model in expected[acknowledged : acknowledged + 2]]
        assert None in either, (step, acknowledged, either)
        assert index.stats()["damaged"] == [], step
        index.close()


def test_before_any_write_an_index_has_all_that_was_acknowledged(images: Path) -> None:
    assert len(steps_of(images)) > 200
    check(images)


def test_an_index_killed_at_a_write_has_all_that_was_acknowledged(killed: Path) -> None:
    assert len(steps_of(killed)) > 10
    check(killed)


def test_an_index_that_was_killed_goes_on(killed: Path) -> None:
    expected = states()[-1]
    for step in steps_of(killed)[::5]:
        index = CidIndex.open(killed / str(step), OPTIONS, clock=lambda: NOW_S)
        index.delete([cid for batch in index.export_batches() for cid in batch.column("cid").to_pylist()])
        for operation, _ in script():
            operation(index)
        index.close()
        index = CidIndex.open(killed / str(step), OPTIONS, clock=lambda: NOW_S)
        assert difference(index, expected) is None, step
        assert index.verify() == []
        index.close()
