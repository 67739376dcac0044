"""The hot file of a run: its hot columns as of a moment, mapped copy-on-write.

    magic, rows | last f8 | heat f4 | count u4 | flags u1 | dead bits | checksums of blocks | trailer

Who is dead is there twice, in the flags and as bits: a damaged block of flags must not bring rows back.
"""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .damage import Damages
from .files import checksum, view_of, write_all
from .hot import HotTable
from .keyfile import BLOCK_ROWS, BlockSums
from .segment import DEAD, HotColumns

__all__ = ["HotFile", "HotFileWriter", "SECTIONS", "raw_sections"]

MAGIC = b"CIDHOTS1"
HEADER_BYTES = 16
# Bits a row takes in each section.
SECTIONS = {"last": 64, "heat": 32, "count": 32, "flags": 8, "dead": 1}


def _places(rows: int) -> dict[str, tuple[int, int]]:
    """Where each section begins and ends."""
    places, at = {}, HEADER_BYTES
    for name, bits in SECTIONS.items():
        size = (rows * bits + 7) // 8
        places[name] = at, at + size
        at += size
    return places


class HotFileWriter:
    """Writes hot columns piece by piece."""

    def __init__(self, path: Path, rows: int) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._rows, self._places = rows, _places(rows)
        self._at = {name: start for name, (start, _) in self._places.items()}
        self._sums = {name: BlockSums(BLOCK_ROWS * bits // 8) for name, bits in SECTIONS.items()}
        self._flags: list[npt.NDArray[np.uint8]] = []
        write_all(self._fd, MAGIC + rows.to_bytes(8, "little"), 0)

    def append(self, columns: HotColumns) -> None:
        """The next rows."""
        for name, data in (
            ("last", columns.last_s),
            ("heat", columns.heat),
            ("count", columns.count),
            ("flags", columns.flags),
        ):
            self._write(name, np.ascontiguousarray(data).view(np.uint8))
        self._flags.append(columns.flags & np.uint8(DEAD))

    def _write(self, name: str, data: npt.NDArray[np.uint8]) -> None:
        write_all(self._fd, view_of(data), self._at[name])
        self._at[name] += len(data)
        self._sums[name].update(view_of(data))

    def finish(self) -> int:
        """Write the rest, sync, and say how many rows are dead."""
        dead = np.concatenate(self._flags)
        self._write("dead", np.packbits(dead))
        sums = b"".join(self._sums[name].finish().tobytes() for name in SECTIONS)
        trailer = checksum(sums + self._rows.to_bytes(8, "little")).to_bytes(8, "little") + MAGIC
        write_all(self._fd, sums + trailer, self._places["dead"][1])
        os.fsync(self._fd)
        self._close()
        return int(dead.sum())

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        # A writer that failed is not finished.
        self._close()


class HotFile:
    """An open hot file; `table` is its columns. Raises DamagedIndex if the file is not a hot file of so many
    rows."""

    def __init__(self, path: Path, name: str, rows: int, dead: int, damages: Damages) -> None:
        self.name, self._damages, self._rows = name, damages, rows
        self._lock = threading.Lock()
        if not path.exists():
            raise damages.found(name, "missing")
        self._fd = os.open(path, os.O_RDONLY)
        with os.fdopen(self._fd, closefd=False) as file:
            size = os.fstat(file.fileno()).st_size
            self._places, blocks = _places(rows), -(-rows // BLOCK_ROWS)
            if size != self._places["dead"][1] + 8 * blocks * len(SECTIONS) + 16:
                raise damages.found(name, "size")
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
        at = self._places["dead"][1]
        sums = self._map[at : size - 16]
        header_ok = self._map[:HEADER_BYTES] == MAGIC + rows.to_bytes(8, "little")
        expected = int.from_bytes(self._map[size - 16 : size - 8], "little")
        if not header_ok or checksum(sums + rows.to_bytes(8, "little")) != expected:
            raise damages.found(name, "directory")
        self._sums = np.frombuffer(sums, np.uint64).reshape(len(SECTIONS), blocks)
        self.table = HotTable(self._columns(), dead, self._check)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            os.close(self._fd)

    def _columns(self) -> HotColumns:
        places, rows, raw = self._places, self._rows, self._map
        return HotColumns(
            np.frombuffer(raw, np.float64, rows, places["last"][0]),
            np.frombuffer(raw, np.float32, rows, places["heat"][0]),
            np.frombuffer(raw, np.uint32, rows, places["count"][0]),
            np.frombuffer(raw, np.uint8, rows, places["flags"][0]),
        )

    def _check(self, block: int | None) -> None:
        table = self.table
        # Nobody changes a block before it is checked, so nobody changes one that is being checked.
        with self._lock:
            blocks = range(len(table.checked)) if block is None else (block,)
            for one in blocks:
                if not table.checked[one]:
                    bad = self.damaged_sections(one)
                    if bad:
                        raise self._damages.found(self.name, f"{bad[0]} of block {one}")
                    table.checked[one] = 1
            table.all_checked = table.checked.find(0) < 0

    def damaged_sections(self, block: int) -> list[str]:
        """The sections of a block that nobody has changed yet that do not match their checksums."""
        bad = []
        for number, (name, bits) in enumerate(SECTIONS.items()):
            start, stop = self._places[name]
            size = BLOCK_ROWS * bits // 8
            # Read instead of mapped: checking must not make the file resident.
            at = start + block * size
            piece = os.pread(self._fd, min(size, stop - at), at)
            if checksum(piece) != int(self._sums[number, block]):
                bad.append(name)
        return bad

    def dead_bits(self, block: int) -> npt.NDArray[np.uint8]:
        """Who is dead in a block, by the bits."""
        start, stop = self._places["dead"]
        size = BLOCK_ROWS // 8
        raw = np.frombuffer(self._map, np.uint8, stop - start, start)[block * size : (block + 1) * size]
        return np.unpackbits(raw)[: min(BLOCK_ROWS, self._rows - block * BLOCK_ROWS)]

    def settle(self, block: int) -> None:
        """A block has been repaired in memory."""
        with self._lock:
            self.table.checked[block] = 1
            self.table.dirty = True
            self.table.all_checked = self.table.checked.find(0) < 0


def raw_sections(path: Path, rows: int) -> tuple[HotColumns | None, npt.NDArray[np.uint8] | None]:
    """The columns of a file whose checksums cannot be believed, and who is dead if flags and bits agree."""
    data, places = path.read_bytes(), _places(rows)
    if len(data) < places["dead"][1]:
        return None, None
    raw = {name: np.frombuffer(data[start:stop], np.uint8).copy() for name, (start, stop) in places.items()}
    columns = HotColumns(
        raw["last"].view(np.float64), raw["heat"].view(np.float32), raw["count"].view(np.uint32), raw["flags"]
    )
    dead = columns.flags & np.uint8(DEAD)
    return columns, dead if (np.packbits(dead) == raw["dead"]).all() else None
