"""Runs a scripted life of an index in a child that is killed at the n-th durable step, for every STRIDE-th n.

    python crash_worker.py FOLDER FIRST STRIDE

For each n it leaves the index in FOLDER/n and in FOLDER/n.acks one byte for each acknowledged operation. It ends
with the first n that the script outlives.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from cache_index.index_model import NOW_S, Model, cid_of

from cidbus.actors.cache.index import files
from cidbus.actors.cache.index.index import CidIndex, IndexOptions
from cidbus.actors.cache.index.layout import Layout

OPTIONS = IndexOptions(flush_rows=20, layout=Layout(row_group_rows=4, partition_rows=8, cold=("filename",)))


def row(number: int, size: int) -> dict[str, object]:
    return {"cid": cid_of(number), "size_bytes": size, "filename": f"{size}.txt"}


# What is done to the index, and what that means for the model.
Step = tuple[Callable[[CidIndex], object], Callable[[Model], object]]


def script() -> Iterator[Step]:
    """Operations on the index, each with what it means for the model."""

    def put(*numbers: int, size: int) -> Step:
        rows = [row(number, size) for number in numbers]
        return lambda index: index.put_many(rows), lambda model: [model.put(one) for one in rows]

    def touch(*numbers: int, count: int) -> Step:
        accesses = [(cid_of(number), count, NOW_S - number) for number in numbers]
        return lambda index: index.touch(accesses), lambda model: [
            model.touch(*access) for access in accesses
        ]

    def delete(*numbers: int) -> Step:
        cids = [cid_of(number) for number in numbers]
        return lambda index: index.delete(cids), lambda model: [model.rows.pop(cid, None) for cid in cids]

    def ingest(*numbers: int, size: int) -> Step:
        rows = [row(number, size) for number in numbers]
        return lambda index: index.ingest(pa.Table.from_pylist(rows)), lambda model: [
            model.put(one) for one in rows
        ]

    def upkeep(
        action: Callable[[CidIndex], object],
    ) -> Step:
        return action, lambda model: None

    yield put(*range(12), size=1)
    yield touch(*range(12), *range(5), count=1)
    yield touch(3, count=2)
    yield upkeep(CidIndex.checkpoint)
    yield touch(*range(12), *range(20), count=1)
    yield put(2, 3, 20, 21, size=2)
    yield delete(4, 20)
    yield upkeep(CidIndex.checkpoint)
    yield ingest(*range(5, 9), 20, 21, 30, size=3)
    yield touch(*range(40), count=1)
    yield put(5, 21, size=4)
    yield upkeep(lambda index: index.compact(full=True))
    yield touch(5, 30, count=3)
    yield put(*range(50, 56), size=5)
    yield ingest(51, 5, size=6)
    yield delete(51)
    yield put(51, size=7)
    yield upkeep(CidIndex.checkpoint)
    yield touch(*range(60), count=1)
    yield upkeep(lambda index: index.compact(full=True))
    yield touch(*range(60), count=1)


def live(folder: Path, acks: Path) -> None:
    fd = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    index = CidIndex.open(folder, OPTIONS, clock=lambda: NOW_S)
    for operation, _ in script():
        operation(index)
        os.write(fd, b".")
    index.close()


def run(folder: Path, n: int) -> bool:
    """Whether the script was killed at its n-th step."""
    child = os.fork()
    if child == 0:
        steps = 0

        def count(_: str) -> None:
            nonlocal steps
            steps += 1
            if steps == n:
                os.kill(os.getpid(), signal.SIGKILL)

        files.on_step = count
        os.fsync = lambda fd: None  # what the kernel has survives the process; this is not about power cuts
        try:
            live(folder / str(n), folder / f"{n}.acks")
        except BaseException:
            traceback.print_exc()
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) > 0:
        sys.exit("the script failed")
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def photograph(folder: Path) -> None:
    """Live once, and leave what the folder was before each durable step, as a kill at that moment would."""
    alive, steps = folder / "alive", 0

    def copy(_: str) -> None:
        nonlocal steps
        steps += 1
        shutil.copytree(alive, folder / str(steps))
        shutil.copyfile(folder / "alive.acks", folder / f"{steps}.acks")

    files.on_step = copy
    live(alive, folder / "alive.acks")
    files.on_step = None


if __name__ == "__main__":
    where, first, stride = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    pa.set_cpu_count(1)
    at = first
    while run(where, at):
        at += stride
