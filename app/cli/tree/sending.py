"""Local files into the tree: put and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import DATA_DIR, Folder, Json, Quiet, Seed, Url
from ..sending import STDIN, progress_bar, source_of
from ..talking import System
from .changing import Parents, print_changed
from .options import InTransaction, OneTreePath, join

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.tree import AnyOperation

__all__ = ["put", "write"]


def put(
    sources: Annotated[list[str], typer.Argument(metavar="LOCAL…", help="Files, directories; - is stdin.")],
    path: OneTreePath,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a directory that is there with all that is in it.")
    ] = False,
    no_clobber: Annotated[
        bool, typer.Option("--no-clobber", "-n", help="Do not replace a file that is there.")
    ] = False,
    parents: Parents = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Store files and whole directories and place them in the tree, all at once when all are there.

    Where PATH is a directory they go into it under their own names.
    """
    if STDIN in sources and len(sources) > 1:
        raise typer.BadParameter("stdin goes alone, to a path of its own", param_hint="LOCAL")

    async def work(client: Client) -> None:
        from cidbus.client.placing import store
        from cidbus.schemas.keeping import new_keep

        operations: list[AnyOperation] = []
        keeps: list[str] = []
        targets = await _targets(client, sources, path, transaction)
        for given, target in zip(sources, targets, strict=True):
            source = source_of(given)
            keeps.append(new_keep())
            with progress_bar(source, silent=quiet or as_json, hidden=True) as progress:
                added = await store(client, source, keeps[-1], progress=progress)
            operations += _placing(target, added.cid, replace, not no_clobber, parents)
        changed = await client.journal.apply(operations, transaction=transaction)
        await client.ipfs.root_rm(keeps)
        print_changed(changed, quiet, as_json)

    System(url, seed, data_dir).talk(work)


async def _targets(client: Client, sources: Sequence[str], path: str, transaction: str | None) -> list[str]:
    """Where each source goes: into the directory at the path, or to the path itself."""
    if sources == [STDIN]:
        return [path]
    if len(sources) == 1 and not await _is_directory(client, path, transaction):
        return [path]
    # As a shell gives them, `photos/` and `.` have names as well.
    return [join(path, Path(source).resolve().name) for source in sources]


async def _is_directory(client: Client, path: str, transaction: str | None) -> bool:
    from cidbus.schemas.errors import NotFound

    try:
        found = await client.journal.stat(path=path, follow=True, transaction=transaction)
    except NotFound:
        return False
    return found.type == "directory"


def _placing(path: str, cid: str, replace: bool, overwrite: bool, parents: bool) -> list[AnyOperation]:
    from cidbus.schemas.tree import Put, Remove

    placed = Put(path=path, cid=cid, parents=parents, overwrite=overwrite)
    return [Remove(path=path, recursive=True, missing_ok=True), placed] if replace else [placed]


def write(
    path: OneTreePath,
    source: Annotated[
        str, typer.Argument(metavar="[LOCAL]", help="The file with the bytes; by default stdin.")
    ] = STDIN,
    offset: Annotated[int, typer.Option(min=0, help="Where to begin.")] = 0,
    append: Annotated[bool, typer.Option("--append", "-a", help="At the end.")] = False,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="The file ends where the written bytes end.")
    ] = False,
    parents: Parents = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write bytes into a file, which is made if there is none; what they do not cover stays."""
    if append and offset:
        raise typer.BadParameter("goes without --offset", param_hint="--append")

    async def work(client: Client) -> None:
        from cidbus.client.placing import write_at

        given = source_of(source)
        with progress_bar(given, silent=quiet or as_json) as progress:
            changed = await write_at(
                client, given, path, offset=offset, append=append, truncate=truncate, parents=parents,
                transaction=transaction, progress=progress,
            )  # fmt: skip
        print_changed(changed, quiet, as_json)

    System(url, seed, data_dir).talk(work)
