"""Files of runs are written anew from each other, whether or not the run can be opened."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ....schemas.errors import DamagedIndex
from ..heat import Heat
from .damage import Damage
from .files import checksum, file_checksum, fill, replace
from .hot import empty_hot
from .hotfile import HotFileWriter, raw_sections
from .keyfile import KeyFile, KeyFileWriter
from .keys import Group, concatenated, group
from .manifest import FileEntry
from .partition import CHUNK, Partition, chunks_of
from .runfiles import RunFiles
from .segment import DEAD, HotColumns
from .text import decode_cids

__all__ = ["SINCE", "is_whole", "logs_of", "mend", "mend_chunks", "write_keys_anew"]

Mask = npt.NDArray[np.bool_]

SINCE = "what changed since the run was written is lost"


def mend(files: RunFiles) -> None:
    """Write the chunks, key and hot files of a run anew where they are damaged.

    Rows whose keys are lost are dead after this. Raises DamagedIndex if no key is left.
    """
    entry, settle, folder = files.entry, files.shared.damages.settle, files.folder.name
    mend_chunks(files)
    keys, hot = entry.keys, entry.hot
    keys_are_whole, hot_is_whole = is_whole(files.folder, keys), is_whole(files.folder, hot)
    lost = np.zeros(entry.rows, np.bool_) if keys_are_whole else write_keys_anew(files)
    note = "" if hot_is_whole else write_hot_anew(files)
    killed = _kill_lost(files, lost) if lost.any() else 0
    if not keys_are_whole:
        repaired = is_whole(files.folder, entry.keys)
        settle(Damage(f"{folder}/{keys.name}", "directory", repaired, killed))
    if not hot_is_whole:
        settle(Damage(f"{folder}/{hot.name}", "directory", True, 0, note))


def _kill_lost(files: RunFiles, lost: Mask) -> int:
    """Make rows dead in the hot file, by another name; gives how many of them were alive."""
    entry = files.entry
    columns, _ = raw_sections(files.folder / entry.hot.name, entry.rows)
    if columns is None:
        raise files.shared.damages.found(f"{files.folder.name}/{entry.hot.name}", "size")
    killed = int(np.count_nonzero(lost & ((columns.flags & DEAD) == 0)))
    columns.flags[lost] |= np.uint8(DEAD)
    _write(files, columns)
    entry.hot = _placed(files.folder, "hot.tmp", _next_name(entry.hot.name))
    entry.dead = int(np.count_nonzero(columns.flags & DEAD))
    return killed


def mend_chunks(files: RunFiles) -> Damage | None:
    """The checksums of column chunks, from files that are whole; of others those that are still believed.

    A checksum that was damaged itself matches nothing, so what it was of counts as damaged.
    """
    entry, folder = files.entry, files.folder
    if is_whole(folder, entry.chunks):
        return None
    old = entry.chunks.name
    raw = (folder / old).read_bytes() if (folder / old).exists() else b""
    shapes = [(file, shape) for file, _, shape in files.shapes()]
    sizes = [groups * width for _, (groups, width) in shapes]
    kept = (
        np.frombuffer(raw, CHUNK) if len(raw) == sum(sizes) * CHUNK.itemsize else np.zeros(sum(sizes), CHUNK)
    )
    pieces = [
        chunks_of(folder / file.name).tobytes() if is_whole(folder, file) else kept[at - size : at].tobytes()
        for (file, _), size, at in zip(shapes, sizes, accumulate(sizes), strict=True)
    ]
    data = b"".join(pieces)
    name = old if checksum(data) == entry.chunks.checksum else _next_name(old)
    fill(folder / name, data)
    entry.chunks = FileEntry(name, len(data), checksum(data))
    files.forget_parts()
    return files.shared.damages.settle(Damage(f"{folder.name}/{old}", "content", repaired=True))


def write_keys_anew(files: RunFiles, old: KeyFile | None = None) -> Mask:
    """The key file, from the CIDs in Parquet, or from what is good of the old file where these are damaged.

    Gives the rows whose keys are lost; there stands the key of the row before, and they must be made dead.
    Raises DamagedIndex if no key is left.
    """
    entry = files.entry
    pieces, lost = _known_keys(files, old)
    by_prefix: dict[bytes, list[Group]] = {}
    for one in _filled(pieces):
        by_prefix.setdefault(one.prefix, []).append(one)
    if not by_prefix:
        raise files.shared.damages.found(f"{files.folder.name}/{entry.keys.name}", "content")
    merged = [concatenated(by_prefix[prefix]) for prefix in sorted(by_prefix)]
    writer = KeyFileWriter(
        files.folder / "keys.tmp", [(one.prefix, one.digest_bytes, len(one)) for one in merged]
    )
    for one in merged:
        writer.append(one)
    writer.finish()
    name = _next_name(entry.keys.name) if lost.any() else entry.keys.name
    placed = _placed(files.folder, "keys.tmp", name)
    if lost.any():
        entry.keys = placed
    return lost


def _known_keys(files: RunFiles, old: KeyFile | None) -> tuple[list[Group | int], Mask]:
    """The keys of all rows in order, numbers standing for so many rows whose keys are lost; and which."""
    entry, pieces = files.entry, []
    lost = np.zeros(entry.rows, np.bool_)
    start = 0
    for part in files.parts:
        for groups in _readable(part, entry.names[1], -(-part.entry.rows // entry.row_group_rows)):
            first = start + groups.start * entry.row_group_rows
            stop = min(start + groups.stop * entry.row_group_rows, start + part.entry.rows)
            found: list[Group | int] = _keys_of(part, entry.names[1], groups, old, first, stop)
            lost[first:stop] = not found
            pieces += found or [stop - first]
        start += part.entry.rows
    return pieces, lost


def _readable(part: Partition, name: str, groups: int) -> list[range]:
    """All row groups at once if they can be read, or one by one."""
    try:
        part.read([name], range(groups))
    except DamagedIndex:
        return [range(group, group + 1) for group in range(groups)]
    return [range(groups)]


def _keys_of(
    part: Partition, name: str, groups: range, old: KeyFile | None, start: int, stop: int
) -> list[Group | int]:
    try:
        text = part.read([name], groups).column(name)
        return [one for one, _ in group(decode_cids(text.combine_chunks()))]
    except DamagedIndex:
        try:
            return [] if old is None else list(old.pieces(start, stop))
        except DamagedIndex:
            return []


def _filled(pieces: list[Group | int]) -> list[Group]:
    """Rows whose keys are lost get the key before them, where it stays the one that is found."""
    found: list[Group] = []
    leading = 0
    for piece in pieces:
        if not isinstance(piece, int):
            if leading:
                found.append(_repeated(piece, np.uint64(0), np.zeros_like(piece.tails[0]), leading))
                leading = 0
            found.append(piece)
        elif found:
            found.append(_repeated(found[-1], found[-1].numbers[-1], found[-1].tails[-1], piece))
        else:
            leading += piece
    return found


def _repeated(like: Group, number: Any, tail: npt.NDArray[np.uint8], rows: int) -> Group:
    numbers, tails = np.full(rows, number, np.uint64), np.tile(tail, (rows, 1))
    return Group(like.prefix, like.digest_bytes, numbers, tails)


def _next_name(name: str) -> str:
    """A file that is not what the manifest says gets another name, so that a commit decides."""
    stem, _, number = name.partition(".")
    return f"{stem}.{int(number or 0) + 1}"


def _placed(folder: Path, temporary: str, name: str) -> FileEntry:
    replace(folder / temporary, folder / name)
    return FileEntry(name, *file_checksum(folder / name))


def write_hot_anew(files: RunFiles) -> str:
    """The hot file, from its own sections if these are good; otherwise as of when the run was written.

    Gives what is lost.
    """
    entry, path, note = files.entry, files.folder / files.entry.hot.name, ""
    columns, dead = raw_sections(path, entry.rows) if path.exists() else (None, None)
    if columns is None or not _rewrites_to(files, columns):
        note = SINCE
        try:
            columns = _as_written(files)
        except DamagedIndex:
            columns, note = empty_hot(entry.rows), "the hot columns of all rows are lost"
        if dead is not None:
            columns.flags |= dead * np.uint8(DEAD)
        _write(files, columns)
        size, total = file_checksum(files.folder / "hot.tmp")
        entry.hot = FileEntry(entry.hot.name, size, total)
        entry.dead = int(np.count_nonzero(columns.flags & DEAD))
    replace(files.folder / "hot.tmp", path)
    return note


def _rewrites_to(files: RunFiles, columns: HotColumns) -> bool:
    """Whether a file of these columns is what was written before: only its checksums were damaged then."""
    _write(files, columns)
    return file_checksum(files.folder / "hot.tmp") == (files.entry.hot.size, files.entry.hot.checksum)


def _write(files: RunFiles, columns: HotColumns) -> None:
    writer = HotFileWriter(files.folder / "hot.tmp", files.entry.rows)
    writer.append(columns)
    writer.finish()


def _as_written(files: RunFiles) -> HotColumns:
    shown = files.read_hot(0, files.entry.rows)
    return HotColumns(
        shown["last_accessed"].astype(np.float64),
        logs_of(shown["heat_score"], files.shared.heat, files.entry.written_s),
        shown["access_count"].astype(np.uint32),
        shown["flags"],
    )


def logs_of(scores: npt.NDArray[np.float32], heat: Heat, at_s: float) -> npt.NDArray[np.float32]:
    """The Ls whose scores were these at a time."""
    with np.errstate(divide="ignore"):
        logs = np.log(scores) - np.log1p(-np.minimum(scores, 0.999999))
    shifted: npt.NDArray[np.float64] = logs + heat.decay * (at_s - heat.epoch_s)
    return shifted.astype(np.float32)


def is_whole(folder: Path, entry: FileEntry) -> bool:
    """Whether a file is what the manifest says."""
    path = folder / entry.name
    return path.exists() and file_checksum(path) == (entry.size, entry.checksum)
