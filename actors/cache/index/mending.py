"""Key and hot files whose directory is damaged, so that they cannot even be opened, are written anew."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ....schemas.errors import DamagedIndex
from ..heat import Heat
from .damage import Damage
from .files import file_checksum, replace
from .hot import empty_hot
from .hotfile import HotFileWriter, raw_sections
from .keyfile import KeyFileWriter
from .keys import Group, concatenated, group
from .manifest import FileEntry
from .runfiles import RunFiles
from .segment import DEAD, HotColumns
from .text import decode_cids

__all__ = ["SINCE", "logs_of", "mend", "write_keys_anew"]

SINCE = "what changed since the run was written is lost"


def mend(files: RunFiles) -> None:
    """Write the key file and the hot file of a run anew where they are damaged."""
    entry, settle = files.entry, files.shared.damages.settle
    if not _is_whole(files, entry.keys):
        write_keys_anew(files)
        settle(Damage(f"{files.folder.name}/{entry.keys.name}", "directory", _is_whole(files, entry.keys)))
    if not _is_whole(files, entry.hot):
        note = write_hot_anew(files)
        settle(Damage(f"{files.folder.name}/{entry.hot.name}", "directory", True, 0, note))


def write_keys_anew(files: RunFiles) -> None:
    """The key file, from the CIDs in Parquet; raises DamagedIndex if these are damaged, too."""
    by_prefix: dict[bytes, list[Group]] = {}
    name = files.entry.names[1]
    for part in files.parts:
        text = part.read([name], range(-(-part.entry.rows // files.entry.row_group_rows))).column(name)
        for one, _ in group(decode_cids(text.combine_chunks())):
            by_prefix.setdefault(one.prefix, []).append(one)
    merged = [concatenated(by_prefix[prefix]) for prefix in sorted(by_prefix)]
    temporary = files.folder / "keys.tmp"
    writer = KeyFileWriter(temporary, [(one.prefix, one.digest_bytes, len(one)) for one in merged])
    for one in merged:
        writer.append(one)
    writer.finish()
    replace(temporary, files.folder / files.entry.keys.name)


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


def _is_whole(files: RunFiles, entry: FileEntry) -> bool:
    path = files.folder / entry.name
    return path.exists() and file_checksum(path) == (entry.size, entry.checksum)
