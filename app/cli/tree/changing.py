"""Changing the file tree: cp, mv, rm, mkdir, touch, chmod, ln, mount, unmount.

What is given several paths is done to all of them or to none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import DATA_DIR, Folder, Json, Quiet, Seed, Url
from ..output import print_json, say
from ..talking import System
from .options import InTransaction, OneTreePath, TreePaths, join, name_of, tree_path

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.journal import Changed
    from cidbus.schemas.tree import AnyOperation

__all__ = ["chmod", "cp", "ln", "mkdir", "mount", "mv", "print_changed", "rm", "touch", "unmount"]

# How an operation is told of once it is done.
DONE = {
    "mkdir": "made",
    "put": "placed",
    "write": "wrote",
    "truncate": "cut",
    "remove": "removed",
    "move": "moved",
    "copy": "copied",
    "symlink": "linked",
    "metadata": "set",
}

Parents = Annotated[bool, typer.Option("--parents", "-p", help="Make the directories above as needed.")]
Sources = Annotated[list[str], typer.Argument(metavar="SOURCE…", parser=tree_path, help="Paths of the tree.")]
Destination = Annotated[
    str,
    typer.Argument(
        metavar="DESTINATION", parser=tree_path,
        help="The new path, or a directory to put it into; several sources need a directory.",
    ),
]  # fmt: skip


# ---- several paths as one change ------------------------------------------------------------------------


def cp(
    sources: Sources,
    destination: Destination,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a file that is there.")] = False,
    parents: Parents = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Place files or whole directories at a second path; it costs one link, however large they are."""
    from cidbus.schemas import tree

    operations = [
        tree.Copy(source=source, destination=target, exact=exact, parents=parents, overwrite=force)
        for source, target, exact in _targets(sources, destination)
    ]
    _apply(operations, transaction, System(url, seed, data_dir), quiet, as_json)


def mv(
    sources: Sources,
    destination: Destination,
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
    """Give entries another path."""
    from cidbus.schemas import tree

    operations = [
        tree.Move(source=source, destination=target, exact=exact, parents=parents, overwrite=not no_clobber)
        for source, target, exact in _targets(sources, destination)
    ]
    _apply(operations, transaction, System(url, seed, data_dir), quiet, as_json)


def _targets(sources: list[str], destination: str) -> list[tuple[str, str, bool]]:
    """Each source, where it goes, and whether that is the new path itself in any case."""
    if len(sources) == 1:
        return [(sources[0], destination, False)]
    return [(source, join(destination, name_of(source)), True) for source in sources]


def rm(
    paths: TreePaths,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Directories with all that is in them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="What is not there is no error.")] = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Remove files, links and directories."""
    from cidbus.schemas import tree

    operations = [tree.Remove(path=path, recursive=recursive, missing_ok=force) for path in paths]
    _apply(operations, transaction, System(url, seed, data_dir), quiet, as_json)


def mkdir(
    paths: TreePaths,
    parents: Annotated[
        bool, typer.Option("--parents", "-p", help="Make those above too; one that exists is no error.")
    ] = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Make directories."""
    from cidbus.schemas import tree

    operations = [tree.Mkdir(path=path, parents=parents, exist_ok=parents) for path in paths]
    _apply(operations, transaction, System(url, seed, data_dir), quiet, as_json)


def touch(
    paths: TreePaths,
    when: Annotated[
        float | None, typer.Option("--time", metavar="UNIXTIME", help="Which time; now, if none is given.")
    ] = None,
    no_create: Annotated[bool, typer.Option("--no-create", "-c", help="Make no file.")] = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Set the time of entries, making empty files where there is nothing.

    With a time a file has another CID than the same bytes without one.
    """
    from cidbus.schemas import tree

    mtime = time.time() if when is None else when
    operations = [tree.Metadata(path=path, mtime=mtime, create=not no_create) for path in paths]
    _apply(operations, transaction, System(url, seed, data_dir), quiet, as_json)


def chmod(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="Permission bits in octal, such as 644.")],
    paths: TreePaths,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Set the mode of entries; with one a file has another CID than the same bytes without."""
    from cidbus.schemas import tree

    operations = [tree.Metadata(path=path, mode=_mode(mode)) for path in paths]
    _apply(operations, transaction, System(url, seed, data_dir), quiet, as_json)


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise typer.BadParameter(f"{text!r} is not an octal mode such as 644", param_hint="MODE")
    return mode


def ln(
    target: Annotated[str, typer.Argument(help="What the link says: a relative path inside the tree.")],
    path: OneTreePath,
    parents: Parents = False,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Make a symbolic link."""
    from cidbus.schemas import tree

    operation = tree.Symlink(path=path, target=target, parents=parents)
    _apply([operation], transaction, System(url, seed, data_dir), quiet, as_json)


def _apply(
    operations: Sequence[AnyOperation],
    transaction: str | None,
    system: System,
    quiet: bool,
    as_json: bool,
) -> None:
    async def work(client: Client) -> None:
        changed = await client.journal.apply(list(operations), transaction=transaction)
        print_changed(changed, quiet, as_json)

    system.talk(work)


def print_changed(changed: Changed, quiet: bool, as_json: bool) -> None:
    """What was done, a line for each operation."""
    if as_json:
        print_json(changed)
        return
    for outcome in changed.outcomes:
        if quiet and outcome.cid is not None and outcome.op != "remove":
            say(outcome.cid)
        elif not quiet:
            cid = "" if outcome.cid is None or outcome.op == "remove" else f" {outcome.cid}"
            say(f"{DONE.get(outcome.op, outcome.op)}{cid} {outcome.path}")


# ---- content by its CID ---------------------------------------------------------------------------------


def mount(
    cid: Annotated[str, typer.Argument(metavar="CID", help="A CID of version 0 or 1.")],
    path: OneTreePath,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Place content that has a CID at a path, with the directories above it; it costs one link."""

    async def work(client: Client) -> None:
        print_changed(await client.journal.mount(cid, path, transaction=transaction), quiet, as_json)

    System(url, seed, data_dir).talk(work)


def unmount(
    path: OneTreePath,
    transaction: InTransaction = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Take what stands at a path out of the tree."""

    async def work(client: Client) -> None:
        print_changed(await client.journal.unmount(path, transaction=transaction), quiet, as_json)

    System(url, seed, data_dir).talk(work)
