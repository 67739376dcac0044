"""The manifest: which files are the index, at which record of the log, under which columns.

JSON behind a checksum, in two copies written one after the other: either may be damaged and is then written
again from the other. What no manifest names is no part of the index.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from ..columns import BUILT_IN, FIRST_OWN, Column, Columns
from .damage import Damage, Damages
from .files import checksum, fill
from .layout import Layout

__all__ = ["FileEntry", "Manifest", "RunEntry", "read_manifest", "write_manifest"]

COPIES = ("manifest.a", "manifest.b")
FORMAT = 1


@dataclass(slots=True)
class FileEntry:
    """A file of a run: its name, size, checksum; for Parquet also those of its footer."""

    name: str
    size: int
    checksum: int
    footer: int = 0
    footer_size: int = 0
    rows: int = 0


@dataclass(slots=True)
class RunEntry:
    """A run.

    `names` are the columns as its files call them, by number; `constants` the columns with one value in all
    rows.
    `parts`, `cold`: Parquet files, all but the last of `part_rows` rows. `boundaries`: for each
    `HOT_PART_ROWS` rows, the first record of the log that is not in the hot file. `written_s`: when the run
    was
    written, which its Parquet files' scores are of.
    """

    number: int
    uid: str
    rows: int
    part_rows: int
    row_group_rows: int
    names: dict[int, str]
    constants: dict[int, Any]
    dictionary: list[int]
    resident: list[int]
    cold_columns: list[int]
    parts: list[FileEntry]
    cold: list[FileEntry]
    keys: FileEntry
    chunks: FileEntry
    hot: FileEntry
    dead: int
    boundaries: list[int]
    written_s: float = 0.0
    orders: dict[int, FileEntry] = field(default_factory=dict)


@dataclass(slots=True)
class Manifest:
    """One state of the index. `memory_from`: the first record whose rows are in no run; `replay_from`: the
    first
    that matters at all; heat is on the scale that held at that record. `replaced`: runs that were ingested,
    and the
    records that say which rows they replaced."""

    columns: Columns = field(default_factory=Columns)
    next_column: int = FIRST_OWN
    half_life_s: float = 86_400.0
    epoch_s: float = 0.0
    layout: Layout = field(default_factory=Layout)
    commit: int = 0
    next_run: int = 1
    memory_from: int = 0
    replay_from: int = 0
    replaced: list[tuple[str, int]] = field(default_factory=list)
    runs: list[RunEntry] = field(default_factory=list)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Commit: after the first copy is in place this is the state of the index."""
    manifest.commit += 1
    body = orjson.dumps(_to_json(manifest), option=orjson.OPT_NON_STR_KEYS)
    data = b"%016x\n" % checksum(body) + body
    for name in COPIES:
        fill(folder / name, data)


def read_manifest(folder: Path, damages: Damages) -> Manifest | None:
    """The newest good copy, None where there is none at all; a damaged one is written again.

    Raises DamagedIndex if no copy is good.
    """
    found: list[tuple[str, bytes, dict[str, Any]]] = []
    bad = []
    for name in COPIES:
        path = folder / name
        if path.exists():
            data = path.read_bytes()
            body = data[17:]
            if data[:17] == b"%016x\n" % checksum(body):
                found.append((name, data, orjson.loads(body)))
            else:
                bad.append(name)
    if not found:
        if bad:
            raise damages.found(bad[0], "both copies")
        return None
    _, data, newest = max(found, key=lambda copy: int(copy[2]["commit"]))
    for name in COPIES:
        if name not in [other for other, raw, _ in found if raw == data]:
            fill(folder / name, data)
    for name in bad:
        damages.settle(Damage(name, "content", repaired=True))
    return _from_json(newest)


def _to_json(manifest: Manifest) -> dict[str, Any]:
    columns = manifest.columns
    return {
        "format": FORMAT,
        **{name: getattr(manifest, name) for name in _PLAIN},
        "columns": [[column.number, column.name, column.kind] for column in columns],
        "types": base64.b64encode(columns.schema().serialize().to_pybytes()).decode(),
        "layout": asdict(manifest.layout),
        "runs": [asdict(run) for run in manifest.runs],
    }


def _from_json(state: dict[str, Any]) -> Manifest:
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(state["types"])))
    built_in = {column.number: column.type for column in BUILT_IN}
    columns = Columns(
        tuple(
            # Types of built-in columns are taken from the code where they are the same: they compare faster.
            Column(number, name, built_in[number] if built_in.get(number) == field.type else field.type, kind)
            for (number, name, kind), field in zip(state["columns"], schema, strict=True)
        )
    )
    layout: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in state["layout"].items()
    }
    known = {field.name for field in fields(Layout)}
    return Manifest(
        columns=columns,
        layout=Layout(**{key: value for key, value in layout.items() if key in known}),
        runs=[_run(run) for run in state["runs"]],
        **{name: state[name] for name in _PLAIN},
    )


_PLAIN = (
    "next_column", "half_life_s", "epoch_s", "commit", "next_run", "memory_from", "replay_from",
    "replaced",
)  # fmt: skip


def _run(state: dict[str, Any]) -> RunEntry:
    for name in ("names", "constants"):
        state[name] = {int(number): value for number, value in state[name].items()}
    for name in ("parts", "cold"):
        state[name] = [FileEntry(**entry) for entry in state[name]]
    for name in ("keys", "chunks", "hot"):
        state[name] = FileEntry(**state[name])
    state["orders"] = {int(number): FileEntry(**entry) for number, entry in state["orders"].items()}
    return RunEntry(**state)
