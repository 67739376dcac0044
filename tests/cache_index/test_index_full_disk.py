"""A disk that is full is told as such, and what was acknowledged stays."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cache_index.index_model import NOW_S, abandon, cid_of

from cidbus.actors.cache.index import files
from cidbus.actors.cache.index.index import CidIndex
from cidbus.schemas.errors import StorageFull

CHANGES: list[Callable[[CidIndex], object]] = [
    lambda index: index.put({"cid": cid_of(100)}),
    lambda index: index.update(cid_of(0), {"filename": "b"}),
    lambda index: index.set_hot(cid_of(0), pinned=True),
    lambda index: index.delete([cid_of(0)]),
    lambda index: index.touch([(cid_of(0), 1, NOW_S)]),
    lambda index: index.touch([(cid_of(0), 1, NOW_S)] * 20),
    lambda index: index.checkpoint(),
    lambda index: index.compact(full=True),
]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """While it is not empty the disk takes so many bytes of each write and then no more."""
    left: list[int] = []
    write, pwrite = os.write, os.pwrite

    def refused(fd: int, data: memoryview) -> int:
        if left and left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        if left:
            done = write(fd, data[: left[0]])
            left[0] -= done
            return done
        return write(fd, data)

    def refused_at(fd: int, data: memoryview, at: int) -> int:
        if left:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(fd, data, at)

    monkeypatch.setattr(files.os, "write", refused)
    monkeypatch.setattr(files.os, "pwrite", refused_at)
    yield left
    left.clear()


def opened(folder: Path) -> CidIndex:
    return CidIndex.open(folder, clock=lambda: NOW_S)


def with_rows(folder: Path) -> CidIndex:
    index = opened(folder)
    index.put_many([{"cid": cid_of(n), "filename": "a"} for n in range(20)])
    index.checkpoint()
    index.put_many([{"cid": cid_of(n), "filename": "a"} for n in range(20, 40)])
    return index


@pytest.mark.parametrize("room", [0, 10])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_the_disk_does_not_take_is_not_made(
    tmp_path: Path, full: list[int], change: Callable[[CidIndex], object], room: int
) -> None:
    index = with_rows(tmp_path / "index")
    before = [index.get(cid_of(n)) for n in (*range(40), 100)]
    for _ in range(3):
        full[:] = [room]
        with pytest.raises(StorageFull, match="disk is full"):
            change(index)
    full.clear()
    assert [index.get(cid_of(n)) for n in (*range(40), 100)] == before
    assert len(list((tmp_path / "index").glob("log.*"))) <= 2
    assert not list((tmp_path / "index").rglob("*.tmp"))
    index.put({"cid": cid_of(200), "filename": "after"})
    abandon(index)
    index = opened(tmp_path / "index")
    assert [index.get(cid_of(n)) for n in (*range(40), 100)] == before
    assert index.get(cid_of(200)) is not None
    assert index.stats()["damaged"] == []
    index.checkpoint()
    index.compact(full=True)
    assert index.record_count == 41
    assert index.verify() == []
    index.close()
    index = opened(tmp_path / "index")
    assert [index.get(cid_of(n)) for n in (*range(40), 100)] == before
    index.close()


@pytest.mark.parametrize("room", range(9))
def test_a_disk_that_fills_at_any_write_of_a_checkpoint_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    index = with_rows(tmp_path / "index")
    index.touch([(cid_of(n), 3, NOW_S) for n in range(40)])
    index.delete([cid_of(5)])
    steps = [room * 3]

    def count(_: str) -> None:
        steps[0] -= 1
        if steps[0] < 0:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(files, "on_step", count)
    with contextlib.suppress(StorageFull):
        index.compact(full=True)
    monkeypatch.setattr(files, "on_step", None)
    for again in (False, True):
        if again:
            index.tend()
            index.checkpoint()
        assert index.record_count == 39
        assert index.get(cid_of(5)) is None
    abandon(index)
    index = opened(tmp_path / "index")
    assert index.record_count == 39
    assert {index.get(cid_of(n))["access_count"] for n in range(40) if n != 5} == {3}  # type: ignore[index]
    assert index.verify() == []
    index.close()
