"""The tree's past: its journal, what differs between two moments, and how it is brought back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import DATA_DIR, Folder, Json, Quiet, Seed, Url
from ..output import counted, fields, listing, local_time, print_json, say, size
from ..talking import ANSWERED, System, complain
from .changing import print_changed
from .options import InTransaction, Later, Moment, OneTreePath, WhenItWas, tree_path

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.journaling import Checkpoint, Entry, JournalStatus, Recovered
    from cidbus.schemas.tree import Difference

__all__ = [
    "checkpoint",
    "checkpoints",
    "diff",
    "enable",
    "log",
    "recover",
    "restore",
    "status",
    "verify",
]

SIGNS = {"added": "+", "removed": "-", "changed": "~"}
SHOWN_PATHS = 3
# Fields that are Unix times.
TIMES = ("at", "last_checkpoint", "timestamp", "recovered_at")
# As the documented API has it.
DEFAULT_ARCHIVE = "~/.ipfs_kit/journal"

Below = Annotated[
    str | None,
    typer.Option("--path", metavar="PATH", parser=tree_path, help="Only what is at or below this path."),
]


# ---- the past -------------------------------------------------------------------------------------------


def log(
    path: Below = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")] = 20,
    after: Annotated[
        int | None, typer.Option(min=0, help="Those behind this sequence, the oldest first.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Show what has changed the tree, the newest first."""

    async def work(client: Client) -> None:
        entries = client.journal.log(path=path, limit=limit, after=after)
        columns = ("Sequence", "Time", "State", "Operations", "Paths", "Root")
        await listing(entries, columns, _entry_row, as_json=as_json)

    System(url, seed, data_dir).talk(work)


def _entry_row(entry: Entry) -> tuple[object, ...]:
    paths = " ".join(entry.paths[:SHOWN_PATHS]) + (" …" if len(entry.paths) > SHOWN_PATHS else "")
    return entry.sequence, local_time(entry.at), entry.status, counted(entry.operations), paths, entry.root


def diff(
    before: Moment,
    after: Later = None,
    path: Below = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Show what differs between two moments: + is new, - is gone, ~ has changed."""

    async def work(client: Client) -> None:
        async for difference in client.journal.diff(before, after=after, path=path or "/"):
            print_json(difference) if as_json else say(_line(difference))

    System(url, seed, data_dir).talk(work)


def _line(difference: Difference) -> str:
    mark = {"directory": "/", "symlink": "@"}.get(difference.type, "")
    return f"{SIGNS[difference.change]} {difference.path.rstrip('/') or ''}{mark}"


def restore(
    path: OneTreePath,
    at: WhenItWas,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Bring a path back as it was, / being the whole tree; that is a change like any other."""

    async def work(client: Client) -> None:
        changed = await client.journal.restore(at, path=path, transaction=transaction)
        print_changed(changed, quiet, as_json)

    System(url, seed, data_dir).talk(work)


# ---- the journal and its archive ------------------------------------------------------------------------


def status(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """The journal in numbers."""

    async def work(client: Client) -> None:
        found = await client.journal.status()
        print_json(found) if as_json else _say(found)

    System(url, seed, data_dir).talk(work)


def _say(found: JournalStatus | Checkpoint | Recovered) -> None:
    values = found.model_dump(mode="json", exclude_none=True)
    fields(values | {name: local_time(values[name]) for name in TIMES if name in values})


def enable(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]", help="On the journal's machine; where it is now, if none is given."
        ),
    ] = None,
    auto_recovery: Annotated[
        bool, typer.Option(help="Recover from the archive by itself when the journal is lost.")
    ] = True,
    sync_interval: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Until an entry is in the archive's file.")
    ] = 5,
    checkpoint_interval: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="A checkpoint after so long …")
    ] = 60,
    max_journal_size: Annotated[
        int, typer.Option(min=1, metavar="ENTRIES", help="… or after so many entries.")
    ] = 1000,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say where the archive is, from which a lost journal is recovered, and when it is written."""

    async def work(client: Client) -> None:
        if folder is None:
            where = (await client.journal.status()).journal_base_path or DEFAULT_ARCHIVE
        else:
            where = str(folder.expanduser().absolute())
        enabled = await client.journal.enable(
            journal_base_path=where,
            auto_recovery=auto_recovery,
            sync_interval=sync_interval,
            checkpoint_interval=checkpoint_interval,
            max_journal_size=max_journal_size,
        )
        print_json(enabled) if as_json else say(f"{enabled.message}: {enabled.journal_base_path}")

    System(url, seed, data_dir).talk(work)


def checkpoint(
    whole: Annotated[
        bool, typer.Option("--whole", help="Write all blocks, not only those that are new since the last.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write the tree of now into the archive."""

    async def work(client: Client) -> None:
        made = await client.journal.checkpoint(whole=whole)
        print_json(made) if as_json else _say(made)

    System(url, seed, data_dir).talk(work)


def checkpoints(
    as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR
) -> None:
    """List the checkpoints in the archive."""

    async def work(client: Client) -> None:
        columns = ("Checkpoint", "Sequence", "Time", "Size", "Blocks", "Root")
        await listing(client.journal.checkpoints(), columns, _checkpoint_row, as_json=as_json)

    System(url, seed, data_dir).talk(work)


def _checkpoint_row(made: Checkpoint) -> tuple[object, ...]:
    return made.id, made.sequence, local_time(made.at), size(made.size_bytes), made.blocks, made.root


def recover(
    checkpoint_id: Annotated[
        str | None,
        typer.Argument(metavar="[CHECKPOINT]", help="Go back to this one instead of the newest state."),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Bring the tree back to what its journal and its archive can prove."""

    async def work(client: Client) -> None:
        recovered = await client.journal.recover(checkpoint_id=checkpoint_id)
        print_json(recovered) if as_json else _say(recovered)

    System(url, seed, data_dir).talk(work)


def verify(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Check the whole chain of the journal and its archive; what is wrong ends with exit code 1."""

    async def work(client: Client) -> int:
        found = await client.journal.verify()
        if as_json:
            print_json(found)
        else:
            say(
                f"{'verified' if found.ok else 'damaged'}: {found.entries} entries,"
                f" {found.archived_entries} archived, {found.checkpoints} checkpoints"
            )
            for problem in found.problems:
                complain(problem)
        return 0 if found.ok else ANSWERED

    System(url, seed, data_dir).talk(work)
